"""API keys: how they are made, what is kept of them, and which key a request has shown.

A key is 32 random bytes, so nobody finds it from its SHA-256 by trying: salt and a slow hash, which make up for
passwords that can be guessed, would only make each request slower. A file of keys is JSON lines, one key a line.
"""

from __future__ import annotations

import hmac
import secrets
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from hashlib import sha256
from math import ceil, inf
from typing import Annotated, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from jobs.track.rate_limit import RateLimit
from lambda_learner.events.bad_record import show

__all__ = ["ApiKey", "KeyRing", "KeysError", "new_key", "parse_keys", "render_keys", "sha256_of"]

PREFIX: Final = "ll_"  # by which a search for leaked secrets knows one
KEY_BYTES: Final = 32
ID_DIGITS: Final = 12  # hexadecimal, of the hash: 48 bits, which tell the keys of one file apart
SHOWN: Final = ("project", "created_at", "expires_at", "requests_per_second", "burst")  # any other may be a secret


class KeysError(ValueError):
    """The keys cannot be used as they are; the message says where, and what to do."""


class ApiKey(BaseModel):
    """What is kept of a key, a line of the file; `sha256` is that of the key's text, 64 hexadecimal digits."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    project: Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    requests_per_second: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    burst: Annotated[int, Field(ge=1, le=1_000_000)] | None = None

    @model_validator(mode="after")
    def _burst_has_a_rate(self) -> Self:
        if self.burst is not None and self.requests_per_second is None:
            message = "burst needs requests_per_second beside it"
            raise ValueError(message)
        return self

    @property
    def id(self) -> str:
        """Names the key without giving it away."""
        return self.sha256[:ID_DIGITS]

    @cached_property
    def limit(self) -> RateLimit | None:
        """How often it may be used; a burst that is not given is what a second allows."""
        rate = self.requests_per_second
        return None if rate is None else RateLimit(rate, self.burst or ceil(rate))

    @cached_property
    def expires_ms(self) -> float:
        """From when on it is not valid, in milliseconds since 1970; infinity when it always is."""
        return inf if self.expires_at is None else self.expires_at.timestamp() * 1000


class KeyRing:
    """The keys that are valid together; `hashes` are theirs."""

    def __init__(self, keys: Iterable[ApiKey] = ()) -> None:
        self.keys = tuple(keys)
        self.hashes = frozenset(key.sha256 for key in self.keys)

    def find(self, presented: bytes) -> ApiKey | None:
        """The key that is presented, if it is one of these; it may have expired.

        Every key is compared, each in constant time, so the time tells nothing; it is some 0.1 µs a key.
        """
        hashed, found = sha256_of(presented), None
        for key in self.keys:
            if hmac.compare_digest(key.sha256, hashed):
                found = key
        return found


def new_key() -> str:
    """A key that nobody has."""
    return PREFIX + secrets.token_urlsafe(KEY_BYTES)


def sha256_of(key: bytes) -> str:
    """What is kept of a key's text."""
    return sha256(key).hexdigest()


def parse_keys(data: bytes) -> KeyRing:
    """The keys of a file, none when it is empty; KeysError names the line and the field, and shows no secret."""
    lines = [(number, line) for number, line in enumerate(data.splitlines(), 1) if line.strip()]
    ring = KeyRing(_parse_line(line, number) for number, line in lines)
    twice = [name for name, times in Counter(key.id for key in ring.keys).items() if times > 1]
    if twice:
        message = f"sha256 must not stand twice, but that of the key {twice[0]} does"
        raise KeysError(message)
    return ring


def render_keys(keys: Iterable[ApiKey]) -> bytes:
    """A file of these keys."""
    return b"".join(key.model_dump_json(exclude_none=True).encode() + b"\n" for key in keys)


def _parse_line(line: bytes, number: int) -> ApiKey:
    try:
        return ApiKey.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = str(first["loc"][0]) if first["loc"] else "the line"
        got = f", got {show(first['input'])}" if field in SHOWN and first["type"] != "missing" else ""
        message = f"line {number}: {field}: {first['msg']}{got}"
    raise KeysError(message)  # outside of the handler: what pydantic raises holds the line, and would be shown with it
