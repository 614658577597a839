"""One event to the track endpoint: what its answer means, and how long to leave it alone after a failure."""

from __future__ import annotations

# Before any thread runs: it is imported at the first connection otherwise, and a process forked at that moment would
# wait for ever for the lock of that import.
import encodings.idna  # noqa: F401
from typing import Final, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

import numpy as np
import orjson
import urllib3
from urllib3.exceptions import HTTPError, InvalidHeader

from lambda_learner import __version__

__all__ = ["Answer", "Endpoint", "Pauses", "Verdict"]

Verdict: TypeAlias = Literal["delivered", "refused", "again"]

_OK: Final = 200
# The event itself is not at fault: a key that has expired, a proxy that does not know the endpoint, too slow, too many.
_TRY_AGAIN: Final = (401, 403, 404, 407, 408, 429)
_ANSWER_BYTES: Final = 65_536  # what is read of an answer; more ends the connection
_MESSAGE_CHARACTERS: Final = 300
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 60.0  # an endpoint that is back is noticed within a minute
LONGEST_RETRY_AFTER_S: Final = 3_600.0  # whatever it asks for


class Answer(NamedTuple):
    """What came of a request; `status` 0 is no answer, and `message` what went wrong then."""

    status: int
    message: str = ""
    retry_after_s: float = 0.0

    @property
    def verdict(self) -> Verdict:
        """Only 200 is delivered, only a 4xx about the event refused; what else came, a redirect too, may change."""
        if self.status == _OK:
            return "delivered"
        is_refusal = 400 <= self.status < 500 and self.status not in _TRY_AGAIN  # noqa: PLR2004 - the class of 4xx
        return "refused" if is_refusal else "again"


class Endpoint:
    """Posts events over a few connections that it keeps; thread-safe."""

    def __init__(self, url: str, api_key: str | None, *, connections: int, timeout_s: float) -> None:
        """Name the endpoint; nothing connects yet. Raises ValueError for what is no URL or no key."""
        self._url = _checked_url(url)
        self.host = urlsplit(url).hostname  # the rest of a URL may hold a secret, so it is not logged
        self._headers = {"Content-Type": "application/json", "User-Agent": f"lambda-learner/{__version__}"}
        if api_key is not None:
            self._headers["x-api-key"] = _checked_key(api_key)
        self._pool = urllib3.PoolManager(
            num_pools=1, maxsize=connections, retries=False, timeout=urllib3.Timeout(connect=timeout_s, read=timeout_s)
        )

    def post(self, body: bytes) -> Answer:
        """Send one event and give the answer; raises nothing for what the network does."""
        try:
            response = self._pool.request(
                "POST", self._url, body=body, headers=self._headers,
                redirect=False, preload_content=False, decode_content=False,
            )  # fmt: skip
        except HTTPError as error:
            return Answer(0, f"{type(error).__name__}: {error}")
        retry_after_s = _retry_after_s(response.headers.get("Retry-After"))
        return Answer(response.status, _message(response), retry_after_s)

    def close(self) -> None:
        """End the connections."""
        self._pool.clear()


class Pauses:
    """When the endpoint may be asked again: exponential back-off with full jitter, or later if it says so.

    Requests that were under way when a pause began tell nothing new and do not lengthen it twofold.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        """Take the generator of the jitter."""
        self._rng = rng
        self._failures = 0
        self._began_s = -np.inf
        self.until_s = -np.inf

    def failed(self, asked_s: float, now_s: float, retry_after_s: float) -> None:
        """Take note of a request of `asked_s` that is to be sent again; all times of one monotonic clock."""
        if asked_s >= self._began_s:
            self._failures, self._began_s = self._failures + 1, now_s
        longest_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._failures - 1, 30))
        pause_s = min(retry_after_s, LONGEST_RETRY_AFTER_S) + float(self._rng.uniform(0, longest_s))
        self.until_s = max(self.until_s, now_s + pause_s)

    def succeeded(self) -> None:
        """Begin anew with short pauses."""
        self._failures = 0


def _message(response: urllib3.BaseHTTPResponse) -> str:
    """What the endpoint says, and the connection given back; an answer that breaks off has its status all the same."""
    try:
        body = response.read(_ANSWER_BYTES)
    except HTTPError:
        body = b""
    if len(body) < _ANSWER_BYTES:
        response.release_conn()
    else:
        response.close()
    try:
        message = str(orjson.loads(body)["error"]["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):  # not our endpoint: a proxy, say
        message = body.decode(errors="replace")
    return " ".join(message.split())[:_MESSAGE_CHARACTERS]  # one line of a log


def _retry_after_s(header: str | None) -> float:
    if header is None:
        return 0.0
    try:
        return float(urllib3.Retry().parse_retry_after(header))
    except (InvalidHeader, OverflowError, ValueError):  # the last of a year or a number with too many digits
        return 0.0


def _checked_url(url: str) -> str:
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is not None and "@" in parts.netloc:  # not shown: it may be a password
        message = "track_url must not carry a user or a password: give a key as track_api_key"
        raise ValueError(message)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        message = f"track_url must be an http or https URL such as https://track.example.com/, got {url!r}"
        raise ValueError(message)
    return url


def _checked_key(api_key: str) -> str:
    if isinstance(api_key, str) and api_key.isascii() and api_key.isprintable() and api_key.strip() == api_key != "":
        return api_key
    message = "track_api_key must be printable ASCII without spaces around it, or None (not shown: it is a secret)"
    raise ValueError(message)
