from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from lambda_learner.publish.coefficients import EntityCoefficients, Tombstone
from lambda_learner.publish.topic_record import topic_record

ENTITY = '["u7é"]'
NAMES = (("item.b", ""), ("item.a", "x"))


def coefficients(precision: Any = (4.0, 2.0), names: Any = NAMES) -> EntityCoefficients:
    return EntityCoefficients(ENTITY, 60_000, 3, names, np.array([0.1, -1.5]), np.array(precision), "2024")


def value_of(update: EntityCoefficients, max_bytes: int = 10_000) -> dict[str, Any]:
    text = topic_record("m", "g", update, max_bytes=max_bytes).value
    assert text is not None
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_record_has_the_key_of_its_model_and_entity() -> None:
    assert topic_record("m", "g", coefficients(), max_bytes=10_000).key == f"m|{ENTITY}"


def test_a_value_tells_model_entity_window_and_coefficients() -> None:
    assert value_of(coefficients()) == {
        "model": "m",
        "generation": "g",
        "entity": ENTITY,
        "close_ms": 60_000,
        "count": 3,
        "base_version": "2024",
        "bytes": None,
        "coefficients": [["item.a", "x", -1.5, 0.5], ["item.b", "", 0.1, 0.25]],
    }


def test_a_full_posterior_gives_marginal_variances() -> None:
    precision = [[4.0, 1.0], [1.0, 2.0]]  # its inverse is [[2, -1], [-1, 4]] / 7
    found = [variance for *_, variance in value_of(coefficients(precision))["coefficients"]]
    assert found == pytest.approx([4 / 7, 2 / 7])


def test_an_entity_that_is_dropped_has_no_value() -> None:
    assert topic_record("m", "g", Tombstone(ENTITY, 1_000), max_bytes=10_000) == (f"m|{ENTITY}", None)


def test_what_is_too_long_tells_its_length_and_has_no_coefficients() -> None:
    long = coefficients(names=(("n" * 10_000, ""), ("item.a", "")))
    whole = topic_record("m", "g", long, max_bytes=99_999)
    short = value_of(long)
    assert short["coefficients"] is None
    assert short["bytes"] == len(f"{whole.key}{whole.value}".encode())


def test_a_record_holds_no_separator_of_the_texts_between_stages() -> None:
    record = topic_record("m", "g", coefficients(names=(("a\u001e\u001f", ""), ("b", ""))), max_bytes=10_000)
    assert not {"\x1e", "\x1f"} & set(record.value or "")
