from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.durations import duration_ms, rate_ms


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("500 ms", 500),
        ("10 s", 10_000),
        ("10s", 10_000),
        (" 1 second ", 1_000),
        ("10 minutes", 600_000),
        ("1 min", 60_000),
        ("2 hours", 7_200_000),
        ("1.5 h", 5_400_000),
        ("1 day", 86_400_000),
        ("0.1 s", 100),
        (10, 10_000),
        (0.1, 100),
        (0, 0),
    ],
)
def test_a_duration_is_read_as_people_write_it(text: object, expected_ms: int) -> None:
    assert duration_ms(text) == expected_ms


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("10", "not a number with a unit"),
        ("ten s", "not a number with a unit"),
        ("-1 s", "not a number with a unit"),
        ("1e3 s", "not a number with a unit"),
        ("", "not a number with a unit"),
        ("1 s 5 ms", "not a number with a unit"),
        ("٣ s", "not a number with a unit"),
        ("1 S", "not a number with a unit"),
        ("3 fortnights", "unknown unit 'fortnights'"),
        ("0.5 ms", "not a whole number of milliseconds"),
        ("1000000 days", "more than a hundred years"),
        (-1, "negative"),
        (float("nan"), "not a finite number"),
        (float("inf"), "not a finite number"),
        (True, "neither text nor a number"),
        (None, "neither text nor a number"),
        ([1], "neither text nor a number"),
    ],
)
def test_what_is_no_duration_is_refused_with_its_reason(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        duration_ms(value)


@given(st.integers(min_value=0, max_value=10**9))
def test_milliseconds_and_seconds_agree(milliseconds: int) -> None:
    assert duration_ms(f"{milliseconds} ms") == milliseconds
    assert duration_ms(f"{milliseconds / 1_000:.3f} s") == milliseconds
    assert duration_ms(milliseconds / 1_000) == milliseconds


def test_a_schedule_is_a_rate() -> None:
    assert rate_ms("rate(4 hours)") == 4 * 3_600_000
    assert rate_ms("rate( 1 day )") == 86_400_000


@pytest.mark.parametrize("value", ["4 hours", "rate(4)", "rate()", "cron(0 4 * * ? *)", 4, None])
def test_what_is_no_rate_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="not"):
        rate_ms(value)
