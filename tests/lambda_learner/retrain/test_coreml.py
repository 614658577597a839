"""The CoreML file: its trees give the booster's scores, its metadata is what the Swift client reads."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from lambda_learner.encoding import to_float32
from lambda_learner.publish.model_file import LINEAGE
from lambda_learner.retrain import Trained
from lambda_learner.retrain.boost import predict
from lambda_learner.retrain.coreml import CoreMLMissing, to_coreml
from tests.harness.archived_rows import plain_rows
from tests.harness.training import trained

ODD = 'od"d [key] <\\> ü'  # a path that XGBoost would refuse as a name


@pytest.fixture(scope="module")
def made() -> Trained:
    rows = plain_rows(800)
    for row in rows:
        for name in ("item", "sample"):
            row[name] = row[name].replace('"tempo"', json.dumps(ODD))
    return trained(rows)


@pytest.fixture(scope="module")
def spec(made: Trained) -> Any:
    data = to_coreml(made.decision.booster, made.metadata)
    assert data[4:8] == bytes(4)  # no time
    spec = import_module("coremltools.proto.Model_pb2").Model()
    spec.ParseFromString(gzip.decompress(data))
    return spec


def test_the_inputs_are_the_features_and_the_output_is_the_target(spec: Any, made: Trained) -> None:
    assert [described.name for described in spec.description.input] == list(made.decision.encoder.features)
    assert f"item.{ODD}" in made.decision.encoder.features
    assert {described.type.WhichOneof("Type") for described in spec.description.input} == {"doubleType"}
    assert [described.name for described in spec.description.output] == ["target"]


def test_the_metadata_are_texts(spec: Any, made: Trained) -> None:
    texts = dict(spec.description.metadata.userDefined)
    assert texts["ai.improve.model"] == "songs"
    assert texts["ai.improve.version"] == "8.0.0"
    assert int(texts["ai.improve.seed"]) == made.metadata["ai.improve.seed"]
    assert json.loads(texts["ai.improve.string_tables"]) == made.metadata["ai.improve.string_tables"]
    assert json.loads(texts[LINEAGE]) == made.metadata[LINEAGE]
    assert "ai.improve.features" not in texts


def test_the_trees_give_the_boosters_scores(spec: Any, made: Trained) -> None:
    rng = np.random.default_rng(2)
    rows = np.column_stack([rng.integers(0, 24, 200), rng.uniform(-1, 1, 200), rng.random(200)]).astype(np.float64)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    assert rows.shape[1] == len(made.decision.encoder.features)
    expected = predict(made.decision.booster, to_float32(rows))
    ensemble = spec.treeEnsembleRegressor.treeEnsemble
    assert list(ensemble.basePredictionValue) == [0.5]
    found = [score(ensemble, row) for row in rows.astype(np.float32)]
    np.testing.assert_array_equal(np.array(found, np.float32), expected)


def score(ensemble: Any, row: Any) -> np.float32:
    """As XGBoost adds up: in 32 bits, tree after tree."""
    nodes = {(node.treeId, node.nodeId): node for node in ensemble.nodes}
    total = np.float32(0.5)
    leaf = type(ensemble.nodes[0]).LeafNode
    for tree in sorted({node.treeId for node in ensemble.nodes}):
        node = nodes[tree, 0]
        while node.nodeBehavior != leaf:
            value = row[node.branchFeatureIndex]
            yes = node.missingValueTracksTrueChild if np.isnan(value) else value < np.float32(node.branchFeatureValue)
            node = nodes[tree, node.trueChildNodeId if yes else node.falseChildNodeId]
        total += np.float32(node.evaluationInfo[0].evaluationValue)
    return total


def test_the_same_model_is_the_same_bytes(made: Trained) -> None:
    assert to_coreml(made.decision.booster, made.metadata) == to_coreml(made.decision.booster, made.metadata)


def test_without_the_converter_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, made: Trained) -> None:
    monkeypatch.setitem(sys.modules, "coremltools.converters.xgboost", None)
    with pytest.raises(CoreMLMissing, match=r"lambda-learner-flink\[coreml\]"):
        to_coreml(made.decision.booster, made.metadata)


def test_a_training_does_not_import_the_converter() -> None:
    program = "import sys, lambda_learner.retrain.pipeline\nprint('coremltools' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "False\n"
