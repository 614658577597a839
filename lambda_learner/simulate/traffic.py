"""What synthetic traffic is like, and the random draws of a block of it, made column by column for speed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from lambda_learner.simulate.truth import Rules
from lambda_learner.simulate.world import ITEMS, World

__all__ = ["COPY", "CONFLICT", "LATE_COPY", "NO_COPY", "FORGED_S", "Fate", "Traffic", "Visit", "visits"]

LINES_PER_DECISION: Final = 1.42  # with the rewards that the world gives; makes `rate` count lines
NO_COPY, COPY, CONFLICT, LATE_COPY = range(4)  # sent once; again; again but altered; again too late
FORGED_S: Final = 5_680_000_000  # 2149-12-29: near the last time that a KSUID can have
_MAX_CANDIDATES: Final = 30
# A late line comes this long after its window has closed: past the next heartbeat, so that no watermark
# that is a little behind makes it on time.
_LATE_BY_MS: Final = (15_000, 75_000)
_NETWORK_MEAN_MS: Final = 300.0
_MINUTES_AHEAD_S: Final = (60, 840)  # valid: less than the skew of 15 minutes
_HOURS_AHEAD_S: Final = (3_600, 400_000)
_EXTRA_REWARDS: Final = 0.1  # share of rewarded decisions that are rewarded twice
_REFUNDS: Final = 0.02  # share of rewards that are negative

_Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Traffic:
    """How much, how fast, and which shares go wrong (each of its own kind of line; 0.02 = one in fifty).

    `rate`: lines a second of event time, about. `reward_delay_s`: mean. `after_deadline`: share of rewards
    that are earned after the window. `records`: training records per decision.
    """

    decisions: int
    start_ms: int
    models: int = 1
    entities: int = 1000
    rate: float = 200.0
    reward_delay_s: float = 60.0
    duplicates: float = 0.0
    late: float = 0.0
    orphans: float = 0.0
    bad: float = 0.0
    clock_ahead: float = 0.0
    after_deadline: float = 0.002
    records: float = 0.0
    rules: Rules = field(default_factory=Rules)


class Fate(NamedTuple):
    """What happens to a line under way: a delay, or coming so long after its window (0 = no), and a copy."""

    delay_ms: int
    late_by_ms: int
    copy: int
    copy_after_ms: int


class Visit(NamedTuple):
    """One decision and what follows; `lost`: the decision never comes. Rewards of 0.0 are not sent."""

    ms: int
    model: int
    entity: int
    item: int
    sample: int
    count: int  # type: ignore[assignment]  # the protocol's name
    ahead_s: int
    lost: bool
    reward_after_ms: int
    reward_value: float
    extra_value: float
    reward_ahead_s: int
    decision_fate: Fate
    reward_fate: Fate


def visits(
    traffic: Traffic, world: World, rng: np.random.Generator, *, start_ms: int, decisions: int
) -> Iterator[Visit]:
    """Give that many visits whose decision comes, and the orphans' share of others, in order of time."""
    n = decisions + int(rng.binomial(decisions, traffic.orphans))
    lost = np.arange(n) >= decisions
    rng.shuffle(lost)
    gap_ms = 1000.0 * LINES_PER_DECISION / traffic.rate
    ms = start_ms + np.cumsum(rng.exponential(gap_ms, n)).astype(np.int64)
    model = rng.integers(0, traffic.models, n)
    entity = (traffic.entities * rng.random(n) ** 2).astype(np.int64)  # some come far more often than others
    item = rng.integers(0, ITEMS, n)
    sample = (item + rng.integers(1, ITEMS, n)) % ITEMS
    count = rng.integers(1, _MAX_CANDIDATES + 1, n)
    rewarded = (rng.random(n) < world.reward_probability(entity, item, model)) | lost
    ahead_s = _ahead_s(traffic, rng, ms)
    decision_late = _late_by_ms(rng, n, traffic.late)
    # Every second late decision takes its rewards along (a phone without a net); the others leave orphans.
    reward_late = np.where(rng.random(n) < 0.5, decision_late, 0)  # noqa: PLR2004
    reward_late = np.maximum(reward_late, _late_by_ms(rng, n, traffic.late))
    columns = (
        *(ms, model, entity, item, sample, count, ahead_s, lost),
        _reward_after_ms(traffic, rng, n),
        np.where(rewarded, _values(rng, n), 0.0),
        np.where(rewarded & (rng.random(n) < _EXTRA_REWARDS), np.round(rng.gamma(1.0, 2.0, n) + 0.01, 2), 0.0),
        np.where(rng.random(n) < 0.8, ahead_s, 0),  # noqa: PLR2004  # the others are sent by a server
    )
    fates = (_fates(traffic, rng, late, wrong_clock=ahead_s > 0) for late in (decision_late, reward_late))
    return map(Visit, *(column.tolist() for column in columns), *fates)


def _fates(
    traffic: Traffic, rng: np.random.Generator, late_by_ms: _Ints, *, wrong_clock: npt.NDArray[np.bool_]
) -> Iterator[Fate]:
    n = len(late_by_ms)
    short_ms = max(traffic.rules.out_of_orderness_ms // 4, 1)  # delay and copy together stay within the bound
    delay_ms = np.minimum(rng.exponential(_NETWORK_MEAN_MS, n).astype(np.int64), short_ms)
    copy = np.where(rng.random(n) < traffic.duplicates, rng.choice((COPY, COPY, COPY, CONFLICT, LATE_COPY), n), NO_COPY)
    # A wrong clock's close may be far away, and a capped event time differs between copies.
    plain = wrong_clock | ((copy == LATE_COPY) & (traffic.late == 0))
    copy = np.where(plain & (copy != NO_COPY), COPY, copy)
    late_by_ms = np.where(wrong_clock, 0, late_by_ms)
    after_ms = rng.integers(1, short_ms + 1, n)
    return map(Fate, delay_ms.tolist(), late_by_ms.tolist(), copy.tolist(), after_ms.tolist())


def _late_by_ms(rng: np.random.Generator, n: int, share: float) -> _Ints:
    late_by_ms: _Ints = np.where(rng.random(n) < share, rng.integers(*_LATE_BY_MS, n), 0)
    return late_by_ms


def _ahead_s(traffic: Traffic, rng: np.random.Generator, ms: _Ints) -> _Ints:
    n, kind = len(ms), rng.random(len(ms))
    minutes, hours = rng.integers(*_MINUTES_AHEAD_S, n), rng.integers(*_HOURS_AHEAD_S, n)
    ahead = np.select([kind < 0.5, kind < 0.95], [minutes, hours], default=FORGED_S - ms // 1000)  # noqa: PLR2004
    ahead_s: _Ints = np.where(rng.random(n) < traffic.clock_ahead, ahead, 0)
    return ahead_s


def _reward_after_ms(traffic: Traffic, rng: np.random.Generator, n: int) -> _Ints:
    after = rng.exponential(1000.0 * traffic.reward_delay_s, n).astype(np.int64)
    after += (rng.random(n) < traffic.after_deadline) * (traffic.rules.reward_window_ms + 2000)
    return after


def _values(rng: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    values = np.where(rng.random(n) < 0.7, 1.0, np.round(rng.gamma(2.0, 1.0, n) + 0.01, 2))  # noqa: PLR2004
    return np.where(rng.random(n) < _REFUNDS, -values, values)
