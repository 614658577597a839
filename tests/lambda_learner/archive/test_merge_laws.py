"""Merge gives one table for any order, split and repetition of the rows, and the join's choice among copies."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.archive.merge import merge
from lambda_learner.archive.rows import ArchiveRow, decision_row, table_of
from lambda_learner.join import DecisionCopy, JoinedRow, RewardedDecision, RewardPolicy, reward_decision
from tests.harness.archive import MODEL, a_decision, a_reward, an_event, an_id, merged_plainly, rows_of

IDS = st.sampled_from([an_id(second, number) for second in (1, 2) for number in (0, 1, 2)])
REWARD_IDS = st.sampled_from([an_id(5, number) for number in range(4)])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 200) | st.floats(-2, 2) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b", '"', "é"]), inner),
    max_leaves=4,
)


@st.composite
def decisions(draw: st.DrawFn) -> ArchiveRow:
    count = draw(st.integers(1, 12))
    extra = {"propensity": 0.5} if draw(st.booleans()) else {}
    sample = draw(JSON | st.just(...)) if count > 1 else ...
    return a_decision(draw(IDS), item=draw(JSON), context=draw(JSON), count=count, sample=sample, **extra)


VALUES = st.floats(-10, 10) | st.sampled_from([0.0, -0.0, 0.1, 0.2, 1e16])
ROWS = st.lists(decisions() | st.builds(a_reward, IDS, REWARD_IDS, VALUES), max_size=20)


@given(ROWS)
def test_merge_is_the_plain_merge(rows: list[ArchiveRow]) -> None:
    assert rows_of(merge([table_of(rows)])) == merged_plainly(rows)


@given(st.lists(st.tuples(JSON, JSON, st.integers(2, 12)), min_size=1, max_size=6))
def test_of_the_copies_of_a_decision_the_joins_choice_wins(copies: list[tuple[object, object, int]]) -> None:
    events = [an_event(an_id(1), item=item, context=context, count=count) for item, context, count in copies]
    row = JoinedRow(MODEL, an_id(1), max(event.payload for event in events), (DecisionCopy(0, 0),), ())
    joined = reward_decision(row, RewardPolicy())
    assert isinstance(joined, RewardedDecision)
    (merged,) = rows_of(merge([table_of(map(decision_row, events))]))
    assert merged in [decision_row(event) for event in events if event.payload == joined.payload]


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(rows: list[ArchiveRow], rng: random.Random) -> None:
    shuffled = rng.sample(rows, len(rows))
    assert merge([table_of(shuffled)]).equals(merge([table_of(rows)]))


@given(ROWS, st.lists(st.integers(0, 20), max_size=4))
def test_merging_parts_first_does_not_matter(rows: list[ArchiveRow], places: list[int]) -> None:
    cuts = [0, *sorted(min(place, len(rows)) for place in places), len(rows)]
    parts = [merge([table_of(rows[start:stop])]) for start, stop in zip(cuts, cuts[1:], strict=False)]
    assert merge([merge(parts[1:]), parts[0]]).equals(merge([table_of(rows)]))


@given(ROWS, ROWS)
def test_seeing_rows_again_does_not_matter(rows: list[ArchiveRow], others: list[ArchiveRow]) -> None:
    once = merge([table_of([*rows, *others])])
    assert merge([once, table_of(rows), once, merge([table_of(others)])]).equals(once)
