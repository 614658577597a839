"""Which strings get an entry, in which order and of how many bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.encoding import StringTable, TableRules, TextTotals, Totals, best_first, build_tables, narrow, wide


def totals(*rows: tuple[int, int, float, float, float]) -> Totals:
    paths, hashes, weight, target, count = zip(*rows, strict=True)
    return Totals(np.array(paths, np.int32), np.array(hashes, np.uint64), *map(np.array, (weight, target, count)))


def rules(*, prior_count: float = 0.0, prior_mean: float = 0.0, max_strings: int = 10_000) -> TableRules:
    return TableRules(prior_count, prior_mean, max_strings, narrow)


def test_a_string_that_comes_20_times_has_no_entry() -> None:
    rows = totals((0, 1, 20.0, 9.0, 20.0), (0, 2, 21.0, 9.0, 21.0), (1, 3, 5.0, 1.0, 5.0))
    assert build_tables(rows, {0: "item.a", 1: "item.b"}, rules()) == {"item.a": [2]}


def test_a_path_that_is_no_feature_has_no_table() -> None:
    rows = totals((0, 1, 30.0, 9.0, 30.0), (1, 1, 30.0, 9.0, 30.0))
    assert build_tables(rows, {1: "item.b"}, rules()) == {"item.b": [1]}


def test_the_best_mean_comes_first() -> None:
    rows = totals((0, 1, 100.0, 10.0, 100.0), (0, 2, 50.0, 40.0, 50.0), (0, 3, 30.0, 15.0, 30.0))
    assert best_first(rows, rules()) == [2, 3, 1]


def test_the_prior_draws_a_rare_string_to_the_mean() -> None:
    # By hand: (30 + 0.1·300)/(30 + 300) = 0.18 and (300 + 0.1·300)/(1000 + 300) = 0.25.
    rows = totals((0, 1, 30.0, 30.0, 30.0), (0, 2, 1000.0, 300.0, 1000.0))
    assert best_first(rows, rules()) == [1, 2]
    assert best_first(rows, rules(prior_count=300, prior_mean=0.1)) == [2, 1]


def test_the_prior_weighs_as_rows_of_mean_weight() -> None:
    # W 600 over C 300 rows: P = 300·600/300 = 600, score (300 + 600·1)/(600 + 600) = 0.75; the other is 0.8.
    rows = totals((0, 1, 600.0, 300.0, 300.0), (0, 2, 300.0, 180.0, 300.0))
    assert best_first(rows, rules(prior_count=300, prior_mean=1.0)) == [2, 1]
    rows = totals((0, 1, 600.0, 300.0, 300.0), (0, 2, 300.0, 120.0, 300.0))  # 0.7
    assert best_first(rows, rules(prior_count=300, prior_mean=1.0)) == [1, 2]


def test_only_the_heaviest_strings_are_kept() -> None:
    rows = totals((0, 1, 5.0, 5.0, 30.0), (0, 2, 50.0, 0.0, 30.0), (0, 3, 60.0, 1.0, 30.0))
    assert best_first(rows, rules(max_strings=2)) == [3, 2]


def test_equal_scores_are_in_order_of_weight() -> None:
    rows = totals((0, 1, 30.0, 0.0, 30.0), (0, 2, 50.0, 0.0, 50.0), (0, 3, 40.0, 0.0, 40.0))
    assert best_first(rows, rules()) == [2, 3, 1]


@pytest.mark.parametrize("count", [1, 2, 7, 1000, 50_000])
def test_wide_entries_have_20_spare_bits_and_stay_below_2_to_47(count: int) -> None:
    hashes = np.random.default_rng(count).integers(0, 2**64, count, dtype=np.uint64)
    masked = wide(hashes)
    assert len(set(masked.tolist())) == count
    table = StringTable(masked.tolist())
    assert count.bit_length() - 1 + 1 + 20 <= table.mask.bit_length() <= 47


def test_wide_entries_are_not_hit_by_unseen_strings_where_narrow_ones_are() -> None:
    rng = np.random.default_rng(0)
    seen, unseen = rng.integers(0, 2**64, 7, dtype=np.uint64), rng.integers(0, 2**64, 10_000, dtype=np.uint64)
    hits = {}
    for width in (narrow, wide):
        table = StringTable(width(seen).tolist())
        hits[width.__name__] = np.isin(unseen & np.uint64(table.mask), table.entries).mean()
    assert hits["wide"] == 0
    assert hits["narrow"] > 0.05


def test_two_hashes_that_are_one_in_47_bits_share_an_entry() -> None:
    rows = totals((0, 2**63 + 5, 30.0, 1.0, 30.0), (0, 2**62 + 5, 30.0, 2.0, 30.0), (0, 2**46, 30.0, 9.0, 30.0))
    assert best_first(rows, TableRules(0.0, 0.0, 10, wide)) == [2**46, 5]


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50, unique=True))
def test_narrow_entries_are_the_least_width_that_tells_the_strings_apart(hashes: list[int]) -> None:
    masked = narrow(np.array(hashes, np.uint64))
    bits = next(bits for bits in range(max(len(hashes).bit_length() - 1, 1) + 1, 65)
                if len({digest % 2**bits for digest in hashes}) == len(hashes))  # fmt: skip
    assert masked.tolist() == [digest % 2**bits for digest in hashes]


ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(1, 9), st.integers(0, 9)), max_size=30)


@given(st.lists(ROWS, max_size=5))
def test_totals_of_batches_are_those_of_one_batch(batches: list[list[tuple[int, int, int, int]]]) -> None:
    added, expected = TextTotals(), dict[tuple[int, int], list[float]]()
    for batch in batches:
        if batch:
            added.add(totals(*((path, text, float(w), float(t), 1.0) for path, text, w, t in batch)))
        for path, text, w, t in batch:
            sums = expected.setdefault((path, text), [0.0, 0.0, 0.0])
            expected[path, text] = [sums[0] + w, sums[1] + t, sums[2] + 1]
    merged = added.merged()
    found = {
        (int(path), int(text)): [float(number) for number in sums] for path, text, *sums in zip(*merged, strict=True)
    }
    assert found == expected
    assert list(found) == sorted(found)


def test_when_there_are_too_many_strings_the_often_seen_ones_stay() -> None:
    added = TextTotals(max_strings=100)
    for batch in range(20):
        rare = [(0, 1000 + batch * 50 + place, 1.0, 0.0, 1.0) for place in range(50)]
        added.add(totals((0, 1, 5.0, 1.0, 5.0), *rare))
        merged = added.merged()
    assert len(merged.hashes) <= 150
    assert merged.rows[merged.hashes == 1].tolist() == [100.0]
