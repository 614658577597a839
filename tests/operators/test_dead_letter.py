from __future__ import annotations

import base64
import json

from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.events.wire import BadRecord
from operators.dead_letter import dead_letter

BAD = BadRecord("bad_count", "count", "0", "must be an integer ≥ 1")


@given(raw=st.binary(max_size=50))
def test_the_raw_bytes_can_always_be_had_back(raw: bytes) -> None:
    letter = json.loads(dead_letter(BAD, stage="parse", position="f:0", raw=raw))
    found = letter["raw"].encode() if "raw" in letter else base64.b64decode(letter["raw_base64"])
    assert found == raw


@given(raw=st.binary(max_size=50), value=st.text())
def test_a_letter_is_one_line(raw: bytes, value: str) -> None:
    bad = BadRecord("bad_count", "count", value.encode("utf-8", "replace").decode(), "must be")
    text = dead_letter(bad, stage="parse", position="f:0", raw=raw)
    assert "\n" not in text


def test_a_file_whose_name_is_not_utf_8_has_a_position_too() -> None:
    name = b"/events/\xff.jsonl".decode("utf-8", "surrogateescape")
    letter = json.loads(dead_letter(BAD, stage="parse", position=f"{name}:7", raw=b""))
    assert letter["position"] == "/events/\\udcff.jsonl:7"
