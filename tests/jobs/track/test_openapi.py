"""The document says what the decoder takes: its schema and `stored` agree, but for rules that it tells in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import example, given
from hypothesis import strategies as st

from jobs.track.openapi import document, page
from jobs.track.rules import Rules
from lambda_learner import __version__
from lambda_learner.events import BadRecord, ksuid
from tests.lambda_learner.events.test_fuzz import AHEAD, ID, NOW_MS, OTHER, REAL

STRICT: Final = Rules("strict", 1_024_000, 900_000)
ORIGINAL: Final = Rules("original", 5_000, 900_000)
FEATURE: Final = {"name": "a", "term": "b", "value": 1}
BODIES: Final[list[dict[str, Any]]] = [
    *REAL,
    {"message_id": ID, "model": "m", "count": 2, "item": 1, "candidates": [1, 2], "propensity": 0.5},
    {"message_id": ID, "model": "m", "count": 1, "item": {}, "model_version": "1-2"},
    {"message_id": ID, "model": "m", "count": 3, "variant": {"$value": 1}, "givens": {"a": 1}, "sample": {}},
    {"message_id": ID, "model": "m", "decision_id": OTHER, "reward": True, "count": None, "type": "reward"},
    {"type": "record", "message_id": ID, "model": "m", "label": True, "features": [], "weight": None, "offset": -1},
]
NAMES: Final = sorted({name for fields in BODIES for name in fields} | {"received_at"})
# What makes or breaks a rule of some field; `...` takes the field away.
VALUES: Final[list[Any]] = [
    *(..., None, True, False, 0, 1, 2, 3, -1, 0.5, 1.5, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**70), 1e308, -0.0),
    *("", "a", "m" * 64, "m" * 65, "v" * 256, "v" * 257, "-a", "a b", "a\n", "é", "heartbeat", "record", "decision"),
    *(ID, OTHER, AHEAD, ID + "\n", ID[:-1], ID[:-1] + "_", ID[:-1] + "é", "b" * 27, "0" * 27),
    *([], [1], [1, 2], [None], [[]], {}, {"$value": 1}, {"a": None}, ["u", 7, True, 0.5], ["u", {}]),
    *(
        [FEATURE],
        [FEATURE, {}],
        [{"name": "a"}],
        [{"value": 1}],
        [FEATURE | {"name": 1}],
        [FEATURE | {"term": None}],
        [FEATURE | {"value": "1"}],
    ),
]


def is_taken(fields: object, rules: Rules) -> bool:
    try:
        rules.event(json.dumps(fields).encode(), NOW_MS)
    except BadRecord:
        return False
    return True


def beyond_the_schema(fields: dict[str, Any]) -> Iterator[str]:
    """The rules of strict that JSON Schema cannot say, and that this body breaks; the document tells them in words."""
    count, ids = fields.get("count"), [fields.get(name) for name in ("message_id", "decision_id")]
    texts = [each for each in ids if isinstance(each, str)]
    if not all(map(ksuid.is_valid, texts)):
        yield "an id is a number of 160 bits"
    elif any(ksuid.unix_seconds(text) * 1000 > NOW_MS + STRICT.max_clock_skew_ms for text in texts):
        yield "the time of an id is not after the clock"
    if isinstance(count, float):
        yield "a count is written without a fraction"
    if not isinstance(count, int):
        return
    version_7 = "variant" in fields and "item" not in fields
    behind = fields.get("runners_up") if version_7 else None
    if isinstance(behind, list) and (len(behind) >= count or ("sample" in fields and len(behind) == count - 1)):
        yield "runners_up and a sample leave room for one another in count"
    item = _unwrapped(fields["variant"]) if version_7 else fields.get("item")
    if isinstance(all_of := fields.get("candidates"), list) and (len(all_of) != count or item not in all_of):
        yield "candidates are count, and hold the item"


def _unwrapped(value: Any) -> Any:
    if not isinstance(value, dict) or len(value) > 1:
        return value
    return value.get("$value", value) if value else None


def event_schema(rules: Rules) -> jsonschema_rs.Validator:
    described = document(rules, keys=False)
    schema = {"$ref": "#/components/schemas/Event", "components": described["components"]}
    return jsonschema_rs.Draft202012Validator(schema)


STRICT_SCHEMA: Final = event_schema(STRICT)
ORIGINAL_SCHEMA: Final = event_schema(ORIGINAL)


def assert_schema_and_code_agree(fields: dict[str, Any]) -> None:
    said, taken = STRICT_SCHEMA.is_valid(fields), is_taken(fields, STRICT)
    if said != taken:
        assert said, f"the endpoint takes what the document refuses: {fields}"
        assert list(beyond_the_schema(fields)), f"the endpoint refuses what the document takes: {fields}"


def changed(fields: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**fields, **changes}.items() if value is not ...}


@pytest.mark.parametrize("fields", BODIES)
def test_what_clients_send_is_in_the_document_and_taken(fields: dict[str, Any]) -> None:
    assert STRICT_SCHEMA.is_valid(fields)
    assert is_taken(fields, STRICT)
    assert list(beyond_the_schema(fields)) == []


@pytest.mark.parametrize("name", NAMES)
def test_each_field_is_described_as_it_is_checked(name: str) -> None:
    for fields in BODIES:
        for value in VALUES:
            assert_schema_and_code_agree(changed(fields, {name: value}))


@given(st.sampled_from(BODIES), st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), max_size=4))
@example(BODIES[0], {"item": ..., "variant": 1})
def test_fields_are_described_as_they_are_checked_together(fields: dict[str, Any], changes: dict[str, Any]) -> None:
    assert_schema_and_code_agree(changed(fields, changes))


@pytest.mark.parametrize("message_id", [*VALUES[1:], AHEAD])
def test_original_is_described_as_it_is_checked(message_id: object) -> None:
    fields = {"message_id": message_id}
    assert ORIGINAL_SCHEMA.is_valid(fields) == is_taken(fields, ORIGINAL)


@pytest.mark.parametrize("keys", [True, False])
@pytest.mark.parametrize("rules", [STRICT, ORIGINAL])
def test_the_document_is_openapi(rules: Rules, keys: bool) -> None:
    described = document(rules, keys=keys)
    schemathesis.openapi.from_dict(described).validate()
    assert described["info"]["version"] == __version__
    assert f"at most {rules.max_message_bytes} bytes" in described["info"]["description"]
    assert "MAX_MESSAGE_BYTES" not in json.dumps(described)


def test_only_an_endpoint_with_keys_asks_for_one() -> None:
    for path in ("/track", "/{path}"):
        open_to_all = document(STRICT, keys=False)["paths"][path]["post"]
        assert {} in open_to_all["security"]
        assert not {"401", "429"} & set(open_to_all["responses"])
        asking = document(STRICT, keys=True)["paths"][path]["post"]
        assert asking["security"] == [{"apiKey": []}]
        assert {"401", "429"} < set(asking["responses"])


def test_the_page_is_the_document() -> None:
    answer = page(STRICT, keys=True)()
    assert json.loads(answer.body) == document(STRICT, keys=True)
    assert dict(answer.headers)[b"content-type"] == b"application/json"
