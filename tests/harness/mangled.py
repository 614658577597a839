"""What happens to lines on their way into a log: some are sent again, some overtake others, some are cut off.

Nothing is lost by it: a line that is cut off is sent again whole, so the truth about the lines still holds for
what is joined and learned. Only duplicates and dead letters are more.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

import orjson

__all__ = ["mangled", "parts_of", "slices_of"]

AGAIN: Final = 0.02  # share of lines that are sent again
CUT: Final = 0.002
BLOCK_MS: Final = 6_000  # lines that arrive in one such time may come in any order
LATER_MS: Final = 6_000  # a line that is sent again comes no more than this later


def mangled(lines: Iterable[bytes], dice: random.Random) -> list[bytes]:
    """The lines as they come; none more than 12 s (of their own arrival) after a line that should have followed it."""
    placed: list[tuple[int, float, bytes]] = []
    for at_ms, line in timed(lines):
        placed.append((at_ms // BLOCK_MS, dice.random(), line))
        if dice.random() < CUT:  # what remains is no JSON
            placed.append((at_ms // BLOCK_MS, dice.random(), line[: dice.randrange(1, len(line))]))
        if dice.random() < AGAIN:
            placed.append(((at_ms + dice.randrange(LATER_MS)) // BLOCK_MS, dice.random(), line))
    return [line for _, _, line in sorted(placed)]


def timed(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Each line with its time of arrival in ms; one that does not say it, or comes out of order, with that before."""
    latest_ms = 0
    for line in lines:
        latest_ms = max(latest_ms, received_ms(line))
        yield latest_ms, line


def received_ms(line: bytes) -> int:
    """When a line says that it arrived; 0 where it does not say it."""
    try:
        return int(orjson.loads(line)["received_at"])
    except (ValueError, KeyError, TypeError):
        return 0


def parts_of(lines: Sequence[bytes], shares: Iterable[float]) -> list[Sequence[bytes]]:
    """The lines in parts that end at these shares (0 to 1, in order) of all, and the rest."""
    ends = [0, *(int(share * len(lines)) for share in shares), len(lines)]
    return [lines[start:end] for start, end in pairwise(ends)]


def slices_of(lines: Sequence[bytes], slice_ms: int) -> Iterator[list[tuple[int, bytes]]]:
    """The timed lines, cut so that none arrives more than `slice_ms` after the first of its slice."""
    held: list[tuple[int, bytes]] = []
    for at_ms, line in timed(lines):
        if held and at_ms - held[0][0] > slice_ms:
            yield held
            held = []
        held.append((at_ms, line))
    if held:
        yield held
