from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_learner.learn.state import Noise
from lambda_learner.publish.coefficients import EntityCoefficients, Tombstone, Update
from lambda_learner.publish.errors import DamagedCoefficients, NewerFormat
from lambda_learner.publish.parquet_file import from_parquet, to_parquet

Build = Callable[..., EntityCoefficients]
FieldsOf = Callable[[EntityCoefficients], tuple[Any, ...]]

GOLDEN = Path(__file__).parents[2] / "golden"
TEXTS = st.text(max_size=6) | st.sampled_from(["", "\0", "'\"\\\n", "💥é\u202e", "\U0010ffff"])
FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(min_value=1e-300, max_value=1e300)
NOISES = st.just(Noise()) | st.builds(Noise, FINITE, POSITIVE)


@st.composite
def _diagonal(draw: st.DrawFn) -> EntityCoefficients:
    names = draw(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5, unique=True))
    size = len(names)
    return EntityCoefficients(
        entity=draw(TEXTS),
        close_ms=draw(st.integers(0, 2**50)),
        count=draw(st.integers(0, 2**62)),
        names=tuple(names),
        mean=np.array(draw(st.lists(FINITE, min_size=size, max_size=size))),
        precision=np.array(draw(st.lists(POSITIVE, min_size=size, max_size=size))),
        base_version=draw(TEXTS),
        noise=draw(NOISES),
    )


UPDATES: st.SearchStrategy[list[Update]] = st.lists(
    _diagonal() | st.builds(Tombstone, TEXTS, st.integers(0, 2**50)),
    max_size=6,
    unique_by=lambda update: update.entity,
)


def _comparable(updates: list[Update], fields_of: FieldsOf) -> list[Any]:
    return [update if isinstance(update, Tombstone) else fields_of(update) for update in updates]


@settings(max_examples=60, deadline=None)
@given(updates=UPDATES)
def test_any_diagonal_updates_come_back_bit_for_bit(updates: list[Update], fields_of: FieldsOf) -> None:
    read = from_parquet(to_parquet(updates))
    in_order = sorted(updates, key=lambda update: update.entity)
    assert _comparable(read, fields_of) == _comparable(in_order, fields_of)


@settings(max_examples=30, deadline=None)
@given(updates=UPDATES, random=st.randoms(use_true_random=False))
def test_the_bytes_depend_on_the_content_only(updates: list[Update], random: Any) -> None:
    shuffled = list(updates)
    random.shuffle(shuffled)
    assert to_parquet(shuffled) == to_parquet(updates) == to_parquet(from_parquet(to_parquet(updates)))


def test_the_order_of_names_does_not_matter_to_the_bytes(coefficients: Build) -> None:
    one = coefficients("e", full=True)
    order = [2, 0, 1]
    other = EntityCoefficients(
        "e",
        one.close_ms,
        one.count,
        tuple(one.names[index] for index in order),
        one.mean[order],
        one.precision[np.ix_(order, order)],
    )
    assert to_parquet([one]) == to_parquet([other])


def test_a_full_posterior_comes_back_to_1e_12_with_its_names_in_order(coefficients: Build) -> None:
    names = [("z", ""), ("intercept", "intercept"), ("a", "2"), ("a", "1")]
    written = [coefficients(f"e{number}", names=names, full=True) for number in range(5)]
    for before, after in zip(written, from_parquet(to_parquet(written)), strict=True):
        assert isinstance(after, EntityCoefficients)
        assert after.names == tuple(sorted(names))
        order = [names.index(name) for name in after.names]
        assert np.array_equal(after.mean, before.mean[order])
        assert after.precision == pytest.approx(before.precision[np.ix_(order, order)], rel=1e-12, abs=1e-12)


def test_diagonal_full_and_gone_may_be_in_one_file(coefficients: Build) -> None:
    read = from_parquet(to_parquet([coefficients("b", full=True), coefficients("a"), Tombstone("c", 9000)]))
    assert [update.entity for update in read] == ["a", "b", "c"]
    assert [getattr(update, "is_full", None) for update in read] == [False, True, None]
    assert read[2] == Tombstone("c", 9000)


def test_texts_of_64_kb_come_back(coefficients: Build, fields_of: FieldsOf) -> None:
    long = "é\0\"'" * 13_000
    written: list[Update] = [
        coefficients(f"{long}{number}", names=[(long, "a"), ("b", f"{long}{number}")], base_version=long)
        for number in range(20)
    ]
    read = from_parquet(to_parquet(written))
    assert {fields_of(after) for after in read if isinstance(after, EntityCoefficients)} == {
        fields_of(before) for before in written if isinstance(before, EntityCoefficients)
    }


def test_of_two_updates_of_an_entity_the_later_close_stays(coefficients: Build) -> None:
    early, late = coefficients("e", close_ms=1000), coefficients("e", close_ms=2000)
    assert to_parquet([late, early]) == to_parquet([early, late]) == to_parquet([late])
    assert from_parquet(to_parquet([Tombstone("e", 3000), late])) == [Tombstone("e", 3000)]


def test_any_parquet_reader_finds_the_columns_of_the_design(coefficients: Build) -> None:
    one = EntityCoefficients(
        "e", 5000, 3, (("b", ""), ("a", "x")), np.array([1.0, 2.0]), np.array([4.0, 8.0]), "base-7"
    )
    table = pq.read_table(pa.BufferReader(to_parquet([one])))
    assert table.drop_columns(["updated_at"]).to_pydict() == {
        "entity": ["e", "e"],
        "name": ["a", "b"],
        "term": ["x", ""],
        "mean": [2.0, 1.0],
        "variance": [0.125, 0.25],
        "precision": [8.0, 4.0],
        "count": [3, 3],
        "base_version": ["base-7", "base-7"],
    }
    assert table["updated_at"].cast(pa.int64()).to_pylist() == [5000, 5000]
    full = pq.read_table(pa.BufferReader(to_parquet([coefficients("e", full=True)])))
    assert [len(factor or ()) for factor in full["cholesky"].to_pylist()] == [6, 0, 0]
    noisy = pq.read_table(pa.BufferReader(to_parquet([coefficients("e", noise=Noise(1.5, 0.25)), coefficients("f")])))
    assert noisy["noise_degrees"].to_pylist() == [1.5, 1.5, 1.5, None, None, None]
    assert noisy["noise_squares"].to_pylist() == [0.25, 0.25, 0.25, None, None, None]


def _version(data: bytes) -> bytes:
    version: bytes = pq.read_schema(pa.BufferReader(data)).metadata[b"lambda_learner.format_version"]
    return version


def test_a_file_is_of_the_oldest_format_that_can_hold_it(coefficients: Build) -> None:
    # A release before this one must not learn on from a file whose noise it does not know of.
    plain, noisy = coefficients("e", full=True), coefficients("f", noise=Noise(1.5, 0.25))
    assert [_version(to_parquet(updates)) for updates in ([], [plain], [noisy], [plain, noisy])] == [
        b"1", b"1", b"2", b"2",
    ]  # fmt: skip


def test_a_file_of_version_1_is_read(fields_of: FieldsOf) -> None:
    # Written by the release before the noise had columns.
    names, mean = (("a", "x"), ("b", "")), np.array([1.0, 2.0])
    expected: list[Update] = [
        EntityCoefficients("d", 5000, 3, names, mean, np.array([4.0, 8.0]), "base-7"),
        EntityCoefficients("f", 6000, 4, names, mean, np.array([[4.0, 2.0], [2.0, 10.0]])),
        Tombstone("t", 7000),
    ]
    read = from_parquet((GOLDEN / "coefficients_version1.parquet").read_bytes())
    assert _comparable(read, fields_of) == _comparable(expected, fields_of)


def test_every_byte_that_is_cut_off_or_turned_over_is_found_or_harmless(
    coefficients: Build, fields_of: FieldsOf
) -> None:
    one = coefficients("e")
    data = to_parquet([one])
    for length in range(0, len(data), 97):
        with pytest.raises(DamagedCoefficients, match="k is damaged"):
            from_parquet(data[:length], "k")
    pages = len(data) - 8 - int.from_bytes(data[-8:-4], "little")  # the manifest's checksum guards the footer
    for place in range(4, pages):
        damaged = data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]
        try:
            (read,) = from_parquet(damaged, "k")
        except DamagedCoefficients:
            continue
        assert isinstance(read, EntityCoefficients)
        assert fields_of(read) == fields_of(one)


def test_a_parquet_file_of_something_else_is_damaged() -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": [1]}), sink)
    with pytest.raises(DamagedCoefficients, match=r"k is damaged: .*--fresh"):
        from_parquet(sink.getvalue().to_pybytes(), "k")


def test_a_file_of_a_newer_format_is_refused(coefficients: Build) -> None:
    table = pq.read_table(pa.BufferReader(to_parquet([coefficients("e")])))
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({b"lambda_learner.format_version": b"3"}), sink)
    with pytest.raises(NewerFormat, match=r"k has format version 3, this release reads up to 2: upgrade"):
        from_parquet(sink.getvalue().to_pybytes(), "k")


def test_shapes_that_do_not_fit_are_refused() -> None:
    names = (("a", ""), ("b", ""))
    with pytest.raises(ValueError, match="2 names"):
        EntityCoefficients("e", 0, 0, names, np.zeros(3), np.ones(2))
    with pytest.raises(ValueError, match="2 names"):
        EntityCoefficients("e", 0, 0, names, np.zeros(2), np.ones((2, 3)))
    with pytest.raises(ValueError, match="at least 1"):
        EntityCoefficients("e", 0, 0, (), np.zeros(0), np.ones(0))
