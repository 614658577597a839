from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.offsets import OffsetRange, Partition, Planner

A, B = Partition("events", 0), Partition("events", 1)


@dataclass
class Topics:
    """Partitions as lists of times of arrival; counts what was asked."""

    times: dict[Partition, list[int]]
    asked: int = 0
    positions: dict[Partition, int] = field(default_factory=dict)

    def ends(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        self.asked += 1
        return {partition: len(self.times[partition]) for partition in partitions}

    def at_time(self, partitions: Sequence[Partition], time_ms: int) -> Mapping[Partition, int]:
        self.asked += 1
        return {partition: bisect_left(self.times[partition], time_ms) for partition in partitions}

    def read(self, max_records: int) -> list[list[OffsetRange]]:
        """All chunks up to the end."""
        planner, chunks = Planner(self, max_records), []
        positions = dict.fromkeys(self.times, 0)
        while ranges := planner.next(positions):
            chunks.append(ranges)
            positions |= {Partition(each.topic, each.partition): each.end for each in ranges}
        return chunks


def times_of(topics: Topics, each: OffsetRange) -> list[int]:
    return topics.times[Partition(each.topic, each.partition)][each.start : each.end]


def test_what_is_new_is_one_chunk() -> None:
    topics = Topics({A: [1, 2, 3], B: [2]})
    assert Planner(topics).next({A: 1, B: 0}) == [OffsetRange("events", 0, 1, 3), OffsetRange("events", 1, 0, 1)]
    assert topics.asked == 1


def test_a_partition_without_anything_new_has_no_range() -> None:
    assert Planner(Topics({A: [1], B: [2]})).next({A: 1, B: 0}) == [OffsetRange("events", 1, 0, 1)]
    assert Planner(Topics({A: [1], B: [2]})).next({A: 1, B: 1}) == []


def test_after_a_pause_all_partitions_are_read_in_step() -> None:
    dense, sparse = list(range(0, 100_000, 10)), list(range(0, 100_000, 1_000))
    topics = Topics({A: dense, B: sparse})
    chunks = topics.read(1_000)
    assert len(chunks) > 5
    for before, after in zip(chunks, chunks[1:], strict=False):
        latest = max(max(times_of(topics, each)) for each in before)
        assert all(min(times_of(topics, each)) > latest for each in after)


def test_a_long_pause_costs_few_requests_a_chunk() -> None:
    topics = Topics({A: list(range(0, 10_000_000, 10)), B: list(range(5, 10_000_000, 100))})
    assert topics.asked < 5 * len(topics.read(1_000)) + 100


def test_more_records_of_one_time_than_a_chunk_takes_are_cut_by_number() -> None:
    chunks = Topics({A: [5] * 100, B: [5] * 10}).read(20)
    assert sum(each.end - each.start for chunk in chunks for each in chunk) == 110
    assert max(sum(each.end - each.start for each in chunk) for chunk in chunks) <= 20


@given(
    st.lists(st.lists(st.integers(0, 2_000), max_size=60), min_size=1, max_size=3),
    st.integers(1, 30),
    st.booleans(),
)
def test_every_record_is_read_once_and_in_order(times: list[list[int]], most: int, in_order: bool) -> None:
    """Times of arrival may go back where producers set them."""
    held = {Partition("t", number): sorted(each) if in_order else each for number, each in enumerate(times)}
    at = dict.fromkeys(held, 0)
    for chunk in Topics(held).read(most):
        assert 0 < sum(each.end - each.start for each in chunk) <= max(most, len(held))
        for each in chunk:
            partition = Partition(each.topic, each.partition)
            assert each.start == at[partition] < each.end
            at[partition] = each.end
    assert at == {partition: len(each) for partition, each in held.items()}


@pytest.mark.parametrize("most", [1, 7])
def test_a_chunk_is_never_empty_where_there_is_something_to_read(most: int) -> None:
    assert all(Topics({A: [0, 10**12], B: [5]}).read(most))
