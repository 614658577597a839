from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.learn import (
    INTERCEPT,
    CorruptState,
    EntityState,
    GaussianPosterior,
    Names,
    StateVersionError,
    from_bytes,
    to_bytes,
)
from lambda_learner.learn.state import Noise
from lambda_learner.learn.state_format import VERSION

NAMES = Names([INTERCEPT, ("item.genre", ""), ("item.genre", "日本"), ("item.year", "")])
MEAN = np.array([0.5, -1.0, 2.0, 0.0])
DIAGONAL = EntityState(
    "3f2a9c", 1_700_000_000_000, NAMES, GaussianPosterior(MEAN, np.array([1.0, 2.0, 4.0, 8.0])), 7, "b1"
)
FULL_PRECISION = np.diag([1.0, 2.0, 4.0, 8.0]) + 0.25
FULL = EntityState("3f2a9c", -5, NAMES, GaussianPosterior(MEAN, FULL_PRECISION), 0)

# Version 1, written once and never changed: any build must read it and write it the same.
GOLDEN = bytes.fromhex(
    "4c4c4553010000000068e5cf8b0100000700000000000000040000000300000033000000010000000200000001000000"
    "0600000002000000090000000a0000000900000009000000000000000200000000000000000000000000e03f00000000"
    "0000f0bf00000000000000400000000000000000000000000000f03f0000000000000040000000000000104000000000"
    "000020403366326139636231696e746572636570746974656d2e67656e72656974656d2e79656172696e746572636570"
    "74e697a5e69cac7add1757"
)

# Version 2: the same state where the noise variance is estimated.
WITH_NOISE = replace(DIAGONAL, noise=Noise(5.25, 0.75))
GOLDEN_2 = bytes.fromhex(
    "4c4c4553020000000068e5cf8b0100000700000000000000040000000300000033000000000000000000154000000000"
    "0000e83f0100000002000000010000000600000002000000090000000a00000009000000090000000000000002000000"
    "00000000000000000000e03f000000000000f0bf00000000000000400000000000000000000000000000f03f00000000"
    "00000040000000000000104000000000000020403366326139636231696e746572636570746974656d2e67656e726569"
    "74656d2e79656172696e74657263657074e697a5e69cacb6a3e781"
)


GOLDENS = st.sampled_from([GOLDEN, GOLDEN_2])


def assert_same(left: EntityState, right: EntityState) -> None:
    assert left.names == right.names
    assert (left.generation, left.fence_ms, left.count) == (right.generation, right.fence_ms, right.count)
    assert left.base_version == right.base_version
    assert struct.pack("<dd", *left.noise) == struct.pack("<dd", *right.noise)
    for a, b in (
        (left.posterior.mean, right.posterior.mean),
        (left.posterior.precision, right.posterior.precision),
    ):
        assert a.shape == b.shape
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize(
    "state",
    [DIAGONAL, FULL, WITH_NOISE, replace(FULL, noise=Noise(-0.5, 1e300))],
    ids=["diagonal", "full", "noise", "full with noise"],
)
def test_a_state_comes_back_bit_for_bit(state: EntityState) -> None:
    assert_same(from_bytes(to_bytes(state)), state)


def test_the_bytes_of_version_1_are_these() -> None:
    assert to_bytes(DIAGONAL).hex() == GOLDEN.hex()
    assert_same(from_bytes(GOLDEN), DIAGONAL)


def test_the_bytes_of_version_2_are_these() -> None:
    assert to_bytes(WITH_NOISE).hex() == GOLDEN_2.hex()
    assert_same(from_bytes(GOLDEN_2), WITH_NOISE)


def test_a_state_is_written_in_the_oldest_version_that_holds_it() -> None:
    # A state of a model with a given noise variance must stay readable for the build before this one.
    versions = [struct.unpack_from("<H", to_bytes(state), 4)[0] for state in (DIAGONAL, FULL, WITH_NOISE)]
    assert versions == [1, 1, 2]
    assert to_bytes(replace(WITH_NOISE, noise=Noise())) == GOLDEN


def test_a_restored_state_can_be_written_to() -> None:
    restored = from_bytes(to_bytes(FULL)).posterior
    assert restored.mean.flags.writeable
    assert restored.precision.flags.writeable


@given(
    keys=st.lists(st.tuples(st.text(st.characters(), max_size=6), st.text(st.characters(), max_size=6))),
    numbers=st.data(),
)
def test_any_names_and_numbers_come_back(keys: list[tuple[str, str]], numbers: st.DataObject) -> None:
    names = Names([INTERCEPT, *keys])
    floats = st.lists(st.floats(), min_size=len(names), max_size=len(names))
    mean, precision = (np.array(numbers.draw(floats)) for _ in range(2))
    noise = numbers.draw(st.builds(Noise, st.floats(), st.floats(min_value=5e-324)))
    state = EntityState("g", 1, names, GaussianPosterior(mean, precision), 2, noise=noise)
    assert_same(from_bytes(to_bytes(state)), state)


def test_a_name_shared_by_many_terms_is_stored_once() -> None:
    names = Names([INTERCEPT, *(("item.genres", f"{i:03d}") for i in range(100))])
    state = EntityState("g", 1, names, GaussianPosterior(np.zeros(101), np.ones(101)), 2)
    assert to_bytes(state).count(b"item.genres") == 1


def test_a_newer_version_is_refused_by_name_of_both_versions() -> None:
    data = bytearray(to_bytes(DIAGONAL))
    struct.pack_into("<H", data, 4, VERSION + 1)
    with pytest.raises(StateVersionError, match=f"version {VERSION + 1}.*reads up to {VERSION}"):
        from_bytes(bytes(data))


@given(golden=GOLDENS, position=st.integers(6, len(GOLDEN_2) - 1), change=st.integers(1, 255))
def test_any_changed_byte_is_noticed(golden: bytes, position: int, change: int) -> None:
    data = bytearray(golden)
    data[min(position, len(data) - 1)] ^= change
    with pytest.raises(CorruptState):
        from_bytes(bytes(data))


@given(golden=GOLDENS, missing=st.integers(1, len(GOLDEN_2)))
def test_a_cut_state_is_noticed(golden: bytes, missing: int) -> None:
    with pytest.raises(CorruptState):
        from_bytes(golden[:-missing])


def test_bytes_of_something_else_are_refused() -> None:
    with pytest.raises(CorruptState, match="LLES"):
        from_bytes(b"PAR1" + bytes(100))


def test_a_header_that_asks_for_other_sizes_is_refused_even_with_a_right_checksum() -> None:
    data = bytearray(GOLDEN[:-4])
    struct.pack_into("<I", data, 24, 1_000_000_000)
    with pytest.raises(CorruptState, match="asks for"):
        from_bytes(bytes(data) + struct.pack("<I", zlib.crc32(data)))
