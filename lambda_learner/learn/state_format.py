"""An entity's state as bytes and back, bit for bit; little-endian, no pickle.

    header      magic "LLES", version u16, form u8 (0 diagonal, 1 full), padding u8, fence_ms i64, count u64,
                coefficients d u32, runs of equal names r u32, text bytes t u32
    noise       from version 2: degrees f64, squares f64
    counts      r x u32: (name, term) pairs in each run
    lengths     (2 + r + d) x u32, in characters: generation, base version, a name a run, a term a pair
    numbers     mean d x f64; precision d x f64, or its upper triangle by rows d(d+1)/2 x f64
    text        t bytes of UTF-8, the texts one after the other
    checksum    CRC-32 of all before, u32

Sorted names make long runs ("item.genres" once, its terms after it), which saves a quarter of a typical
state. A change of the layout raises VERSION; older versions stay readable. A state is written in the oldest version
that can hold it: 1 where nothing is known of the noise, which is so for every model that does not estimate it. So the
bytes of such models stay what they were, and an older build can still go on from them.
"""

from __future__ import annotations

import struct
import zlib
from itertools import accumulate, chain, pairwise, repeat
from typing import Final, NamedTuple

import numpy as np

from lambda_learner.learn.posterior import FloatArray, GaussianPosterior
from lambda_learner.learn.state import EntityState, Names, Noise

__all__ = ["VERSION", "CorruptState", "StateVersionError", "from_bytes", "to_bytes"]

MAGIC: Final = b"LLES"
VERSION: Final = 2
NOISE_VERSION: Final = 2  # the first that holds the noise
HEADER: Final = struct.Struct("<4sHBxqQIII")
NOISE: Final = struct.Struct("<dd")
CHECKSUM: Final = struct.Struct("<I")
UINT: Final = np.dtype("<u4")
FLOAT: Final = np.dtype("<f8")
TEXT_ERRORS: Final = "surrogatepass"  # JSON can carry half a surrogate pair, and such a name must come back


class StateVersionError(ValueError):
    """The bytes were written by a newer build."""


class CorruptState(ValueError):
    """The bytes are not an entity's state, or are damaged."""


class _Header(NamedTuple):
    magic: bytes
    version: int
    form: int
    fence_ms: int
    examples: int
    coefficients: int
    runs: int
    text_bytes: int


def to_bytes(state: EntityState) -> bytes:
    """The state as bytes; equal states give equal bytes."""
    runs = state.names.runs
    own = (state.generation, state.base_version)
    text = "".join((*own, runs.text)).encode("utf-8", TEXT_ERRORS)
    posterior = state.posterior
    form = 0 if posterior.is_diagonal else 1
    sizes = (len(state.names), len(runs.counts), len(text))
    noise = NOISE.pack(*state.noise) if state.noise != Noise() else b""
    parts = (
        HEADER.pack(MAGIC, NOISE_VERSION if noise else 1, form, state.fence_ms, state.count, *sizes),
        noise,
        np.array(runs.counts, dtype=UINT).tobytes(),
        np.array((*map(len, own), *runs.lengths), dtype=UINT).tobytes(),
        posterior.mean.astype(FLOAT, copy=False).tobytes(),
        _packed(posterior.precision).astype(FLOAT, copy=False).tobytes(),
        text,
    )
    data = b"".join(parts)
    return data + CHECKSUM.pack(zlib.crc32(data))


def from_bytes(data: bytes) -> EntityState:
    """The state that `to_bytes` was given; StateVersionError for a newer version, CorruptState for damage."""
    header = _checked_header(data)
    d, r = header.coefficients, header.runs
    floats = d + (d if header.form == 0 else d * (d + 1) // 2)
    counts_at = HEADER.size + (NOISE.size if header.version >= NOISE_VERSION else 0)
    lengths_at = counts_at + 4 * r
    numbers_at = lengths_at + 4 * (2 + r + d)
    text_at = numbers_at + 8 * floats
    if text_at + header.text_bytes + CHECKSUM.size != len(data):
        message = f"an entity state's header asks for {text_at + header.text_bytes} bytes, got {len(data)}"
        raise CorruptState(message)
    counts = np.frombuffer(data, UINT, r, counts_at).tolist()
    lengths = np.frombuffer(data, UINT, 2 + r + d, lengths_at).tolist()
    numbers = np.frombuffer(data, FLOAT, floats, numbers_at).astype(np.float64)
    text = data[text_at : text_at + header.text_bytes].decode("utf-8", TEXT_ERRORS)
    generation, base_version, *texts = _split(text, lengths)
    names = _paired(texts[:r], counts, texts[r:])
    noise = Noise(*NOISE.unpack_from(data, HEADER.size)) if header.version >= NOISE_VERSION else Noise()
    precision = numbers[d:] if header.form == 0 else _unpacked(numbers[d:], d)
    posterior = GaussianPosterior(numbers[:d], precision)
    return EntityState(generation, header.fence_ms, names, posterior, header.examples, base_version, noise)


def _checked_header(data: bytes) -> _Header:
    """The header, once magic, version and checksum have been found right, in this order."""
    if len(data) < HEADER.size + CHECKSUM.size or data[:4] != MAGIC:
        message = f"an entity state begins with {MAGIC!r}, got {len(data)} bytes that begin with {data[:4]!r}"
        raise CorruptState(message)
    header = _Header(*HEADER.unpack_from(data))
    if header.version > VERSION:
        message = (
            f"an entity state has format version {header.version}, this build reads up to {VERSION}: "
            "run the build that wrote it, or a newer one"
        )
        raise StateVersionError(message)
    found, expected = zlib.crc32(data[: -CHECKSUM.size]), CHECKSUM.unpack(data[-CHECKSUM.size :])[0]
    if found != expected:
        message = f"an entity state of {len(data)} bytes has checksum {found:08x}, should be {expected:08x}"
        raise CorruptState(message)
    return header


def _split(text: str, lengths: list[int]) -> list[str]:
    cuts = list(accumulate(lengths, initial=0))
    return [text[start:end] for start, end in pairwise(cuts)]


def _paired(names: list[str], counts: list[int], terms: list[str]) -> Names:
    repeated = chain.from_iterable(map(repeat, names, counts))
    return Names(zip(repeated, terms, strict=True))


def _packed(precision: FloatArray) -> FloatArray:
    return precision if precision.ndim == 1 else precision[np.triu_indices(len(precision))]


def _unpacked(upper: FloatArray, d: int) -> FloatArray:
    precision = np.empty((d, d))
    rows, columns = np.triu_indices(d)
    precision[rows, columns] = upper
    precision[columns, rows] = upper
    return precision
