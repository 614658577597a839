from __future__ import annotations

import pytest

from jobs.demo_kafka.app import By, Outcome
from jobs.demo_kafka.rewards import MIN_S, Means, bins_of, first, has_risen, last, means_of, since


def outcome(at_s: float, reward: float, *, is_new: bool = False, by: By = "coefficients") -> Outcome:
    return Outcome(at_s, is_new, by, reward, 0.2, 0.6)


def steady(until_s: int, regulars: float, new: float) -> list[Outcome]:
    """A visit of each kind a second, each with the same reward."""
    pairs = ((outcome(at, regulars), outcome(at, new, is_new=True)) for at in range(until_s + 1))
    return [row for pair in pairs for row in pair]


def test_means_and_the_share_of_the_way() -> None:
    found = means_of([outcome(1, 0.0), outcome(2, 1.0)])
    assert found is not None
    assert found == pytest.approx(Means(2, 0.5, 0.2, 0.6))
    assert found.share == pytest.approx(0.75)
    assert means_of([]) is None


def test_first_are_those_that_chance_chose_for() -> None:
    rows = [outcome(1, 0.0, by="chance"), outcome(2, 1.0, is_new=True, by="chance"), outcome(3, 1.0)]
    regulars = first(rows, is_new=False)
    assert regulars is not None
    assert (regulars.visits, regulars.reward) == (1, 0.0)


def test_last_is_half_a_minute() -> None:
    found = last(steady(100, 0.5, 0.3), is_new=True)
    assert found is not None
    assert found.visits == 30
    assert last([], is_new=True) is None


def test_it_has_risen_when_both_kinds_of_people_are_well_above_chance_for_long_enough() -> None:
    assert has_risen(steady(int(MIN_S), 0.5, 0.4))
    assert not has_risen(steady(int(MIN_S) - 1, 0.5, 0.4))
    assert not has_risen(steady(int(MIN_S), 0.3, 0.4))
    assert not has_risen(steady(int(MIN_S), 0.5, 0.2))
    assert not has_risen([])


def test_bins_are_without_gaps_and_whole() -> None:
    bins = bins_of([outcome(0.5, 1.0), outcome(12.0, 0.0, is_new=True), outcome(15.1, 0.0)], 5.0)
    assert [each.from_s for each in bins] == [0.0, 5.0, 10.0]
    assert bins[0].regulars is not None
    assert bins[0].regulars.reward == 1.0
    assert (bins[1].regulars, bins[1].new) == (None, None)
    assert bins[2].new is not None
    assert bins_of([], 5.0) == []


def test_the_first_bin_is_shown_before_it_is_whole() -> None:
    assert [each.from_s for each in bins_of([outcome(0.5, 1.0)], 5.0)] == [0.0]


def test_since_is_when_something_first_chose() -> None:
    rows = [outcome(1, 0.0, by="chance"), outcome(2, 0.0, by="model"), outcome(3, 0.0, by="model")]
    assert since(rows, "model") == 2
    assert since(rows, "coefficients") is None
