"""The newest decisions for the gate, the older ones for its candidate: every row on one side, or on none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from jobs.retrain.time_slice import Wanted, split
from lambda_learner.archive.rows import decision_row, table_of
from lambda_learner.events import ksuid
from lambda_learner.retrain.gate import held_out_from_ms
from tests.harness.archive import START_S, an_event, an_id

GB = 1 << 30


def tables(seconds: Sequence[int], rows: int = 10) -> list[pa.Table]:
    """Decisions of these seconds as the archive's reader gives them: the newest table first, each in order."""
    ids = [an_id(second, number) for number, second in enumerate(sorted(seconds))]
    whole = table_of([decision_row(an_event(each)) for each in ids])
    starts = range((len(ids) - 1) // rows * rows, -1, -rows) if ids else ()
    return [whole.slice(start, rows) for start in starts]


def seconds_of(given_tables: Sequence[pa.Table]) -> list[int]:
    ids = [each for table in given_tables for each in table["decision_id"].to_pylist()]
    return sorted(ksuid.unix_seconds(each) - START_S for each in ids)


def parts(seconds: Sequence[int], share: float = 0.1, seen: int | None = None, **wanted: int) -> tuple[list[int], ...]:
    """The seconds held out, and the older ones."""
    seen_ms = None if seen is None else (START_S + seen) * 1000
    total = wanted.get("total", len(seconds))
    found = split(iter(tables(seconds)), Wanted(share, total, seen_ms, wanted.get("max_bytes", GB)))
    assert found is not None
    return seconds_of([found.held_out]), seconds_of(list(found.older))


def test_the_newest_share_is_held_out_and_the_rest_is_older() -> None:
    assert parts(range(100)) == (list(range(90, 100)), list(range(90)))


def test_what_the_incumbent_has_seen_is_not_held_out() -> None:
    assert parts(range(100), seen=94) == (list(range(95, 100)), list(range(95)))


def test_nothing_is_held_out_where_the_incumbent_has_seen_all() -> None:
    assert parts(range(100), seen=99) == ([], list(range(100)))


def test_an_incumbent_of_long_ago_takes_nothing_away() -> None:
    assert parts(range(100), seen=3) == (list(range(90, 100)), list(range(90)))


def test_a_second_is_on_one_side_only() -> None:
    held_out, older = parts([0] * 40 + [5] * 40 + [7] * 20, share=0.3)
    assert (set(held_out), set(older)) == ({5, 7}, {0})
    assert len(held_out) >= 30  # what of second 5 was not read when the slice was full is on no side


def test_decisions_of_one_second_leave_nothing_to_fit() -> None:
    assert parts([3] * 50)[1] == []


def test_a_single_decision_is_held_out() -> None:
    assert parts([4]) == ([4], [])


def test_no_rows_have_no_parts() -> None:
    assert split(iter([]), Wanted(0.1, 0, None, GB)) is None


def test_fewer_rows_than_were_counted_still_leave_most_to_fit() -> None:
    held_out, older = parts(range(100), total=100_000)  # partial rows are counted too
    assert (len(held_out), len(older)) == (10, 90)


def test_little_memory_holds_less_out() -> None:
    held_out, older = parts(range(1000), share=0.5, max_bytes=1)
    assert 0 < len(held_out) <= 10
    assert set(held_out).isdisjoint(older)


@given(
    st.lists(st.integers(0, 60), min_size=2, max_size=60),
    st.floats(0.01, 0.5),
    st.none() | st.integers(-5, 70),
    st.integers(1, 90),
)
def test_each_row_is_on_its_side_of_one_moment_that_no_seen_row_is_after(
    seconds: list[int], share: float, seen: int | None, total: int
) -> None:
    held_out, older = parts(seconds, share, seen, total=total)
    assert max(older, default=-1) < min(held_out, default=99)
    assert seen is None or min(held_out, default=99) > seen
    assert held_out == sorted(seconds)[len(seconds) - len(held_out) :]
    assert older == sorted(seconds)[: len(older)]
    assert len({*sorted(seconds)[len(older) : len(seconds) - len(held_out)]}) <= 1


def test_the_moment_is_that_of_the_gates_own_rule() -> None:
    seconds = np.random.default_rng(0).integers(0, 10_000, 5_000)
    rule = held_out_from_ms((seconds + START_S) * 1000, 0.1)
    held_out, older = parts(seconds.tolist())
    assert abs(min(held_out) + START_S - rule // 1000) <= 2
    assert len(held_out) + len(older) == 5_000
