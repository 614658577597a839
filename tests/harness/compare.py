"""Is what the job has learned what the oracle has learned?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lambda_learner.evaluation.progressive import PREFIX
from lambda_learner.learn.state import EntityState
from lambda_learner.publish.coefficients import EntityCoefficients
from lambda_learner.publish.state import from_state
from tests.harness.job import Coefficients, Key
from tests.harness.oracle import Oracle, Scored

TOLERANCE = 1e-9  # times max(1, |value|)


def assert_same_coefficients(found: Coefficients, expected: Mapping[Key, EntityState]) -> None:
    """The same entities, each with the same names, means, precisions, fence and count."""
    assert found.keys() == expected.keys()
    for key, state in expected.items():
        model, entity = key
        mine, theirs = found[key], from_state(entity, state)
        assert (mine.close_ms, mine.count) == (theirs.close_ms, theirs.count), key
        assert set(mine.names) == set(theirs.names), key
        order = [theirs.names.index(name) for name in mine.names]
        _assert_close(mine.mean, theirs.mean[order], key)
        _assert_close(mine.precision, _ordered(theirs, order), key)
        _assert_close(np.array(mine.noise), np.array(theirs.noise), key)


def assert_same_scores(found: list[dict[str, Any]], expected: list[Scored]) -> None:
    """The same decisions, each with the same label and the same scores before it was learned and when it was served."""
    theirs = sorted(expected, key=lambda score: (score.decision_id, score.model))
    mine = [Scored(**row) for row in found]
    assert [(*score[:4], score.served is None) for score in mine] == [
        (score.decision_id, score.model, score.entity, score.label, score.served is None) for score in theirs
    ]
    numbers = [np.array([(*score[4:6], score.served or 0.0) for score in scores]) for scores in (mine, theirs)]
    _assert_close(numbers[0], numbers[1], ("scores", ""))


def assert_same_counters(summary: Mapping[str, Any], oracle: Oracle) -> None:
    """Every counter that the oracle has, and none late."""
    counters = {name: n for name, n in summary.items() if isinstance(n, int) and name not in ("events_per_second",)}
    known = {name: oracle.counters[name] for name in oracle.counters if not name.startswith(PREFIX)}
    assert {name: counters[name] for name in known} == known
    assert [counters[f"late_{kind}"] for kind in ("decisions", "rewards", "records")] == [0, 0, 0]
    assert_identities(counters)


def assert_identities(counters: Mapping[str, int]) -> None:
    """The sums of DESIGN §3: each line has one class."""
    of = counters
    kinds = ("dead_lettered", "heartbeats", "decisions", "rewards", "records", "forgets")
    assert of["lines"] == sum(of[kind] for kind in kinds)
    assert of["decisions"] == of["joined"] + of["duplicate_decisions"] + of["late_decisions"]
    assert of["rewards"] == (
        of["credited"] + of["duplicate_rewards"] + of["after_deadline"] + of["orphan_rewards"] + of["late_rewards"]
    )
    assert of["records"] == of["learned_records"] + of["duplicate_records"] + of["late_records"]
    assert of["forgets"] == of["applied_forgets"] + of["duplicate_forgets"] + of["late_forgets"]


def _ordered(coefficients: EntityCoefficients, order: list[int]) -> Any:
    precision = coefficients.precision
    return precision[np.ix_(order, order)] if coefficients.is_full else precision[order]


def _assert_close(found: Any, expected: Any, where: tuple[str, str]) -> None:
    assert found.shape == expected.shape, where
    worst = np.abs(found - expected) / np.maximum(1.0, np.abs(expected))
    assert worst.max(initial=0.0) <= TOLERANCE, (where, worst.max())
