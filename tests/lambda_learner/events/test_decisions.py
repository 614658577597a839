"""Decisions and rewards: the rules of protocol 8 (spec/improve_protocol.md §2, §3) and 7."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambda_learner.events import BadRecord, Decision, Event, Reward, decode, ksuid

NOW_S = 1_795_406_033
ID = ksuid.encode(NOW_S, b"decision-0000001")
OTHER_ID = ksuid.encode(NOW_S, b"reward---0000001")


def read(**fields: Any) -> Event:
    raw = json.dumps({"message_id": ID, "model": "m", **fields}).encode()
    return decode(raw, arrival_ms=NOW_S * 1000)


def read_decision(**fields: Any) -> Decision:
    event = read(**fields)
    assert isinstance(event, Decision)
    return event


def read_reward(value: object) -> Reward:
    event = read(decision_id=OTHER_ID, reward=value)
    assert isinstance(event, Reward)
    return event


def refusal(**fields: Any) -> BadRecord:
    with pytest.raises(BadRecord) as caught:
        read(**fields)
    return caught.value


def reason(**fields: Any) -> str:
    return refusal(**fields).reason


@pytest.mark.parametrize("count", [0, -1, 3.0, 2.5, "3", False, [], {}, 2**70])
def test_a_count_that_is_no_positive_integer_is_refused(count: object) -> None:
    assert reason(count=count) == "bad_count"


def test_a_count_of_true_passes_as_one() -> None:
    event = read_decision(count=True)
    assert event.count == 1
    assert event.payload == read_decision(count=1).payload
    assert reason(count=True, sample=None) == "unexpected_sample"


def test_a_null_count_makes_a_reward() -> None:
    assert isinstance(read(count=None, decision_id=OTHER_ID, reward=1), Reward)
    assert reason(count=None) == "missing_field"


def test_count_and_reward_together_make_a_decision() -> None:
    assert isinstance(read(count=2, reward="ignored", decision_id=7), Decision)


@pytest.mark.parametrize("sample", [None, 0, "x", {}])
def test_one_candidate_has_no_sample_not_even_null(sample: object) -> None:
    assert reason(count=1, sample=sample) == "unexpected_sample"


def test_a_missing_sample_is_taken_and_differs_from_null() -> None:
    missing, null = read_decision(count=3), read_decision(count=3, sample=None)
    assert (missing.has_sample, null.has_sample) == (False, True)
    assert "sample" not in json.loads(missing.payload)
    assert json.loads(null.payload)["sample"] is None


@pytest.mark.parametrize("item", [None, 0, -0.5, True, "", "é🎧", [], [1, ["a"]], {}, {"a": {"b": None}}])
def test_item_context_and_sample_are_any_json(item: object) -> None:
    event = read_decision(count=2, item=item, context=item, sample=item)
    assert event.item == event.context == event.sample == item


def test_an_absent_item_or_context_is_null() -> None:
    assert read_decision(count=1).payload == read_decision(count=1, item=None, context=None).payload


def test_the_payload_has_sorted_keys_at_every_depth_and_no_arrival() -> None:
    event = read_decision(item={"b": {"z": 1, "a": 2}, "a": "é"}, count=1, received_at=NOW_S * 1000, x=1)
    item = '"item":{"a":"é","b":{"a":2,"z":1}}'
    assert event.payload == f'{{"context":null,"count":1,{item},"message_id":"{ID}","model":"m"}}'


def test_the_payload_keeps_what_off_policy_work_needs() -> None:
    extras = {"candidates": [1, 2], "propensity": 0.5, "model_version": "v3"}
    kept = json.loads(read_decision(count=2, item=1, sample=2, **extras).payload)
    assert {name: kept[name] for name in extras} == extras


@pytest.mark.parametrize("name", ["candidates", "propensity", "model_version"])
def test_a_null_optional_field_is_an_absent_one(name: str) -> None:
    assert read_decision(count=2, **{name: None}).payload == read_decision(count=2).payload


def test_a_version_7_decision_has_the_same_optional_fields() -> None:
    extras = {"candidates": ["a", "b", {}], "propensity": 1, "model_version": "v3"}
    version_7 = {"type": "decision", "variant": {"$value": "a"}, "count": 3, "runners_up": ["b"], "sample": {}}
    kept = json.loads(read_decision(**version_7, **extras).payload)
    assert {name: kept[name] for name in extras} == extras
    assert refusal(**version_7, candidates=["b", "c", {}]).reason == "bad_candidates"


@pytest.mark.parametrize("item", [None, 1, True, "é", [1, ["a"]], {"a": {"b": None}}])
def test_candidates_are_any_json_with_the_item_among_them(item: object) -> None:
    assert json.loads(read_decision(count=2, item=item, candidates=["other", item]).payload)["candidates"][1] == item
    assert "must hold the item" in str(refusal(count=2, item=item, candidates=["x", "y"]))


def test_an_integer_and_the_equal_float_are_one_candidate() -> None:
    assert read_decision(count=2, item=1, candidates=[1.0, 2.0])


@pytest.mark.parametrize("candidates", ["ab", {}, 2, True, [], [1], [1, 2, 3]])
def test_candidates_that_are_no_list_of_count_items_are_refused(candidates: object) -> None:
    refused = refusal(count=2, item=1, candidates=candidates)
    assert (refused.reason, refused.field) == ("bad_candidates", "candidates")
    assert "count = 2" in str(refused)


@pytest.mark.parametrize("propensity", [1, 1.0, 0.5, 1e-300])
def test_a_propensity_is_a_number_over_0_and_up_to_1(propensity: float) -> None:
    assert json.loads(read_decision(count=2, propensity=propensity).payload)["propensity"] == propensity


@pytest.mark.parametrize("propensity", [0, 0.0, -0.5, 1.0000001, 2, "0.5", True, [], {}, 2**70])
def test_what_is_no_propensity_is_refused(propensity: object) -> None:
    refused = refusal(count=2, propensity=propensity)
    assert (refused.reason, refused.field) == ("bad_propensity", "propensity")


def test_a_model_version_is_a_text_of_1_to_256_characters() -> None:
    assert read_decision(count=2, model_version="é" * 256)
    wrongs: list[Any] = ["", "é" * 257, 3, True, ["v3"], {}]
    for wrong in wrongs:
        refused = refusal(count=2, model_version=wrong)
        assert (refused.reason, refused.field) == ("bad_model_version", "model_version")


def test_optional_fields_of_a_reward_are_unknown_fields() -> None:
    assert read(decision_id=OTHER_ID, reward=1, candidates=0, propensity=0, model_version=0)


def test_candidates_nested_too_deep_are_refused() -> None:
    def nested(depth: int) -> Any:
        return [nested(depth - 1)] if depth else 1

    deep = nested(240)
    assert read_decision(count=2, item=deep, candidates=[deep, 1])
    assert reason(count=2, item=nested(450), candidates=[nested(450), 1]) == "too_deep"


def test_integers_over_64_bits_become_floats() -> None:
    assert read_decision(count=1, item=2**64 - 1).item == 2**64 - 1
    assert read_decision(count=1, item=2**64).item == float(2**64)
    assert read_reward(-(2**70)).value == -float(2**70)


def test_an_item_nested_too_deep_is_refused() -> None:
    def nested(depth: int) -> Any:
        return [nested(depth - 1)] if depth else 1

    assert read_decision(count=1, item=nested(200))
    assert reason(count=1, item=nested(500)) == "too_deep"
    assert reason(count=2, sample=nested(500)) == "too_deep"


@pytest.mark.parametrize(("value", "number"), [(1, 1.0), (-2.5, -2.5), (0, 0.0), (True, 1.0), (False, 0.0)])
def test_a_reward_is_any_number_and_booleans_are_one_and_zero(value: object, number: float) -> None:
    assert read_reward(value).value == number
    assert isinstance(read_reward(value).value, float)


@pytest.mark.parametrize("value", [None, "1", [], {}, [1]])
def test_a_reward_that_is_no_number_is_refused(value: object) -> None:
    assert reason(decision_id=OTHER_ID, reward=value) == "bad_reward"


@pytest.mark.parametrize("decision_id", [None, 7, "", "z" * 27, "0" * 26, {"id": ID}])
def test_a_reward_for_what_is_no_decision_id_is_refused(decision_id: object) -> None:
    assert reason(decision_id=decision_id, reward=1) == "bad_decision_id"


def test_a_reward_may_name_itself_and_the_zero_id_is_an_id() -> None:
    event = read(decision_id=ID, reward=1)
    assert isinstance(event, Reward)
    assert event.decision_id == event.message_id
    assert read(decision_id="0" * 27, reward=1)
