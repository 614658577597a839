"""Dead letters: what could not be used, with the reason and the raw bytes, as one JSON line each."""

from __future__ import annotations

import base64

import orjson

from lambda_learner.events.wire import BadRecord


def dead_letter(bad: BadRecord, *, stage: str, position: str, raw: bytes) -> str:
    """One JSON line: reason, field, value, message, stage, source position, and `raw` or `raw_base64` if not UTF-8."""
    letter = {"reason": bad.reason, "field": bad.field, "value": bad.value, "message": str(bad)}
    # A file's name need not be UTF-8, and the letter is.
    shown = position.encode("utf-8", "backslashreplace").decode()
    letter |= {"stage": stage, "position": shown} | _raw(raw)
    return orjson.dumps(letter).decode()


def _raw(raw: bytes) -> dict[str, str]:
    try:
        return {"raw": raw.decode()}
    except UnicodeDecodeError:
        return {"raw_base64": base64.b64encode(raw).decode()}
