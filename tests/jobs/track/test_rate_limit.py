from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.track.rate_limit import NS_PER_S, Bucket, RateLimit, RateLimits

TWO_A_SECOND = RateLimit(2, 3)
HALF_A_SECOND_NS = NS_PER_S // 2
LIMITS = st.builds(RateLimit, st.floats(0.001, 1_000_000), st.integers(1, 1_000))


def test_a_burst_passes_at_once_and_no_more() -> None:
    bucket = Bucket(TWO_A_SECOND, 0)
    assert [bucket.take(TWO_A_SECOND, 0) for _ in range(4)] == [0, 0, 0, HALF_A_SECOND_NS]


def test_a_request_is_earned_in_each_interval() -> None:
    bucket = Bucket(RateLimit(2, 1), 0)
    times_ns = [0, 499_999_999, 500_000_000, 999_999_999, 1_000_000_000]
    assert [bucket.take(RateLimit(2, 1), now_ns) for now_ns in times_ns] == [0, 1, 0, 1, 0]


def test_a_pause_earns_a_burst_and_no_more() -> None:
    bucket = Bucket(TWO_A_SECOND, 0)
    assert [bucket.take(TWO_A_SECOND, 3600 * NS_PER_S) for _ in range(4)][-1] == HALF_A_SECOND_NS


def test_a_request_that_is_refused_costs_nothing() -> None:
    bucket = Bucket(RateLimit(1, 1), 0)
    assert [bucket.take(RateLimit(1, 1), 0) for _ in range(50)][1:] == [NS_PER_S] * 49
    assert bucket.take(RateLimit(1, 1), NS_PER_S) == 0


def test_a_clock_that_goes_back_earns_nothing_twice() -> None:
    bucket = Bucket(RateLimit(1, 1), 10 * NS_PER_S)
    assert bucket.take(RateLimit(1, 1), 10 * NS_PER_S) == 0
    assert bucket.take(RateLimit(1, 1), 9 * NS_PER_S) == NS_PER_S
    assert bucket.take(RateLimit(1, 1), 10 * NS_PER_S) == NS_PER_S


def test_another_rate_keeps_the_number_of_requests_that_are_left() -> None:
    bucket = Bucket(RateLimit(1, 10), 0)
    assert [bucket.take(RateLimit(1, 10), 0) for _ in range(8)] == [0] * 8
    faster = RateLimit(1_000, 10)
    assert [bucket.take(faster, 0) for _ in range(3)] == [0, 0, NS_PER_S // 1_000]


def test_a_smaller_burst_counts_at_once() -> None:
    bucket = Bucket(RateLimit(1, 10), 0)
    assert [bucket.take(RateLimit(1, 2), 0) for _ in range(3)] == [0, 0, NS_PER_S]


@given(LIMITS, st.lists(st.integers(0, 5 * NS_PER_S), max_size=50))
def test_who_waits_as_long_as_told_is_let_in(limit: RateLimit, pauses_ns: list[int]) -> None:
    bucket, now_ns = Bucket(limit, 0), 0
    for pause_ns in pauses_ns:
        now_ns += pause_ns
        wait_ns = bucket.take(limit, now_ns)
        if wait_ns:
            now_ns += wait_ns
            assert bucket.take(limit, now_ns) == 0


@given(LIMITS, st.lists(st.integers(0, NS_PER_S // 10), min_size=1, max_size=200))
def test_no_more_passes_than_a_burst_and_what_was_earned_since(limit: RateLimit, pauses_ns: list[int]) -> None:
    bucket, now_ns, passed = Bucket(limit, 0), 0, 0
    for pause_ns in pauses_ns:
        now_ns += pause_ns
        passed += bucket.take(limit, now_ns) == 0
        assert passed <= limit.burst + now_ns // limit.interval_ns


@pytest.mark.parametrize(
    ("rate", "interval_ns"), [(1, NS_PER_S), (0.001, 1000 * NS_PER_S), (3, 333_333_333), (1e12, 1)]
)
def test_a_rate_is_an_interval_of_whole_nanoseconds(rate: float, interval_ns: int) -> None:
    assert RateLimit(rate, 1).interval_ns == interval_ns


def test_keys_have_buckets_of_their_own() -> None:
    limits, one = RateLimits(), RateLimit(1, 1)
    assert [limits.take(name, one, 0) for name in ("a", "b", "a", "b")] == [0, 0, NS_PER_S, NS_PER_S]


def test_only_the_buckets_of_keys_that_are_gone_are_forgotten() -> None:
    limits, one = RateLimits(), RateLimit(1, 1)
    assert [limits.take(name, one, 0) for name in ("a", "b")] == [0, 0]
    limits.keep({"a"})
    assert [limits.take(name, one, 0) for name in ("a", "b")] == [NS_PER_S, 0]
