"""Unpacks a .gz file to the last byte before any damage, which Python's gzip module would lose with its block."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

BLOCK_BYTES = 1 << 16  # of what is read and of what is given at once, however much a block unpacks to
GZIP = 16 + zlib.MAX_WBITS  # header and checksum of gzip


class DamagedGzip(ValueError):
    """The file cannot be unpacked any further."""


def unpacked(path: Path) -> Iterator[bytes]:
    """The content of a gzip file, of all its members, in blocks; DamagedGzip after the last byte that is whole."""
    member = zlib.decompressobj(GZIP)
    with path.open("rb") as file:
        while packed := file.read(BLOCK_BYTES):
            while packed:
                if member.eof:
                    packed = packed.lstrip(b"\0")  # a file may be padded
                    member = zlib.decompressobj(GZIP) if packed else member
                    continue
                before = member.copy()
                try:
                    yield member.decompress(packed, BLOCK_BYTES)
                except zlib.error as error:
                    yield from _until_damage(before, packed)
                    raise DamagedGzip(str(error)) from error
                packed = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        message = "it ends before its end-of-stream marker"
        raise DamagedGzip(message)


def _until_damage(member: zlib._Decompress, packed: bytes) -> Iterator[bytes]:
    """What the bytes before the damaged one unpack to, fed one by one."""
    for index in range(len(packed)):
        try:
            yield member.decompress(packed[index : index + 1])
        except zlib.error:
            return
