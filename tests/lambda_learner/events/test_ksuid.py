"""The ids: 27 characters of base 62, whose texts sort as their times do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.events import ksuid

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden/ksuid.json").read_text("utf-8"))
LATEST_S = ksuid.EPOCH_S + 2**32 - 1
SECONDS = st.integers(ksuid.EPOCH_S, LATEST_S)
PAYLOADS = st.binary(min_size=16, max_size=16)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["given"])
def test_known_ids_have_their_known_times(case: dict[str, Any]) -> None:
    assert ksuid.unix_seconds(case["given"]) == case["expected"]["unix_seconds"]


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["given"])
def test_known_times_and_payloads_give_their_known_ids(case: dict[str, Any]) -> None:
    expected = case["expected"]
    if expected["payload"] is not None:
        assert ksuid.encode(expected["unix_seconds"], bytes.fromhex(expected["payload"])) == case["given"]


@given(SECONDS, PAYLOADS)
def test_an_encoded_time_is_read_back(seconds: int, payload: bytes) -> None:
    assert ksuid.unix_seconds(ksuid.encode(seconds, payload)) == seconds


@given(SECONDS)
def test_the_first_and_last_id_of_a_second_belong_to_it(seconds: int) -> None:
    assert ksuid.unix_seconds(ksuid.encode(seconds, bytes(16))) == seconds
    assert ksuid.unix_seconds(ksuid.encode(seconds, b"\xff" * 16)) == seconds


@given(SECONDS, PAYLOADS, SECONDS, PAYLOADS)
def test_texts_sort_as_their_times_and_payloads_do(
    seconds_1: int, payload_1: bytes, seconds_2: int, payload_2: bytes
) -> None:
    texts_ascend = ksuid.encode(seconds_1, payload_1) < ksuid.encode(seconds_2, payload_2)
    assert texts_ascend == ((seconds_1, payload_1) < (seconds_2, payload_2))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0" * 26,
        "0" * 28,
        "z" * 27,  # over 20 bytes
        "aWgEPTl1tmebfsQzFP4bxwgy80W",  # the greatest id, plus one
        "0" * 26 + "-",
        "0" * 26 + " ",
        "0" * 26 + "\n",
        "0" * 26 + "é",
        "0" * 26 + "٣",  # a digit to Python, not to base 62
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    assert not ksuid.is_valid(text)
    with pytest.raises(ValueError, match="27 characters"):
        ksuid.unix_seconds(text)


@given(st.text(max_size=30))
def test_any_text_is_an_id_or_a_value_error(text: str) -> None:
    try:
        ksuid.unix_seconds(text)
    except ValueError:
        assert not ksuid.is_valid(text)
    else:
        assert ksuid.is_valid(text)


@pytest.mark.parametrize("seconds", [ksuid.EPOCH_S - 1, LATEST_S + 1])
def test_a_time_outside_the_32_bits_cannot_be_encoded(seconds: int) -> None:
    with pytest.raises(ValueError, match="unix_seconds"):
        ksuid.encode(seconds, bytes(16))


def test_a_payload_that_is_not_16_bytes_cannot_be_encoded() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        ksuid.encode(ksuid.EPOCH_S, bytes(15))
