"""The join rule: one joined row, its reward, and where each of its lines is counted (DESIGN §3)."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lambda_learner.join import (
    DecisionCopy,
    JoinedRow,
    OrphanRewards,
    RewardCopy,
    RewardedDecision,
    RewardPolicy,
    checksum,
    close_ms,
    deadline_ms,
    reward_decision,
)

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden/join.json").read_text("utf-8"))
PAYLOAD = '{"item":1}'
MINUTE_MS = 60_000


def copy(event_ms: int = 0, payload: str = PAYLOAD) -> DecisionCopy:
    return DecisionCopy(event_ms, checksum(payload))


def row(*rewards: RewardCopy, copies: tuple[DecisionCopy, ...] = (copy(),)) -> JoinedRow:
    return JoinedRow("songs", "D", PAYLOAD if copies else None, copies, rewards)


def rewarded(*rewards: RewardCopy, policy: RewardPolicy | None = None, **parts: Any) -> RewardedDecision:
    result = reward_decision(row(*rewards, **parts), policy or RewardPolicy())
    assert isinstance(result, RewardedDecision)
    return result


def totals(result: RewardedDecision | OrphanRewards) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for _, line_class, n in result.tally:
        counts[line_class] += n
    return dict(counts)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
def test_a_hand_made_row_gives_its_hand_made_result(case: dict[str, Any]) -> None:
    given, expected = case["given"], case["expected"]
    payloads = [payload for _, payload in given["decisions"]]
    copies = tuple(copy(event_ms, payload) for event_ms, payload in given["decisions"])
    rewards = tuple(RewardCopy(*reward) for reward in given["rewards"])
    joined = JoinedRow("songs", "D", max(payloads, default=None), copies, rewards)
    result = reward_decision(joined, RewardPolicy(**given["policy"]))
    assert (result.model, result.decision_id) == ("songs", "D")
    assert [list(reward) for reward in result.rewards] == expected["rewards"]
    assert [list(entry) for entry in result.tally] == expected["tally"]
    if isinstance(result, RewardedDecision):
        assert (result.payload, result.reward) == (expected["payload"], expected["reward"])
    else:
        assert expected["payload"] is None


@pytest.mark.parametrize(
    ("function", "reward"),
    [
        ("sum", 12.0),
        ("mean", 3.0),
        ("min", -1.0),
        ("max", 8.0),
        ("median", 2.5),
        ("first", 8.0),
        ("last", 3.0),
    ],
)
def test_each_reward_function_sees_the_rewards_in_order_of_message_id(function: Any, reward: float) -> None:
    rewards = (
        RewardCopy("d", 0, 3.0),
        RewardCopy("a", 9, 8.0),
        RewardCopy("c", 0, 2.0),
        RewardCopy("b", 0, -1.0),
    )
    assert rewarded(*rewards, policy=RewardPolicy(function=function)).reward == reward


def test_the_median_of_an_odd_number_is_the_middle_one() -> None:
    rewards = (RewardCopy("a", 0, 9.0), RewardCopy("b", 0, -5.0), RewardCopy("c", 0, 1.0))
    assert rewarded(*rewards, policy=RewardPolicy(function="median")).reward == 1.0


@pytest.mark.parametrize("function", ["sum", "mean", "min", "max", "median", "first", "last"])
def test_a_decision_without_rewards_gets_the_default(function: Any) -> None:
    assert rewarded(policy=RewardPolicy(function=function, default=-0.5)).reward == -0.5


def test_the_default_is_not_added_to_a_reward() -> None:
    assert rewarded(RewardCopy("a", 0, 2.0), policy=RewardPolicy(default=7.0)).reward == 2.0


def test_the_sum_is_taken_in_order_of_message_id() -> None:
    large, small = RewardCopy("b", 0, 1e16), RewardCopy("c", 0, -1e16)
    assert rewarded(small, large, RewardCopy("a", 0, 1.0)).reward == 1.0 + 1e16 - 1e16


def test_a_reward_seen_twice_counts_once() -> None:
    once, twice = (
        rewarded(RewardCopy("a", 0, 2.0)),
        rewarded(RewardCopy("a", 0, 2.0), RewardCopy("a", 5, 2.0)),
    )
    assert (once.reward, once.rewards) == (twice.reward, twice.rewards)
    assert totals(twice) == {"joined": 1, "credited": 1, "duplicate_rewards": 1}


def test_of_conflicting_values_the_greatest_wins() -> None:
    assert rewarded(RewardCopy("a", 0, -2.0), RewardCopy("a", 0, 3.0), RewardCopy("a", 9, 1.0)).reward == 3.0


def test_only_the_first_rewards_by_message_id_enter_the_reward() -> None:
    rewards = [RewardCopy(f"{number:02}", 0, 1.0) for number in range(10)]
    result = rewarded(*reversed(rewards), policy=RewardPolicy(max_rewards=4))
    assert (result.reward, [message_id for message_id, _ in result.rewards]) == (
        4.0,
        ["00", "01", "02", "03"],
    )
    assert totals(result) == {"joined": 1, "credited": 10, "excess_rewards": 6}


def test_copies_of_a_decision_that_say_the_same_are_duplicates_without_conflict() -> None:
    assert totals(rewarded(copies=(copy(), copy(), copy(5)))) == {"joined": 1, "duplicate_decisions": 2}


def test_copies_that_lost_against_the_greatest_text_are_conflicts_too() -> None:
    loser = copy(0, '{"item":0}')
    result = rewarded(copies=(loser, copy(MINUTE_MS), loser))
    assert result.payload == PAYLOAD
    assert totals(result) == {"joined": 1, "duplicate_decisions": 2, "conflicts": 2}


def test_the_first_copy_by_event_time_is_the_joined_one() -> None:
    result = rewarded(copies=(copy(3 * MINUTE_MS), copy(MINUTE_MS), copy(2 * MINUTE_MS - 1)))
    assert result.tally == (
        (MINUTE_MS, "duplicate_decisions", 1),
        (MINUTE_MS, "joined", 1),
        (3 * MINUTE_MS, "duplicate_decisions", 1),
    )


def test_rewards_without_a_decision_are_orphans_counted_once_each() -> None:
    result = reward_decision(
        row(RewardCopy("b", 0, 1.0), RewardCopy("a", 0, 2.0), RewardCopy("b", 1, 1.0), copies=()),
        RewardPolicy(),
    )
    assert isinstance(result, OrphanRewards)
    assert result.rewards == (("a", 2.0), ("b", 1.0))
    assert totals(result) == {"orphan_rewards": 2, "duplicate_rewards": 1}


def test_a_policy_names_what_it_accepts() -> None:
    with pytest.raises(ValueError, match="function must be one of sum, mean, .* got 'total'"):
        RewardPolicy(function="total")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_rewards must be an integer ≥ 1, got 0"):
        RewardPolicy(max_rewards=0)
    with pytest.raises(ValueError, match="window_ms must be an integer ≥ 0, got -1"):
        RewardPolicy(window_ms=-1)


@pytest.mark.parametrize(("deadline", "close"), [(0, 0), (1, 10), (9, 10), (10, 10), (11, 20)])
def test_a_window_closes_at_its_deadline_rounded_up_to_the_interval(deadline: int, close: int) -> None:
    assert close_ms(deadline, 10) == close


def test_the_deadline_is_one_reward_window_after_the_decision() -> None:
    assert deadline_ms(1000, 600_000) == 601_000
