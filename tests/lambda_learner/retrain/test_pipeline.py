"""A training as a whole: reproducible to the byte, honest about what it was made of, unmoved by odd data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lambda_learner.publish.model_file import LINEAGE, from_model_file
from lambda_learner.retrain import DecisionModel, NoDecisions, NoFeatures, TrainingSettings, train
from tests.harness.archived_rows import NONE, START_S, id_at, plain_rows, row, table, traffic_rows
from tests.harness.training import NOW, trained

ROWS = plain_rows(600)


def test_the_same_rows_and_request_give_the_same_bytes() -> None:
    assert trained(ROWS).model_file == trained(ROWS).model_file


def test_how_rows_are_cut_into_tables_does_not_matter() -> None:
    whole = table(ROWS)
    settings = TrainingSettings(max_trees=20)
    pieces = [whole.slice(at, 97) for at in range(0, 600, 97)]
    of_pieces = train(iter(pieces), settings, model="songs", request_id="request", now=NOW)
    assert of_pieces.model_file == trained(ROWS).model_file


def test_the_number_of_threads_does_not_matter_but_for_what_is_written_of_it() -> None:
    alone, many = trained(ROWS, threads=1), trained(ROWS, threads=2)
    assert alone.decision.booster.save_raw("ubj") == many.decision.booster.save_raw("ubj")
    assert (alone.metadata[LINEAGE]["threads"], many.metadata[LINEAGE]["threads"]) == (1, 2)


def test_another_request_explores_otherwise() -> None:
    one, other = trained(ROWS, request_id="1"), trained(ROWS, request_id="2")
    items = [{"genre": "rock", "tempo": tempo / 9} for tempo in range(10)]
    assert one.metadata["ai.improve.seed"] != other.metadata["ai.improve.seed"]
    assert not np.allclose(one.decision.score(items), other.decision.score(items), atol=1e-3)


def test_the_file_has_the_metadata_that_the_clients_want_and_its_lineage() -> None:
    made = trained(ROWS, request_id="r-17")
    assert from_model_file(made.model_file).metadata == made.metadata == json.loads(json.dumps(made.metadata))
    lineage = made.metadata[LINEAGE]
    assert made.metadata["ai.improve.model"] == "songs"
    assert made.metadata["ai.improve.created_at"] == "2026-01-02T03:04:05+00:00"
    assert made.metadata["ai.improve.version"] == "8.0.0"
    assert lineage["request_id"] == "r-17"
    assert lineage["metrics"]["decisions"] == 600
    assert lineage["metrics"]["first_decision_s"] == START_S
    assert lineage["settings"]["max_trees"] == 20
    assert lineage["settings"]["reward"]["function"] == "sum"


@pytest.mark.parametrize(("compatible", "least", "most"), [("no", 22, 47), ("gym", 2, 8)])
def test_tables_have_spare_bits_unless_the_original_is_wanted(compatible: str, least: int, most: int) -> None:
    (genres,) = trained(ROWS, compatible=compatible).metadata["ai.improve.string_tables"].values()
    assert len(genres) == 3
    assert least <= max(genres).bit_length() <= most


def test_a_time_of_another_zone_is_written_as_utc() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=9)))
    made = train([table(ROWS)], TrainingSettings(max_trees=2), model="songs", request_id="r", now=there)
    assert made.metadata["ai.improve.created_at"] == "2026-01-02T03:04:05+00:00"


def test_the_file_scores_as_the_model_does() -> None:
    made = trained(ROWS)
    read = DecisionModel.of_file(made.model_file)
    items: list[Any] = [{"genre": "rock", "tempo": 0.1}, {"genre": "new"}, None, "text", [1, 2]]
    context = {"hour": 4}
    assert read.score(items, context, noise=0.3).tolist() == made.decision.score(items, context, noise=0.3).tolist()


def test_progress_is_told_stage_by_stage() -> None:
    told: list[tuple[str, int, int | None]] = []

    def tell(*step: Any) -> None:
        told.append(step)

    train([table(ROWS)], TrainingSettings(max_trees=5), model="songs", request_id="r", now=NOW, report=tell)
    assert list(dict.fromkeys(stage for stage, _, _ in told)) == ["read", "propensity", "weights", "decision"]
    assert ("read", 600, None) in told
    assert told[-1] == ("decision", 5, 5)


@pytest.mark.parametrize("compatible", ["no", "gym"])
@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([row(0, {"a": 1})], id="one decision"),
        pytest.param([row(number, "x", count=1) for number in range(40)], id="one candidate each"),
        pytest.param([row(n, {"a": n}, rewards={id_at(n): 2.0}) for n in range(40)], id="all rewards are equal"),
        pytest.param([row(n, {"a": n if n % 2 else str(n)}) for n in range(90)], id="now a number, now a string"),
        pytest.param([row(n, {"a": 10.0 ** (n * 4)}) for n in range(70)], id="numbers beyond float32"),
        pytest.param([row(n, {"a": n, "b": {}}, rewards={id_at(n): 1e17 * n}) for n in range(9)], id="huge rewards"),
        pytest.param([row(n, {"a": 1}, count=1e9, sample={"a": 2}) for n in range(9)], id="huge counts"),
        pytest.param([row(n, {"a": 1}, sample=NONE) for n in range(40)], id="no samples"),
    ],
)
def test_odd_data_give_a_model_of_finite_scores(rows: list[dict[str, Any]], compatible: str) -> None:
    made = trained(rows, compatible=compatible)
    assert np.isfinite(made.decision.score([{"a": 1}, {"a": "text"}, "x", None], None, noise=0.5)).all()
    from_model_file(made.model_file)


@pytest.mark.parametrize("compatible", ["no", "gym"])
def test_a_single_decision_gives_a_model_whatever_is_drawn_for_it(compatible: str) -> None:
    for request in range(12):  # 1 - 0.63 · 0.7 of them draw nothing
        made = trained([row(0, {"a": 1})], request_id=str(request), compatible=compatible, max_trees=1)
        assert made.metrics.rows == 1


def test_50000_distinct_strings_leave_only_those_that_come_often() -> None:
    rows = [row(n, {"id": f"id {n}", "kind": f"kind {n % 9}"}, sample={"id": f"other {n}"}) for n in range(25_000)]
    made = trained(rows, max_trees=3, explore=False)
    tables = made.metadata["ai.improve.string_tables"]
    assert {feature: len(entries) for feature, entries in tables.items()} == {"item.kind": 9}
    assert made.metrics.strings == 9


def test_a_huge_nested_item_costs_features_no_more_than_allowed() -> None:
    huge = {f"k{a}": {f"m{b}": [a, {"deep": str(b)}] for b in range(100)} for a in range(100)}
    rows = [row(0, huge, sample={"a": 1}), *(row(n, {"a": n}, sample={"a": 1}) for n in range(1, 50))]
    made = trained(rows, max_features=30)
    assert made.metrics.features == 29
    assert "item.a" in made.decision.encoder.features


def test_no_rows_are_a_clear_error() -> None:
    with pytest.raises(NoDecisions, match="'songs' has no decision to train on .there are no rows"):
        trained([])


def test_rewards_without_decisions_are_a_clear_error() -> None:
    partial = row(0, NONE, context=NONE, count=None, rewards={id_at(1): 1.0})
    with pytest.raises(NoDecisions, match=r"1 partial\)"):
        trained([partial])


@pytest.mark.parametrize("settings", [{}, {"exclude_paths": ("item",)}])
def test_nothing_to_learn_from_is_a_clear_error(settings: dict[str, Any]) -> None:
    with pytest.raises(NoFeatures, match="has no features"):
        trained([row(number, {"a": 1} if settings else None) for number in range(9)], **settings)


def test_what_was_set_aside_is_in_the_metrics() -> None:
    rows = [*ROWS, row(900, NONE, context=NONE, count=None), row(901, "a") | {"item": "{"}]
    assert trained(rows).metrics.set_aside == {"partial": 1, "unreadable": 1}


def test_a_new_feature_is_trained_at_the_next_request() -> None:
    rows = [*ROWS, *(row(1000 + n, {"genre": "new wave", "added": n}, sample={"genre": "pop"}) for n in range(50))]
    assert "item.added" not in trained(ROWS).decision.encoder.features
    assert "item.added" in trained(rows, max_checkpoint_age_s=1e9).decision.encoder.features


def test_data_over_the_memory_bound_give_a_model_as_good(tmp_path: Path) -> None:
    rows = traffic_rows(12_000).rows
    in_memory, on_disk = (
        trained(rows, max_features=12, max_memory_bytes=memory_bytes, spool_folder=str(tmp_path), explore=False)
        for memory_bytes in (1 << 30, 1 << 20)
    )
    assert in_memory.decision.encoder.features == on_disk.decision.encoder.features
    assert on_disk.metrics.loss == pytest.approx(in_memory.metrics.loss, rel=0.03)
    assert on_disk.metrics.propensity_log_loss == pytest.approx(in_memory.metrics.propensity_log_loss, rel=0.03)
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_behind_by_a_training_that_fails(tmp_path: Path) -> None:
    def tables() -> Iterator[pa.Table]:
        yield traffic_rows(9_000).rows
        raise OSError

    settings = TrainingSettings(max_memory_bytes=1 << 20, spool_folder=str(tmp_path))
    with pytest.raises(OSError):  # noqa: PT011 - ours
        train(tables(), settings, model="songs", request_id="r", now=NOW)
    assert not list(tmp_path.iterdir())
