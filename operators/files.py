"""Source of event files: plans chunks, reads their lines, survives damage. No Flink here; `sources.py` is the shell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from operators.unpack import DamagedGzip, unpacked

CHUNK_BYTES = 1 << 18  # one element of the stream, about 1,300 lines; a checkpoint waits for at most one
BLOCK_BYTES = 1 << 16  # one read
MAX_KEPT_BYTES = 16 << 20  # of a line without end, what memory may hold; the rest is skipped


class FileChunk(NamedTuple):
    """A part of one file: the lines that start in [start, end), and the file's modification time.

    `again_after_ms`: it was read before, and only windows that end later are filled again (`operators/rewind.py`).
    """

    path: str
    start: int
    end: int
    modified_ms: int
    again_after_ms: int | None = None

    def to_json(self) -> str:
        """The chunk as one line of text."""
        return json.dumps(self)


class Line(NamedTuple):
    """One line without its newline, and the byte at which it starts (in the unpacked content of a .gz).

    A record of a log has a time of arrival and a source of its own; its offset is that in the source.
    """

    offset: int
    data: bytes
    arrival_ms: int | None = None
    source: str | None = None


class Damage(NamedTuple):
    """Where a compressed file stops being readable, and the piece of a line that came before."""

    offset: int
    data: bytes
    problem: str
    arrival_ms: int | None = None
    source: str | None = None


def event_files(folder: str) -> list[Path]:
    """The event files below a folder (or the file itself), oldest first; names that start with . or _ are not ready."""
    root = Path(folder)
    if root.is_file():
        return [root]
    files = [p for p in root.rglob("*") if not _hidden(p.relative_to(root)) and p.is_file()]
    return sorted(files, key=lambda p: (_modified_ns(p), str(p)))


def _modified_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0  # gone since it was listed


def _hidden(relative: Path) -> bool:
    return any(part.startswith((".", "_")) for part in relative.parts)


def chunks_of(path: Path, chunk_bytes: int = CHUNK_BYTES) -> list[FileChunk]:
    """The chunks of one file in order; a .gz is one chunk, since it can only be read from its start."""
    stat = path.stat()
    modified_ms = stat.st_mtime_ns // 1_000_000
    step = stat.st_size if path.suffix == ".gz" else chunk_bytes
    starts = range(0, stat.st_size, max(step, 1))
    return [FileChunk(str(path), s, min(s + step, stat.st_size), modified_ms) for s in starts]


def plan_folder(folder: str) -> list[FileChunk]:
    """All chunks of a bounded folder, in the order in which they are read."""
    return [chunk for path in event_files(folder) for chunk in chunks_of(path)]


def read_chunk(chunk: FileChunk) -> Iterator[Line | Damage]:
    """The lines of a chunk in order; a damaged .gz ends in one Damage, after all that could be read."""
    if chunk.path.endswith(".gz"):
        yield from _read_gzip(chunk.path)
    else:
        yield from _read_plain(chunk)


def _read_plain(chunk: FileChunk) -> Iterator[Line]:
    with Path(chunk.path).open("rb", buffering=CHUNK_BYTES) as file:
        offset = chunk.start
        if offset > 0:
            offset = _next_line(file, offset - 1, chunk.end)  # one that started before belongs to the chunk before
        while offset < chunk.end:
            line = file.readline(MAX_KEPT_BYTES)
            if not line:
                return
            yield Line(offset, line.rstrip(b"\r\n"))
            offset += len(line)
            while not line.endswith(b"\n") and (line := file.readline(BLOCK_BYTES)):
                offset += len(line)


def _next_line(file: IO[bytes], offset: int, end: int) -> int:
    """Where the next line starts after an offset, or some place at or past the end."""
    file.seek(offset)
    while offset < end:
        piece = file.readline(BLOCK_BYTES)
        offset += len(piece)
        if not piece or piece.endswith(b"\n"):
            break
    return offset


def _read_gzip(path: str) -> Iterator[Line | Damage]:
    offset, rest, skipped = 0, b"", 0  # a line's start, what is kept of it so far, what is not
    try:
        for block in unpacked(Path(path)):
            *ends, start = block.split(b"\n")
            for end in ends:
                line = rest + end
                yield Line(offset, line[:MAX_KEPT_BYTES].rstrip(b"\r"))
                offset += skipped + len(line) + 1
                rest, skipped = b"", 0
            rest += start
            if len(rest) > MAX_KEPT_BYTES:
                skipped += len(rest) - MAX_KEPT_BYTES
                rest = rest[:MAX_KEPT_BYTES]
    except DamagedGzip as damage:
        yield Damage(offset, rest, str(damage))
        return
    if rest:
        yield Line(offset, rest.rstrip(b"\r"))
