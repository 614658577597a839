"""Lines that break a rule, one of each kind in turn, with the reason that they must be refused for."""

from __future__ import annotations

from typing import Final

__all__ = ["BAD_KINDS", "bad_body"]

_LARGE_BYTES: Final = 1_100_000  # over the largest message, 1,000 KiB
_DEEP: Final = 2000  # levels; readers of JSON give up at about 1,000

# ID and MODEL stand for a good identifier and a model. Text is an object without its closing brace, ready for
# the stamp of its arrival; bytes are the whole line.
BAD_KINDS: Final[tuple[tuple[str, str | bytes], ...]] = (
    ("not_json", b'{"message_id":"ID","model":"MODEL","item":{'),
    ("not_json", b'{"message_id":"ID","model":"MODEL","count":2,"item":NaN}'),
    ("not_json", b"GET / HTTP/1.1"),
    ("not_utf8", b'{"message_id":"ID","model":"MODEL","count":1,"item":"caf\xe9"}'),
    ("empty", b""),
    ("empty", b"   "),
    ("not_object", b'["ID"]'),
    ("not_object", b"null"),
    ("too_deep", b"[" * _DEEP + b"]" * _DEEP),
    ("missing_field", '{"model":"MODEL","count":2,"item":1,"sample":2'),
    ("missing_field", '{"message_id":"ID","count":2,"item":1,"sample":2'),
    ("missing_field", '{"message_id":"ID","model":"MODEL","reward":1'),
    ("bad_message_id", '{"message_id":"ID0","model":"MODEL","count":1,"item":1'),
    ("bad_message_id", '{"message_id":"zzzzzzzzzzzzzzzzzzzzzzzzzzz","model":"MODEL","count":1,"item":1'),
    ("bad_model", '{"message_id":"ID","model":"../MODEL","count":1,"item":1'),
    ("bad_model", '{"message_id":"ID","model":"MODEL\\n","count":1,"item":1'),
    ("bad_count", '{"message_id":"ID","model":"MODEL","count":0,"item":1'),
    ("bad_count", '{"message_id":"ID","model":"MODEL","count":"2","item":1'),
    ("bad_count", '{"message_id":"ID","model":"MODEL","count":100000000000000000000000,"item":1'),
    ("unexpected_sample", '{"message_id":"ID","model":"MODEL","count":1,"item":1,"sample":null'),
    ("bad_decision_id", '{"message_id":"ID","model":"MODEL","reward":1,"decision_id":7'),
    ("bad_reward", '{"message_id":"ID","model":"MODEL","reward":"1","decision_id":"ID"'),
    ("bad_received_at", b'{"message_id":"ID","model":"MODEL","count":1,"item":1,"received_at":"noon"}'),
    ("bad_heartbeat", '{"type":"heartbeat","time":"now"'),
    ("bad_record", '{"type":"record","message_id":"ID","model":"MODEL","label":1,"features":"x"'),
)


def bad_body(number: int, *, message_id: str, model: str) -> tuple[str | bytes, str]:
    """Give the text of the number-th bad line and its reason; only the very first is too large."""
    if number == 0:
        return b'{"item":"' + b"x" * _LARGE_BYTES + b'"}', "too_large"
    reason, body = BAD_KINDS[(number - 1) % len(BAD_KINDS)]
    if isinstance(body, bytes):
        return body.replace(b"ID", message_id.encode()).replace(b"MODEL", model.encode()), reason
    return body.replace("ID", message_id).replace("MODEL", model), reason
