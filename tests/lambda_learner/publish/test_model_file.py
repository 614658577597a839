"""The model file: what the clients need is there, the same model is the same bytes, damage is told."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np
import pytest
import xgboost as xgb

from lambda_learner.publish.model_file import LINEAGE, DamagedModel, from_model_file, to_model_file

METADATA: dict[str, Any] = {
    "ai.improve.model": "songs-2.0",
    "ai.improve.features": ["context", "item.métal"],
    "ai.improve.string_tables": {"item.métal": [72, 73, 9]},
    "ai.improve.seed": 64229900,
    "ai.improve.created_at": "2026-01-02T03:04:05+00:00",
    "ai.improve.version": "8.0.0",
    LINEAGE: {"request_id": "r", "metrics": {"loss": 0.25}},
}
ROWS = np.random.default_rng(1).random((200, 2)).astype(np.float32)


def grown(objective: str = "reg:squarederror", *, base_score: float = 0.5) -> xgb.Booster:
    parameters = {"objective": objective, "base_score": base_score, "nthread": 1, "verbosity": 0}
    return xgb.train(parameters, xgb.DMatrix(ROWS, ROWS.sum(axis=1) > 1), 5)


BOOSTER = grown()
FILE = to_model_file(BOOSTER, METADATA)


def test_the_file_is_gzip_of_the_old_binary_format_without_a_time() -> None:
    raw = gzip.decompress(FILE)
    assert raw[:4] == b"binf"
    assert FILE[4:8] == bytes(4)
    assert np.frombuffer(raw[4:8], np.float32)[0] == 0.5  # base_score, the first field of the old format


def test_the_same_model_is_the_same_bytes() -> None:
    assert to_model_file(grown(), METADATA) == FILE


def test_a_file_is_read_back_with_its_scores_and_metadata() -> None:
    booster, metadata = from_model_file(FILE)
    assert metadata == METADATA
    np.testing.assert_array_equal(booster.inplace_predict(ROWS), BOOSTER.inplace_predict(ROWS))


def test_the_booster_itself_stays_as_it_was() -> None:
    booster = grown()
    booster.set_attr(note="mine")
    to_model_file(booster, METADATA)
    assert booster.attributes() == {"note": "mine"}


def test_a_model_that_was_read_back_can_be_written_again_with_other_metadata() -> None:
    booster, _ = from_model_file(to_model_file(grown(), METADATA), "key")
    other = METADATA | {"ai.improve.created_at": "2026-11-24T00:00:00+00:00"}
    assert from_model_file(to_model_file(booster, other), "key")[1] == other


def test_other_attributes_of_the_booster_are_not_in_the_file() -> None:
    booster = grown()
    booster.set_attr(best_iteration="3")
    assert to_model_file(booster, METADATA) == FILE


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", "../songs"),
        ("model", None),
        ("features", []),
        ("features", ["a"]),
        ("features", ["a", ""]),
        ("features", ["a", 3]),
        ("string_tables", {"item.other": [1]}),
        ("string_tables", {"context": [-1]}),
        ("string_tables", {"context": [1.5]}),
        ("string_tables", None),
        ("seed", 0),
        ("seed", 2**32),
        ("seed", "64229900"),
        ("created_at", "noon"),
        ("created_at", None),
        ("version", "7.2.0"),
        ("version", "80.0"),
        ("version", 8),
    ],
)
def test_metadata_that_a_client_refuses_is_not_written(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"ai.improve.{key} must be"):
        to_model_file(BOOSTER, METADATA | {f"ai.improve.{key}": value})


def repacked(booster: xgb.Booster, metadata: str | None, *, raw_format: str = "deprecated") -> bytes:
    copy = booster.copy()
    copy.set_attr(user_defined_metadata=metadata)
    with xgb.config_context(verbosity=0):
        return gzip.compress(bytes(copy.save_raw(raw_format)), mtime=0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cannot|not gzip|format"),
        (b"binf", "not gzip"),
        (FILE[:-1], "not gzip"),
        (FILE[:200], "not gzip"),
        (FILE[:300] + bytes([FILE[300] ^ 1]) + FILE[301:], "not gzip"),
        (gzip.compress(b"hello", mtime=0), "old binary format"),
        (gzip.compress(b"binf", mtime=0), "XGBoost cannot load it"),
        (gzip.compress(gzip.decompress(FILE)[:1000], mtime=0), "XGBoost cannot load it"),
        (repacked(BOOSTER, None), "user_defined_metadata is not JSON"),
        (repacked(BOOSTER, "{"), "user_defined_metadata is not JSON"),
        (repacked(BOOSTER, "[]"), "user_defined_metadata must be an object"),
        (repacked(BOOSTER, "{}"), "ai.improve.model must be"),
        (repacked(BOOSTER, "{}", raw_format="ubj"), "old binary format"),
    ],
)
def test_a_file_that_no_client_could_use_is_damaged(data: bytes, reason: str) -> None:
    with pytest.raises(DamagedModel, match=f"models/latest/songs.xgb.gz is damaged: .*({reason})"):
        from_model_file(data, "models/latest/songs.xgb.gz")
