"""Due times against dates worked out by hand, and laws over random times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.retrain.schedule import Cron, Every, Schedule


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def test_an_interval_is_aligned_to_the_epoch() -> None:
    four_hours = Every(4 * 3_600_000)
    assert four_hours.latest(ms("2024-01-31T07:59:59")) == ms("2024-01-31T04:00:00")
    assert four_hours.latest(ms("2024-01-31T08:00:00")) == ms("2024-01-31T08:00:00")
    assert four_hours.following(ms("2024-01-31T08:00:00")) == ms("2024-01-31T12:00:00")


CASES = [  # 2024-01-31 was a Wednesday
    ("cron(0 */4 * * ? *)", "2024-01-31T05:00:00", "2024-01-31T08:00:00"),
    ("0 */4 * * *", "2024-01-31T05:00:00", "2024-01-31T08:00:00"),
    ("cron(15 10 ? * 2-6 *)", "2024-02-02T11:00:00", "2024-02-05T10:15:00"),  # Monday to Friday; a Friday's noon
    ("15 10 * * 1-5", "2024-02-02T11:00:00", "2024-02-05T10:15:00"),
    ("cron(0 0 ? * 1 *)", "2024-01-31T00:00:00", "2024-02-04T00:00:00"),  # 1 is a Sunday
    ("cron(0 0 ? * SUN *)", "2024-01-31T00:00:00", "2024-02-04T00:00:00"),
    ("cron(0 0 ? * 6L *)", "2024-01-31T00:00:00", "2024-02-23T00:00:00"),  # the last Friday
    ("cron(0 0 ? * 2#1 *)", "2024-01-31T00:00:00", "2024-02-05T00:00:00"),  # the first Monday
    ("cron(0 0 ? * L *)", "2024-01-31T00:00:00", "2024-02-03T00:00:00"),  # Saturday
    ("cron(0 0 ? * 2,4 *)", "2024-01-31T00:00:00", "2024-02-05T00:00:00"),
    ("cron(30 18 L * ? *)", "2024-01-31T18:30:00", "2024-02-29T18:30:00"),
    ("cron(0 8 1 1 ? 2026-2028/2)", "2024-01-31T00:00:00", "2026-01-01T08:00:00"),
    ("cron(0 8 1 1 ? 2026-2028/2)", "2026-01-01T08:00:00", "2028-01-01T08:00:00"),
    ("cron(0 8 1 1 ? 2025,2030)", "2025-06-01T00:00:00", "2030-01-01T08:00:00"),
    ("cron(0 0 1 1 ? 2026)", "2024-06-01T00:00:00", "2026-01-01T00:00:00"),  # the first moment of a year
    ("cron(0 0 29 2 ? *)", "2024-03-01T00:00:00", "2028-02-29T00:00:00"),
]


@pytest.mark.parametrize(("text", "now", "due"), CASES)
def test_the_following_due_time(text: str, now: str, due: str) -> None:
    assert Cron(text).following(ms(now)) == ms(due)
    assert Cron(text).latest(ms(due)) == ms(due)


def test_the_latest_due_time_of_years_past_is_the_last_one() -> None:
    schedule = Cron("cron(0 8 1 1 ? 2025,2026)")
    assert schedule.latest(ms("2030-05-05T00:00:00")) == ms("2026-01-01T08:00:00")
    assert schedule.latest(ms("2024-05-05T00:00:00")) is None
    assert schedule.following(ms("2026-01-01T08:00:00")) is None


def test_a_due_time_of_a_year_that_is_not_named_is_none() -> None:
    schedule = Cron("cron(0 8 1 6 ? 2025,2027)")
    assert schedule.latest(ms("2027-01-05T00:00:00")) == ms("2025-06-01T08:00:00")
    assert schedule.following(ms("2025-07-01T00:00:00")) == ms("2027-06-01T08:00:00")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("cron(0 8 1 1 1 2026)", "must be [?]"),
        ("cron(0 8 ? 1 ? 2026)", "must be [?]"),
        ("cron(0 8 15W 1 ? *)", "W is not supported"),
        ("cron(0 8 1 1 ? 1969)", "bad year '1969'"),
        ("cron(0 8 1 1 ? 2026/0)", "bad year"),
        ("cron(0 8 1 1 ? 2028-2026)", "bad year"),
        ("cron(0 8 1 1 ? *-2026)", "bad year"),
        ("cron(99 8 1 1 ? *)", "Bad minute"),
        ("0 0 31 2 *", "Bad day-of-month"),
        ("cron(0 0 29 2 ? 2025)", "it is never due"),
        ("hourly", "it has 1 fields"),
        ("* * * * * * *", "it has 7 fields"),
    ],
)
def test_an_expression_that_is_not_understood_is_refused_with_what_is_accepted(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=rf"a schedule must be rate\(4 hours\).*{why}"):
        Cron(text)


def test_an_interval_must_be_positive() -> None:
    with pytest.raises(ValueError, match="interval_ms must be an integer ≥ 1, got 0"):
        Every(0)


SCHEDULES = [Every(14_400_000), Every(7_777), *(Cron(text) for text in ("cron(5 4 ? * MON-FRI *)", "*/7 * 1,15 * *"))]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@given(time_ms=st.integers(0, 4_000_000_000_000))
def test_a_time_lies_between_its_latest_and_its_following_due_time(schedule: Schedule, time_ms: int) -> None:
    latest, following = schedule.latest(time_ms), schedule.following(time_ms)
    assert following is not None
    assert time_ms < following
    assert schedule.latest(following) == following
    if latest is not None:
        assert latest <= time_ms
        assert schedule.following(latest) == following


def test_all_due_times_of_a_week_by_a_walk_over_its_minutes() -> None:
    schedule, start = Cron("cron(*/20 6-7 ? * 2,7 *)"), datetime(2024, 1, 29, tzinfo=UTC)
    minutes = [start + timedelta(minutes=n) for n in range(7 * 1440)]
    by_hand = [m for m in minutes if m.weekday() in {0, 5} and m.hour in {6, 7} and m.minute % 20 == 0]
    found, time_ms = [], round(start.timestamp()) * 1000 - 1
    for _ in by_hand:
        following = schedule.following(time_ms)
        assert following is not None
        found.append(time_ms := following)
    assert found == [round(m.timestamp()) * 1000 for m in by_hand]
