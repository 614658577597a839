"""What the endpoint answers; every answer may be read by a page of any origin, errors too (improve_protocol.md §1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import orjson
from starlette.responses import Response

__all__ = ["error", "preflight", "success", "try_again"]

_CORS: Final = {"access-control-allow-origin": "*", "access-control-expose-headers": "retry-after"}
_PREFLIGHT: Final = {
    "access-control-allow-methods": "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT",
    "access-control-allow-headers": "authorization, content-encoding, content-type, x-amz-content-sha256, x-amz-date, "
    "x-amz-security-token, x-amz-user-agent, x-api-key",
    "access-control-max-age": "86400",
}
_SUCCESS: Final = b'{"status":"success"}'
RETRY_AFTER_S: Final = 1


def success() -> Response:
    """The event is durable."""
    return _json(200, _SUCCESS)


def preflight() -> Response:
    """What a browser may send: any method, the headers of the clients."""
    return Response(status_code=200, headers={**_CORS, **_PREFLIGHT})


def error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal that says why."""
    return _json(status, orjson.dumps({"error": {"message": message}}), headers)


def try_again(message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Nothing is wrong with the request; the same one may succeed later."""
    return error(503, message, {"retry-after": str(RETRY_AFTER_S), **(headers or {})})


def _json(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status, {**_CORS, **(headers or {})}, media_type="application/json")
