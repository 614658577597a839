"""Protocol 7 decisions, translated (spec/improve_protocol.md §2)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambda_learner.events import BadRecord, Decision, decode, ksuid

NOW_S = 1_795_406_033
ID = ksuid.encode(NOW_S, b"decision-0000001")


def read(**fields: Any) -> Decision:
    raw = json.dumps({"type": "decision", "message_id": ID, "model": "m", **fields}).encode()
    event = decode(raw, arrival_ms=NOW_S * 1000)
    assert isinstance(event, Decision)
    return event


def refusal(**fields: Any) -> BadRecord:
    with pytest.raises(BadRecord) as caught:
        read(**fields)
    return caught.value


def test_a_translated_decision_equals_its_version_8_twin() -> None:
    twin = read(item={"a": 1}, count=3, context={"b": 2}, sample="x")
    assert read(variant={"a": 1}, count=3, givens={"b": 2}, sample={"$value": "x"}) == twin


def test_a_line_with_an_item_is_version_8_whatever_else_it_holds() -> None:
    assert read(item=1, variant=2, givens={"a": 1}, runners_up=5, count=2).item == 1
    assert read(item=None, variant=2, count=2).item is None


@pytest.mark.parametrize("value", [0, "x", True, [1], {"a": 1}, {"$value": 1, "b": 2}])
def test_only_the_two_wrappings_are_unwrapped(value: object) -> None:
    assert read(variant=value, count=1).item == value


def test_a_wrapping_inside_a_value_is_left_alone() -> None:
    nested = {"a": {"$value": 1}, "b": {}}
    assert read(variant=nested, count=1).item == nested


def test_the_pool_of_the_sample_leaves_the_runners_up_out() -> None:
    assert read(variant=1, count=4, runners_up=[2, 3], sample=4).has_sample
    assert not read(variant=1, count=3, runners_up=[2, 3]).has_sample
    assert refusal(variant=1, count=3, runners_up=[2, 3], sample=4).reason == "unexpected_sample"
    assert refusal(variant=1, count=1, sample=4).reason == "unexpected_sample"


def test_a_missing_sample_is_taken_as_in_version_8() -> None:
    assert not read(variant=1, count=4, runners_up=[2]).has_sample


@pytest.mark.parametrize("runners_up", [[], "x", 3, True, {"0": 1}, [1, 2, 3]])
def test_runners_up_are_a_list_that_fits_the_count(runners_up: object) -> None:
    error = refusal(variant=1, count=3, runners_up=runners_up)
    assert (error.reason, error.field) == ("bad_runners_up", "runners_up")


def test_the_count_is_checked_as_in_version_8() -> None:
    assert refusal(variant=1, count=0).reason == "bad_count"
