"""The vectors that the specification gives, to the last bit (improve_protocol.md §5)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lambda_learner.encoding import Encoder, StringTable, sprinkle, text_hash, to_float32

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden/encoding.json").read_text("utf-8"))


@pytest.mark.parametrize("case", GOLDEN["hashes"], ids=lambda case: f"{case['given']}")
def test_a_text_has_its_known_hash(case: dict[str, Any]) -> None:
    assert text_hash(**case["given"]) == case["expected"]


@pytest.mark.parametrize("case", GOLDEN["tables"], ids=lambda case: f"{case['given']['table']}")
def test_a_table_gives_its_known_values(case: dict[str, Any]) -> None:
    table, expected = StringTable(case["given"]["table"]), case["expected"]
    assert (table.mask, table.width) == (expected["mask"], expected["width"])
    for text, value in expected["values"].items():
        assert table.value(text_hash(text, case["given"]["seed"])) == value


@pytest.mark.parametrize("case", GOLDEN["vectors"], ids=lambda case: case["name"])
def test_an_item_and_context_have_their_known_vector(case: dict[str, Any]) -> None:
    given = case["given"]
    encoder = Encoder(given["features"], given["tables"], given["seed"])
    expected = [np.nan if value is None else value for value in case["expected"]]
    np.testing.assert_array_equal(encoder.encode(given["item"], given["context"]), expected)


@pytest.mark.parametrize("case", GOLDEN["noise"], ids=lambda case: f"{case['given']['value']}")
def test_a_value_with_noise_is_the_known_float32(case: dict[str, Any]) -> None:
    noisy = to_float32(sprinkle(np.array([float(case["given"]["value"])]), case["given"]["noise"]))
    assert noisy[0] == np.float32(case["expected"])
