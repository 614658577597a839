from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_learner.learn.state import Noise
from lambda_learner.publish.coefficients import EntityCoefficients, Tombstone, Update
from lambda_learner.publish.merge import merge
from lambda_learner.publish.parquet_file import decode_table, table_from_bytes, table_to_bytes, to_parquet

Build = Callable[..., EntityCoefficients]
NOISES = {entity: Noise(index / 3, index / 7) for index, entity in enumerate("abcdef")}  # a knows nothing of it


def _merged(*files: list[Update]) -> bytes:
    return table_to_bytes(merge([table_from_bytes(to_parquet(updates), "k") for updates in files]))


def test_the_last_file_that_has_an_entity_says_what_it_is(coefficients: Build) -> None:
    a, b, c, newer_b = (coefficients(entity) for entity in ("a", "b", "c", "b"))
    assert _merged([a, b], [c, newer_b]) == to_parquet([a, newer_b, c])


def test_a_tombstone_removes_and_a_later_file_brings_back(coefficients: Build) -> None:
    a, b, newer_a = coefficients("a"), coefficients("b"), coefficients("a")
    assert _merged([a, b], [Tombstone("a", 1000)]) == to_parquet([b])
    assert _merged([a, b], [Tombstone("a", 1000)], [newer_a]) == to_parquet([newer_a, b])
    assert _merged([a], [Tombstone("a", 1000)]) == to_parquet([])


def test_rows_of_an_entity_at_the_border_of_two_files_are_not_joined(coefficients: Build) -> None:
    old = coefficients("m", names=[("a", ""), ("b", "")])
    new = coefficients("m", names=[("c", "")])
    (read,) = decode_table(merge([table_from_bytes(to_parquet([x]), "k") for x in (old, new)]), "k")
    assert isinstance(read, EntityCoefficients)
    assert read.names == (("c", ""),)


def test_a_merge_of_nothing_is_nothing() -> None:
    assert merge([]).num_rows == 0
    assert _merged([], []) == to_parquet([])


def test_a_full_posterior_survives_any_number_of_merges_bit_for_bit(coefficients: Build) -> None:
    full = coefficients("e", full=True)
    table = table_from_bytes(to_parquet([full]), "k")
    for number in range(5):
        other = table_from_bytes(to_parquet([coefficients(f"x{number}", full=True)]), "k")
        table = table_from_bytes(table_to_bytes(merge([table, other])), "k")
    (once,) = decode_table(table_from_bytes(to_parquet([full]), "k"), "k")
    again = decode_table(table, "k")[0]
    assert isinstance(once, EntityCoefficients)
    assert isinstance(again, EntityCoefficients)
    assert np.array_equal(once.precision, again.precision)


@settings(max_examples=40, deadline=None)
@given(
    files=st.lists(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=5), max_size=5),
    split=st.integers(0, 5),
)
def test_merging_is_a_dict_and_may_be_done_in_steps(
    files: list[list[tuple[str, bool]]], split: int, coefficients: Build
) -> None:
    model: dict[str, EntityCoefficients] = {}
    written: list[list[Update]] = []
    for entities in files:
        updates: dict[str, Update] = {}
        for entity, gone in entities:
            updates[entity] = Tombstone(entity, 1000) if gone else coefficients(entity, noise=NOISES[entity])
        for entity, update in updates.items():
            model.pop(entity, None)
            if isinstance(update, EntityCoefficients):
                model[entity] = update
        written.append(list(updates.values()))
    tables = [table_from_bytes(to_parquet(updates), "k") for updates in written]
    whole = table_to_bytes(merge(tables))
    assert whole == to_parquet(model.values())
    assert whole == table_to_bytes(merge([merge(tables[:split]), *tables[split:]]))
