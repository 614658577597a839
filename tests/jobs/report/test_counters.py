from __future__ import annotations

from collections import Counter

import pytest

from jobs.report.counters import IDENTITIES, MEANINGS, identities, late_rows_check
from jobs.report.over_time import MAX_BINS, bins_of, over_time
from jobs.report.plots_stream import step_text
from jobs.summary import COUNTERS

MINUTE = 60_000
DAY = 1_440 * MINUTE


def test_each_counter_of_the_summary_has_its_meaning() -> None:
    assert tuple(MEANINGS) == COUNTERS


def test_an_identity_says_by_how_much_it_is_wrong() -> None:
    summary = dict.fromkeys(COUNTERS, 0) | {"lines": 10, "decisions": 7, "joined": 7}
    lines, decisions, *_ = identities(summary)
    assert (lines.holds, lines.difference) == (False, 3)
    assert decisions.holds


def test_a_sum_that_holds_by_a_negative_part_is_wrong() -> None:
    summary = dict.fromkeys(COUNTERS, 0) | {"decisions": 7, "joined": 8, "late_decisions": -1}
    _, decisions, *_ = identities(summary)
    assert (decisions.difference, decisions.negative, decisions.holds) == (0, ("late_decisions",), False)


def test_a_stopped_run_may_have_lines_in_open_windows_but_not_lines_without_a_class() -> None:
    whole = dict.fromkeys(COUNTERS, 0) | {"lines": 9, "decisions": 9, "joined": 7}
    assert [i.holds for i in identities(whole)] == [True, False, True, True, True]
    stopped = whole | {"in_open_windows": 2}
    assert all(i.holds for i in identities(stopped))
    assert not identities(stopped | {"lines": 10})[0].holds
    assert not identities(stopped | {"joined": 10})[1].holds


def test_an_identity_of_a_missing_counter_cannot_be_checked() -> None:
    assert [(i.difference, i.holds) for i in identities({})] == [(None, False)] * len(IDENTITIES)


def test_the_late_counters_are_compared_with_the_side_stream_once_the_run_has_ended() -> None:
    summary = dict.fromkeys(COUNTERS, 0) | {"late_decisions": 3, "late_rewards": 1}
    assert late_rows_check(summary, 4) == 0
    assert late_rows_check(summary, 6) == -2
    assert late_rows_check(summary | {"in_open_windows": 0}, 4) is None
    assert late_rows_check({}, 4) is None


def test_counts_over_time_keep_their_sum_whatever_the_bins() -> None:
    sums = Counter({(DAY + i * 7 * MINUTE, f"model-{i % 3}", "decisions"): i + 1 for i in range(1_000)})
    sums[0, "", "decisions"] = 99  # of the whole run: no minute
    result = over_time(sums, ["decisions", "credited"])
    assert result is not None
    assert result.counts["decisions"].sum() == sum(range(1, 1_001))
    assert result.counts["credited"].sum() == result.outside == 0
    assert len(result.counts["decisions"]) == len(result.edges_ms) - 1


@pytest.mark.parametrize("minutes", [1, 2, 119, 121, 5_000, 300_000, 9_000_000])
def test_there_are_never_many_bins(minutes: int) -> None:
    low = 123 * DAY + 61 * MINUTE
    step, edges = bins_of(low, low + (minutes - 1) * MINUTE)
    assert len(edges) - 1 <= MAX_BINS + 1
    assert edges[0] <= low <= low + (minutes - 1) * MINUTE < edges[-1]
    assert set(edges[1:] - edges[:-1]) == {step * MINUTE}


def test_one_decision_of_another_decade_does_not_flatten_the_picture() -> None:
    sums = Counter({(100 * DAY + i * MINUTE, "m", "decisions"): 100 for i in range(60)})
    sums[DAY, "m", "decisions"] = 1
    result = over_time(sums, ["decisions"])
    assert result is not None
    assert (result.step_minutes, result.outside) == (1, 1)


def test_no_counts_give_no_picture() -> None:
    assert over_time(Counter({(0, "m", "updates"): 5}), ["decisions"]) is None


def test_the_width_of_a_bin_is_said_in_words() -> None:
    assert [step_text(m) for m in (1, 5, 60, 360, 2_880, 10_080)] == [
        "minute", "5 minutes", "hour", "6 hours", "2 days", "week",
    ]  # fmt: skip
