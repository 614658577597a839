from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.publish.bases import (
    MIN_LEAD_MS,
    READ_AHEAD_MS,
    BaseEntry,
    BaseLog,
    DamagedBaseLog,
    activate,
    read_base_log,
)

KEY = "models/base/movies/log.json"
HOUR = 3_600_000


def entry(version: str, active_from_ms: int, trained_through_ms: int) -> BaseEntry:
    key = f"models/base/movies/{version}.xgb.gz"
    return BaseEntry(version, key, "logistic", active_from_ms, trained_through_ms, intercept=-0.5, slope=1.25)


def activated(store: Any, *entries: BaseEntry) -> BaseLog:
    for one in entries:
        activate(store, "movies", one, now_ms=0, min_lead_ms=0)
    return read_base_log(store, "movies")


B1, B2, B3 = entry("b1", 10 * HOUR, 5 * HOUR), entry("b2", 20 * HOUR, 15 * HOUR), entry("b3", 30 * HOUR, 25 * HOUR)


def test_what_is_activated_is_read_back(store: Any) -> None:
    assert read_base_log(store, "movies") == BaseLog()
    assert activated(store, B1, B2).entries == (B1, B2)
    assert list(store.objects) == [KEY]


@pytest.mark.parametrize(
    ("window_end_h", "decision_h", "version"),
    [
        (9, 9, None),  # none is active yet
        (10, 9, "b1"),  # from its very time on
        (19, 19, "b1"),
        (20, 19, "b2"),
        (20, 15, "b1"),  # the newer was trained on this very time
        (20, 16, "b2"),
        (40, 26, "b3"),
        (40, 25, "b2"),
        (40, 14, "b1"),
        (40, 5, None),  # a late reward of a decision that has trained them all
    ],
)
def test_a_row_uses_the_newest_active_base_that_was_not_trained_on_it(
    store: Any, window_end_h: int, decision_h: int, version: str | None
) -> None:
    found = activated(store, B1, B2, B3).base_for(window_end_h * HOUR, decision_h * HOUR)
    assert (found.version if found else None) == version


def test_the_active_base_does_not_look_at_decisions(store: Any) -> None:
    log = activated(store, B1, B2)
    assert log.active_at(10 * HOUR - 1) is None
    assert [base.version for hour in (10, 19, 20, 99) if (base := log.active_at(hour * HOUR))] == [
        "b1",
        "b1",
        "b2",
        "b2",
    ]


def test_bases_of_another_kind_are_left_out(store: Any) -> None:
    log = activated(store, B1, B2._replace(kind="linear"), B3)
    assert [base.version for base in log.of_kind("logistic").entries] == ["b1", "b3"]


def test_a_version_activated_again_stays_as_it_is(store: Any) -> None:
    activated(store, B1, B2)
    before = store.objects[KEY]
    again = activate(store, "movies", B1._replace(active_from_ms=99 * HOUR, slope=7.0), now_ms=50 * HOUR)
    assert again.entries == (B1, B2)
    assert store.objects[KEY] == before


@pytest.mark.parametrize(
    ("late", "least"),
    [
        (entry("b4", 30 * HOUR, 26 * HOUR), 30 * HOUR + 1),  # not after the last one
        (entry("b4", 40 * HOUR, 24 * HOUR), 25 * HOUR),  # trained on less than the last one
        (entry("b4", 40 * HOUR, 40 * HOUR), 40 * HOUR + 1),  # active before the end of its training data
    ],
)
def test_the_log_is_monotone(store: Any, late: BaseEntry, least: int) -> None:
    activated(store, B1, B2, B3)
    with pytest.raises(ValueError, match=rf"must be ≥ {least}, got .*'b4'.*activate it later"):
        activate(store, "movies", late, now_ms=0)
    assert read_base_log(store, "movies").entries == (B1, B2, B3)


def test_a_base_is_activated_ahead_of_now(store: Any) -> None:
    now_ms = 10 * HOUR - MIN_LEAD_MS
    with pytest.raises(ValueError, match=f"active_from_ms must be ≥ {10 * HOUR + 1}, got {10 * HOUR}"):
        activate(store, "movies", B1, now_ms=now_ms + 1)
    assert activate(store, "movies", B1, now_ms=now_ms).entries == (B1,)
    assert MIN_LEAD_MS > READ_AHEAD_MS


class Interrupted:
    """A store in which another writer appends between a reading of the log and the next write."""

    def __init__(self, store: Any, other: Callable[[], object]) -> None:
        self._store, self._other = store, other
        self.list, self.put, self.delete = store.list, store.put, store.delete

    def get(self, key: str) -> Any:
        return self._store.get(key)

    def put_if(self, key: str, data: bytes, etag: str | None) -> str:
        other, self._other = self._other, lambda: None
        other()
        written: str = self._store.put_if(key, data, etag)
        return written


def test_of_two_writers_at_once_both_are_in_the_log_or_the_later_is_refused(store: Any) -> None:
    both = Interrupted(store, lambda: activated(store, B1))
    assert activate(both, "movies", B2, now_ms=0).entries == (B1, B2)
    refused = Interrupted(store, lambda: activated(store, entry("b9", 90 * HOUR, 80 * HOUR)))
    with pytest.raises(ValueError, match="active_from_ms must be"):
        activate(refused, "movies", B3, now_ms=0)
    assert [base.version for base in read_base_log(store, "movies").entries] == ["b1", "b2", "b9"]


def test_a_writer_that_is_killed_leaves_the_log_whole(store: Any) -> None:
    activated(store, B1)
    store.crash_at, store.crash_after_writing = store.writes, True
    with pytest.raises(Exception):  # noqa: B017, PT011 - the crash
        activate(store, "movies", B2, now_ms=0)
    assert activate(store, "movies", B2, now_ms=0).entries == (B1, B2)


Entries = st.lists(st.tuples(st.integers(1, 20), st.integers(0, 10), st.integers(1, 40)), max_size=6)


def log_of(steps: list[tuple[int, int, int]]) -> BaseLog:
    """A log that `activate` would accept."""
    entries: list[BaseEntry] = []
    active_from = trained_through = 0
    for number, (ahead, trained, delay) in enumerate(steps):
        trained_through += trained
        active_from = max(active_from + ahead, trained_through + delay)
        entries.append(entry(f"b{number}", active_from, trained_through))
    return BaseLog(tuple(entries))


@given(steps=Entries, more=Entries, window_end_ms=st.integers(0, 200), decision_ms=st.integers(0, 200))
def test_what_is_appended_ahead_of_time_never_changes_the_base_of_a_window_past(
    steps: list[tuple[int, int, int]], more: list[tuple[int, int, int]], window_end_ms: int, decision_ms: int
) -> None:
    grown = log_of(steps + more)
    before = grown._replace(entries=grown.entries[: len(steps)])
    if all(base.active_from_ms > window_end_ms for base in grown.entries[len(steps) :]):
        assert grown.base_for(window_end_ms, decision_ms) == before.base_for(window_end_ms, decision_ms)


@given(steps=Entries, window_end_ms=st.integers(0, 200), decision_ms=st.integers(0, 200))
def test_no_base_scores_a_row_that_trained_it_and_none_before_its_time(
    steps: list[tuple[int, int, int]], window_end_ms: int, decision_ms: int
) -> None:
    log = log_of(steps)
    found = log.base_for(window_end_ms, decision_ms)
    fitting = [e for e in log.entries if e.active_from_ms <= window_end_ms and e.trained_through_ms < decision_ms]
    assert found == (fitting[-1] if fitting else None)


@given(steps=Entries)
def test_the_bases_of_a_rising_time_only_rise(steps: list[tuple[int, int, int]]) -> None:
    log = log_of(steps)
    versions = [base.active_from_ms for time_ms in range(200) if (base := log.base_for(time_ms, time_ms))]
    assert versions == sorted(versions)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"{", "not JSON"),
        (b'{"format_version": 1, "entries": {}}', "entries must be a list"),
        (b'{"format_version": 1, "entries": [{"version": 3}]}', r"entries\[0\].version must be a text"),
    ],
)
def test_a_damaged_log_is_an_error_that_says_what_to_do(store: Any, text: bytes, reason: str) -> None:
    store.put(KEY, text)
    with pytest.raises(DamagedBaseLog, match=rf"{reason}.*restore it from a copy"):
        read_base_log(store, "movies")
