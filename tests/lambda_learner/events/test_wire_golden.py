"""Lines of real clients, and the events they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lambda_learner.events import Decision, decode

GOLDEN = Path(__file__).parents[2] / "golden"
VERSION_8: dict[str, Any] = json.loads((GOLDEN / "wire_version8.json").read_text("utf-8"))
VERSION_7: dict[str, Any] = json.loads((GOLDEN / "wire_version7.json").read_text("utf-8"))


@pytest.mark.parametrize("case", VERSION_8["cases"], ids=lambda case: case["name"])
def test_a_version_8_line_is_read_field_by_field(case: dict[str, Any]) -> None:
    event = decode(case["given"].encode(), arrival_ms=VERSION_8["arrival_ms"])
    assert {"kind": type(event).__name__, **event._asdict()} == case["expected"]


@pytest.mark.parametrize("case", VERSION_7["cases"], ids=lambda case: case["name"])
def test_a_version_7_decision_is_translated(case: dict[str, Any]) -> None:
    event = decode(json.dumps(case["given"]).encode(), arrival_ms=VERSION_7["arrival_ms"])
    assert isinstance(event, Decision)
    expected = dict(case["expected"])
    assert json.loads(event.payload).get("runners_up") == expected.pop("runners_up")
    assert {name: getattr(event, name) for name in expected} == expected


@pytest.mark.parametrize("case", VERSION_7["cases"], ids=lambda case: case["name"])
def test_a_version_7_payload_holds_no_name_of_version_7_but_runners_up(case: dict[str, Any]) -> None:
    event = decode(json.dumps(case["given"]).encode(), arrival_ms=VERSION_7["arrival_ms"])
    assert isinstance(event, Decision)
    assert {"variant", "givens", "type"}.isdisjoint(json.loads(event.payload))
