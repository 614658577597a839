"""Decisions learned window by window as the job does, each scored twice: as it is learned and as it was served.

learned   by what the learner had when it came to a decision: outcomes up to a reward window after it
served    by what a reader of the bucket had when the decision was made: windows published by then
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from lambda_learner.evaluation.movielens.data import IntArray
from lambda_learner.features import FeatureSpec, flatten
from lambda_learner.join import close_ms, deadline_ms
from lambda_learner.learn import EntityState, Example, LearnerSettings, LearnResult, learn
from lambda_learner.learn.base_change import NO_BASE
from lambda_learner.learn.posterior import FloatArray
from lambda_learner.learn.served import Readers, served_score
from lambda_learner.publish.bases import BaseLog

__all__ = ["LEARNER", "Decisions", "Scores", "entity_scores"]

REWARD_WINDOW_MS: Final = 10_000
UPDATE_INTERVAL_MS: Final = 10_000
READERS: Final = Readers(out_of_orderness_ms=30_000, publish_interval_ms=5_000)  # the defaults
LEARNER: Final = LearnerSettings(prior_precision=4.0, forgetting=0.95)  # as of `lambda-learner demo`
GENERATION: Final = ""  # there is one alone
SPEC: Final = FeatureSpec.parse(["item"])


class Decisions(NamedTuple):
    """The ratings as decisions in order of time; `users` are numbers from 0."""

    ids: Sequence[str]
    times_ms: Sequence[int]
    users: IntArray
    items: Sequence[Any]
    contexts: Sequence[Any]
    labels: FloatArray


class Scores(NamedTuple):
    """What each decision was scored with by its user's entity, learned and served; (n,), nan where not at all."""

    learned: FloatArray
    served: FloatArray


def entity_scores(decisions: Decisions, log: BaseLog, offsets: FloatArray, *, first: int) -> Scores:
    """Learn the decisions from `first` on, window by window, each user an entity."""
    windows: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for place in range(first, len(decisions.ids)):
        deadline = deadline_ms(decisions.times_ms[place], REWARD_WINDOW_MS)
        windows[close_ms(deadline, UPDATE_INTERVAL_MS), int(decisions.users[place])].append(place)
    number, histories = len(decisions.ids), defaultdict[int, list[EntityState]](list)
    scores = Scores(np.full(number, np.nan), np.full(number, np.nan))
    for (close, user), places in sorted(windows.items()):
        examples = [_example(decisions, place, log, close, offsets) for place in places]
        history, times_ms = histories[user], [decisions.times_ms[place] for place in places]
        scores.served[places] = [
            _served(history, example, at_ms, _version(log, at_ms))
            for example, at_ms in zip(examples, times_ms, strict=True)
        ]
        result = _learned(history, examples, close, _version(log, close))
        scores.learned[places] = [score.score for score in result.scores]  # both in order of decision_id
        history.append(result.state)
    return scores


def _example(decisions: Decisions, place: int, log: BaseLog, close: int, offsets: FloatArray) -> Example:
    offset = float(offsets[place]) if log.base_for(close, decisions.times_ms[place]) else 0.0
    features = flatten(decisions.items[place], None, SPEC).values
    return Example(decisions.ids[place], features, float(decisions.labels[place]), 1.0, offset)


def _learned(history: Sequence[EntityState], examples: Sequence[Example], close: int, version: str) -> LearnResult:
    state = history[-1] if history else None
    return learn(state, examples, close_ms=close, generation=GENERATION, settings=LEARNER, base_version=version)


def _served(history: Sequence[EntityState], example: Example, at_ms: int, version: str) -> float:
    """The score by the newest state that was published by the time of the decision, as a reader makes it."""
    known = bisect_right(history, at_ms, key=lambda state: READERS.have_from(state.fence_ms))
    state = history[known - 1] if known else None
    return served_score(example, state, LEARNER.prior, generation=GENERATION, base_version=version)


def _version(log: BaseLog, time_ms: int) -> str:
    active = log.active_at(time_ms)
    return active.version if active else NO_BASE
