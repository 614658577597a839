"""Requests as the Java, Swift and version 7 clients send them, by hand; and a client of ours that sends again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any, NamedTuple

from tests.harness.feed import Maker, now_ms
from tests.harness.job import PATIENCE_SECONDS
from tests.harness.tap import post

__all__ = ["Event", "Form", "decision", "dumped", "forms", "insist", "rewards"]

Event = dict[str, Any]
AGAIN_SECONDS = 0.05
PIECE = 7  # bytes of a chunk: it cuts through keys and characters


class Form(NamedTuple):
    """The body of another client, and what version 8 of the protocol would say in its place."""

    body: bytes
    means: Event
    chunked: bool = False

    def send(self, port: int) -> int:
        """The status that answers it."""
        return post(port, _pieces(self.body) if self.chunked else self.body)


def forms(maker: Maker) -> dict[str, list[Form]]:
    """A decision and its rewards as each of the other clients writes them."""
    return {"Java": _java(maker), "Swift": _swift(maker), "version 7": _version_7(maker)}


def decision(maker: Maker, item: Any, user: str, *, count: int = 1, **fields: Any) -> Event:
    """A decision of now."""
    context = {"user": user, "hour": None}
    head = {"message_id": maker.id_at(now_ms()), "model": "songs", "item": item, "count": count}
    return head | {"context": context} | fields


def rewards(maker: Maker, given: Event, *values: float) -> list[Event]:
    """Rewards of now for a decision."""
    common = {"model": given["model"], "decision_id": given["message_id"]}
    return [{"message_id": maker.id_at(now_ms()), **common, "reward": value} for value in values]


def dumped(said: Event) -> bytes:
    """A body."""
    return json.dumps(said, ensure_ascii=False).encode()


def insist(port: int, said: Event) -> None:
    """Send the same body until it is answered; the answer is 200."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            status = post(port, dumped(said))
        except (OSError, HTTPException):
            assert time.monotonic() < deadline, f"no answer in {PATIENCE_SECONDS} s"
            time.sleep(AGAIN_SECONDS)
        else:
            assert status == 200
            return


def _java(maker: Maker) -> list[Form]:
    """Chunked; a type, keys in any order, nulls written."""
    songs = decision(maker, {"genre": "Klezmer 🎻"}, "java", count=8, sample=None)
    plain = decision(maker, None, "", model="plain", context=None)
    said = [songs, plain, *rewards(maker, songs, 1.0, 2.5), *rewards(maker, plain, -1.0)]
    kinds = ["decision" if "count" in each else "reward" for each in said]
    bodies = [{"type": kind, **dict(reversed(each.items()))} for kind, each in zip(kinds, said, strict=True)]
    return [Form(dumped(body), each, True) for body, each in zip(bodies, said, strict=True)]


def _swift(maker: Maker) -> list[Form]:
    """No type, every reward a double; over several lines, as JSON may be."""
    songs = decision(maker, ["a", {"b": 1.5}], "swift", count=2, sample=False)
    said = [songs, *rewards(maker, songs, 3.0, -0.5)]
    return [Form(json.dumps(each, indent=2).encode(), each) for each in said]


def _version_7(maker: Maker) -> list[Form]:
    """Variant and givens, primitives wrapped, runners-up."""
    means = decision(maker, "blue", "seven", count=4, sample=2)
    old = {"type": "decision", "message_id": means["message_id"], "model": "songs", "count": 4, "runners_up": ["red"]}
    old |= {"variant": {"$value": "blue"}, "givens": means["context"], "sample": {"$value": 2}}
    said = rewards(maker, means, 0.5, 0.25)
    return [Form(dumped(old), means), *(Form(dumped({"type": "reward", **each}), each) for each in said)]


def _pieces(body: bytes) -> Iterator[bytes]:
    yield from (body[start : start + PIECE] for start in range(0, len(body), PIECE))
