"""Encoding many is encoding one at a time; a table's values in bulk are its values one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.encoding import BulkEncoder, Encoder, Flattener, PathIds, StringTable, sprinkle

TEXTS = st.sampled_from(["", "rock", "métal", "🎧", "a\x00b", "1"]) | st.text(max_size=3)
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_infinity=False) | TEXTS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "a.b", "0", ""]), inner),
    max_leaves=6,
)
FEATURES = ("context", "context.a", "item", "item.", "item.0", "item.a", "item.a.b", "item.b", "item.b.0", "item.zz")
TABLES = st.dictionaries(
    st.sampled_from(FEATURES), st.lists(st.integers(0, 63), unique=True, max_size=40) | st.just([2**46, 7, 0])
)
NOISES = st.floats(0, 1, exclude_max=True)


@given(
    rows=st.lists(st.tuples(JSON, JSON, NOISES), min_size=1, max_size=8), tables=TABLES, seed=st.integers(1, 2**32 - 1)
)
def test_the_bulk_encoder_and_the_encoder_agree_to_the_last_bit(
    rows: list[tuple[Any, Any, float]], tables: dict[str, list[int]], seed: int
) -> None:
    encoder, path_ids = Encoder(FEATURES, tables, seed), PathIds()
    flattener = Flattener(path_ids, (5, seed))
    items = flattener.flatten("item", [item for item, _, _ in rows])
    contexts = flattener.flatten("context", [context for _, context, _ in rows])
    codes = np.arange(len(rows), dtype=np.int32)
    bulk = BulkEncoder(encoder, path_ids)
    matrix = bulk.encode(flattener.keys(), [(contexts, codes), (items, codes)])
    noise = np.array([noise for _, _, noise in rows])[:, None]
    one_by_one = np.array([encoder.encode(item, context, noise=noise) for item, context, noise in rows])
    assert sprinkle(matrix, noise).tobytes() == one_by_one.tobytes()


@given(
    st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=20),
    st.lists(st.integers(0, 2**64 - 1), max_size=20),
)
def test_the_values_of_many_strings_are_those_of_each(entries: list[int], digests: list[int]) -> None:
    table = StringTable(entries)
    asked = entries + digests
    expected = [table.value(digest) for digest in asked]
    assert table.values(np.array(asked, dtype=np.uint64)).tolist() == expected
