"""What the endpoint answers; every answer may be read by a page of any origin, errors too (improve_protocol.md §1)."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import orjson
from starlette.types import Send

__all__ = ["CORS", "Answer", "Headers", "Refusal", "error", "page", "send_answer", "try_again"]

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

CORS: Final[Headers] = ((b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"retry-after"))
CLOSE: Final[Headers] = ((b"connection", b"close"),)  # what is left of the request is not read
_JSON: Final[Headers] = ((b"content-type", b"application/json"),)
RETRY_AFTER_S: Final = 1


class Answer(NamedTuple):
    """Status, body and headers (without length and CORS); `reason` is a word for what was wrong, or ""."""

    status: int
    body: bytes = b""
    headers: Headers = ()
    reason: str = ""


# The event is durable, or the endpoint is well.
SUCCESS: Final = Answer(200, b'{"status":"success"}', _JSON)
# What a browser may send: any method, the headers of the clients.
PREFLIGHT: Final = Answer(
    200,
    headers=(
        (b"access-control-allow-methods", b"DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"),
        (
            b"access-control-allow-headers",
            b"authorization, content-encoding, content-type, x-amz-content-sha256, x-amz-date, x-amz-security-token, "
            b"x-amz-user-agent, x-api-key",
        ),
        (b"access-control-max-age", b"86400"),
    ),
)
# Never sent: nobody is there to answer, or the time to drain is over.
DISCONNECTED: Final = Answer(0, reason="disconnected")
CANCELLED: Final = Answer(0, reason="cancelled")


class Refusal(Exception):  # noqa: N818 - the answer to a request, not a fault of the endpoint
    """Ends a request with its answer; `project` is that of its key, where that is known."""

    def __init__(self, answer: Answer, project: str | None = None) -> None:
        """Take the answer and the project."""
        super().__init__(answer, project)
        self.answer, self.project = answer, project


def page(body: bytes, media_type: str) -> Answer:
    """A document to read."""
    return Answer(200, body, ((b"content-type", media_type.encode()),))


def error(status: int, reason: str, message: str, headers: Headers = ()) -> Answer:
    """A refusal that says why."""
    return Answer(status, orjson.dumps({"error": {"message": message}}), (*_JSON, *headers), reason)


def try_again(
    reason: str, message: str, headers: Headers = (), *, status: int = 503, seconds: int = RETRY_AFTER_S
) -> Answer:
    """Nothing is wrong with the request; the same one may succeed later."""
    return error(status, reason, message, ((b"retry-after", b"%d" % seconds), *headers))


# Why, the log says: it is nothing for strangers, who would learn of brokers and folders.
NOT_STORED: Final = try_again("not_stored", "events cannot be stored at the moment: send this one again")
NOT_READY: Final = try_again("not_ready", "events cannot be stored at the moment: the log says why")


async def send_answer(answer: Answer, send: Send, more: Headers) -> None:
    """Send an answer, with its length and more headers."""
    headers = [(b"content-length", b"%d" % len(answer.body)), *answer.headers, *more]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
