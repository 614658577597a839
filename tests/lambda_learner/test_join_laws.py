"""Laws of the join rule, over any rows: order and repetition change nothing, and every line has one class."""

from __future__ import annotations

import math
from collections import Counter
from typing import get_args
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from lambda_learner import join
from lambda_learner.join import (
    DecisionCopy,
    JoinedRow,
    RewardCopy,
    RewardedDecision,
    RewardFunction,
    RewardPolicy,
    checksum,
    reward_decision,
)

TIMES_MS = st.integers(0, 300_000)
VALUES = st.floats(allow_nan=False, allow_infinity=False)
REWARDS = st.lists(st.builds(RewardCopy, st.sampled_from("abcdef"), TIMES_MS, VALUES), max_size=12)
TEXTS = st.sampled_from(["{}", '{"item":1}', '{"item":2}'])
DECISIONS = st.lists(st.tuples(TIMES_MS, TEXTS), max_size=5)
POLICIES = st.builds(
    RewardPolicy,
    function=st.sampled_from(get_args(RewardFunction)),
    default=st.floats(-10, 10),
    max_rewards=st.integers(1, 7),
)


def a_row(decisions: list[tuple[int, str]], rewards: list[RewardCopy]) -> JoinedRow:
    copies = tuple(DecisionCopy(event_ms, checksum(text)) for event_ms, text in decisions)
    return JoinedRow("m", "D", max((text for _, text in decisions), default=None), copies, tuple(rewards))


def totals(row: JoinedRow, policy: RewardPolicy) -> Counter[str]:
    counts: Counter[str] = Counter()
    for minute_ms, line_class, n in reward_decision(row, policy).tally:
        assert minute_ms % 60_000 == 0
        assert n > 0
        counts[line_class] += n
    return counts


@given(DECISIONS, REWARDS, POLICIES, st.data())
def test_any_arrival_order_gives_the_same_result(
    decisions: list[tuple[int, str]], rewards: list[RewardCopy], policy: RewardPolicy, data: st.DataObject
) -> None:
    shuffled = a_row(data.draw(st.permutations(decisions)), data.draw(st.permutations(rewards)))
    # By text, as 0.0 == -0.0 and NaN (an overflowed sum) != NaN.
    assert repr(reward_decision(shuffled, policy)) == repr(reward_decision(a_row(decisions, rewards), policy))


@given(DECISIONS, REWARDS, POLICIES)
def test_repeating_every_line_changes_nothing_but_the_duplicates(
    decisions: list[tuple[int, str]], rewards: list[RewardCopy], policy: RewardPolicy
) -> None:
    once, twice = a_row(decisions, rewards), a_row(decisions * 2, rewards * 2)
    first, second = reward_decision(once, policy), reward_decision(twice, policy)
    assert type(first) is type(second)
    assert first.rewards == second.rewards
    if isinstance(first, RewardedDecision) and isinstance(second, RewardedDecision):
        assert repr((first.payload, first.reward)) == repr((second.payload, second.reward))
    before, after = totals(once, policy), totals(twice, policy)
    for line_class in ("joined", "credited", "orphan_rewards", "excess_rewards"):
        assert before[line_class] == after[line_class]


@given(DECISIONS, REWARDS, POLICIES)
def test_every_line_is_in_exactly_one_class(
    decisions: list[tuple[int, str]], rewards: list[RewardCopy], policy: RewardPolicy
) -> None:
    counts = totals(a_row(decisions, rewards), policy)
    assert counts["joined"] + counts["duplicate_decisions"] == len(decisions)
    assert counts["credited"] + counts["duplicate_rewards"] + counts["orphan_rewards"] == len(rewards)
    assert counts["joined"] == bool(decisions)
    assert not (counts["credited"] and counts["orphan_rewards"])
    assert counts["conflicts"] <= len(decisions)


@given(DECISIONS, REWARDS, POLICIES)
def test_every_line_is_counted_in_the_minute_of_its_own_event_time(
    decisions: list[tuple[int, str]], rewards: list[RewardCopy], policy: RewardPolicy
) -> None:
    lines = Counter(event_ms // 60_000 * 60_000 for event_ms, _ in decisions)
    lines.update(reward.event_ms // 60_000 * 60_000 for reward in rewards)
    counted: Counter[int] = Counter()
    for minute_ms, line_class, n in reward_decision(a_row(decisions, rewards), policy).tally:
        if line_class not in {"conflicts", "excess_rewards"}:
            counted[minute_ms] += n
    assert counted == lines


@given(DECISIONS, REWARDS)
def test_mean_median_first_and_last_lie_between_min_and_max(
    decisions: list[tuple[int, str]], rewards: list[RewardCopy]
) -> None:
    small = [reward for reward in rewards if abs(reward.value) < 1e300]
    row = a_row([*decisions, (0, "{}")], small)
    rewards_by = {}
    for function in get_args(RewardFunction):
        result = reward_decision(row, RewardPolicy(function=function))
        assert isinstance(result, RewardedDecision)
        rewards_by[function] = result.reward
    slack = 1e-9 * max(abs(rewards_by["min"]), abs(rewards_by["max"]))
    for function in ("mean", "median", "first", "last"):
        assert rewards_by["min"] - slack <= rewards_by[function] <= rewards_by["max"] + slack
    assert math.isfinite(rewards_by["sum"])


@given(DECISIONS, REWARDS, POLICIES)
def test_a_plain_row_comes_out_as_it_does_the_long_way(
    decisions: list[tuple[int, str]], rewards: list[RewardCopy], policy: RewardPolicy
) -> None:
    row = a_row(decisions[:1], rewards[:1])
    short = reward_decision(row, policy)
    with patch.object(join, "_plain_decision", return_value=None):
        assert repr(short) == repr(reward_decision(row, policy))
