"""What befalls a job, drawn from a seed: the same seed gives the same faults at the same moments."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["FAULTS", "Schedule", "Strike", "schedule", "seeds_of", "seeds_of_environment"]

Source = Literal["folder", "kafka"]
Bucket = Literal["folder", "s3"]
Place = Literal["any", "kafka", "folder", "s3"]

# Each fault, and what a job must be connected with to suffer it.
FAULTS: Final[Mapping[str, Place]] = {
    "kill": "any",  # -9, of all processes of the job
    "kill_parser": "any",  # -9, of the process that parses alone
    "terminate": "any",  # SIGTERM, then the same command again
    "damaged_checkpoint": "any",  # kill, and the newest checkpoint loses the end of a file
    "rival": "any",  # a second job starts on the bucket
    "broker_away": "kafka",  # -9, and started again after a while
    "s3_away": "s3",
    "s3_unavailable": "s3",  # each request is answered 503
    "s3_slow": "s3",
    "full_disk": "folder",
}
LASTING: Final = frozenset({"broker_away", "s3_away", "s3_unavailable", "s3_slow", "full_disk"})
STRIKES: Final = 4
LONGEST_SECONDS: Final = 20.0  # of a fault that lasts
MOST_DELAY_SECONDS: Final = 1.0  # all that was put in is then learned
CALM: Final = 0.7  # chance that the job is well, which a new checkpoint shows, before it is struck
DEFAULT_SEEDS: Final = "0-9"
NEW_SEEDS: Final = 10


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault: so long after a part of the input was put in, and for so long if it lasts.

    `calm`: the job has made a checkpoint since the last one. `part` (0 to 1) says which file is cut, and where.
    """

    fault: str
    calm: bool
    delay_seconds: float
    lasting_seconds: float
    part: float

    def __str__(self) -> str:
        """One line about it."""
        lasting = f" for {self.lasting_seconds:.1f} s" if self.lasting_seconds else ""
        return f"{self.fault}{lasting}, {self.delay_seconds:.1f} s after {'a checkpoint' if self.calm else 'the start'}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A whole story: where events come from, where coefficients go, and what happens on the way."""

    seed: int
    source: Source
    bucket: Bucket
    strikes: tuple[Strike, ...]

    def __str__(self) -> str:
        """What to type to have it again, and what it is."""
        head = f"FAULT_SEEDS={self.seed}: events from {self.source}, bucket in {self.bucket}"
        return "\n".join([head, *(f"  {strike}" for strike in self.strikes)])


def schedule(seed: int) -> Schedule:
    """The schedule of a seed; no fault comes twice in one, and four seeds in a row have all kinds of places."""
    dice = random.Random(seed)
    source: Source = "kafka" if seed % 2 else "folder"
    bucket: Bucket = "s3" if seed // 2 % 2 else "folder"
    places = {"any", source if source == "kafka" else "any", bucket}
    particular = [fault for fault, place in FAULTS.items() if place in places and place != "any"]
    common = [fault for fault, place in FAULTS.items() if place == "any"]
    chosen = dice.sample(particular, min(2, len(particular)))
    chosen += dice.sample(common, STRIKES - len(chosen))
    dice.shuffle(chosen)
    return Schedule(seed, source, bucket, tuple(_strike(fault, dice) for fault in chosen))


def _strike(fault: str, dice: random.Random) -> Strike:
    calm, delay = dice.random() < CALM, dice.uniform(0, MOST_DELAY_SECONDS)
    lasting = dice.uniform(LONGEST_SECONDS / 4, LONGEST_SECONDS)
    return Strike(fault, calm, delay, lasting if fault in LASTING else 0.0, dice.random())


def seeds_of(text: str | None) -> list[int]:
    """The seeds that FAULT_SEEDS names: numbers and ranges (`3`, `0-9`, `3 17 20-25`), or `random` for ten new ones."""
    if text == "random":
        return [random.SystemRandom().randrange(1 << 32) for _ in range(NEW_SEEDS)]
    seeds: list[int] = []
    for word in re.split(r"[\s,]+", (text or DEFAULT_SEEDS).strip()):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
        if match is None:
            message = f"FAULT_SEEDS must be numbers, ranges such as 0-9, or random; got {word!r}"
            raise ValueError(message)
        seeds += range(int(match[1]), int(match[2] or match[1]) + 1)
    return seeds


def seeds_of_environment() -> list[int]:
    """Those of FAULT_SEEDS; ten without it."""
    return seeds_of(os.environ.get("FAULT_SEEDS"))
