"""Source of a followed folder: the chunks of files as they appear, and the wall clock where producers write none.

Keyed state of `Follow` (one key): `seen`, of each path WHOLE when all of it is handed on, or minus the byte up to which
it is; `again`, the same of what is read again, and `windows` (`rewind.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from pyflink.common import Types
from pyflink.datastream import DataStream, KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor
from pyflink.table import StreamTableEnvironment

from operators.files import FileChunk, chunks_of, event_files
from operators.quiet import Quiet, WallClock
from operators.rewind import NO_REWIND, Rewind, WindowsRead
from operators.sources import spread

LOOKS_PER_SECOND = 4  # how often a source without end is asked what is new
BYTES_A_TICK = 1 << 22  # of a backlog, a second of the job's work; a checkpoint waits until they are taken
LEAST_BYTES = 1 << 12  # what a smaller file counts as
WHOLE, UNTOUCHED = 1, 0


class Follow(KeyedProcessFunction):  # type: ignore[misc]
    """Hands on some chunks of files that are new in a folder each time a tick comes, and the time if it has a clock."""

    def __init__(self, folder: str, clock: WallClock | None = None, rewind: Rewind = NO_REWIND) -> None:
        self._folder, self._clock, self._rewind = folder, clock, rewind

    def open(self, runtime_context: RuntimeContext) -> None:
        """Name the state."""
        self._seen = runtime_context.get_map_state(MapStateDescriptor("seen", Types.STRING(), Types.LONG()))
        self._again = runtime_context.get_map_state(MapStateDescriptor("again", Types.STRING(), Types.LONG()))
        self._windows = WindowsRead(runtime_context, self._rewind)
        self._quiet = None if self._clock is None else Quiet(self._clock)

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterator[str]:
        """Chunks of the new files, oldest first, and the time if there have been none for long."""
        now_ms = self._clock.now_ms() if self._clock else 0  # before the look: what the look misses came later
        is_new = False
        files = event_files(self._folder)
        self._rewind_if_due(files)
        for chunk in _some(chain(self._chunks_again(files), self._new_chunks(files))):
            is_new = True
            yield chunk.to_json()
        if self._quiet is not None:
            yield from self._quiet.times(now_ms, is_new=is_new)

    def _rewind_if_due(self, files: Sequence[Path]) -> None:
        """Note each file that was handed on for other windows: what is in them may be of one that was open."""
        if self._windows.are_known:
            return
        seen = _known(files, self._seen)
        if self._windows.are_others(has_read=bool(seen)):
            for path in seen:
                self._again.put(path, UNTOUCHED)
        self._windows.are_these()

    def _chunks_again(self, files: Sequence[Path]) -> Iterator[FileChunk]:
        known = _known(files, self._again)
        for path in (path for path in files if str(path) in known):
            before = self._seen.get(str(path))  # which stays as it is until all is read again
            for chunk in _left(path, known[str(path)], self._again):
                if chunk.modified_ms >= self._rewind.arrived_ms and (before == WHOLE or chunk.end <= -before):
                    yield chunk._replace(again_after_ms=self._rewind.after_ms)
            self._again.remove(str(path))

    def _new_chunks(self, files: Sequence[Path]) -> Iterator[FileChunk]:
        known = _known(files, self._seen)
        for path in files:
            yield from _left(path, known.get(str(path), UNTOUCHED), self._seen)


def _some(chunks: Iterator[FileChunk]) -> Iterator[FileChunk]:
    """The first of these, for one tick."""
    left = BYTES_A_TICK
    for chunk in chunks:
        yield chunk
        left -= max(chunk.end - chunk.start, LEAST_BYTES)
        if left <= 0:
            return


def _known(files: Sequence[Path], state: Any) -> dict[str, int]:
    """How far each file is handed on, as a state says; it forgets files that are gone."""
    known = dict(state.items())
    for gone in known.keys() - {str(path) for path in files}:
        state.remove(gone)
        del known[gone]
    return known


def _left(path: Path, handed_on: int, state: Any) -> Iterator[FileChunk]:
    """The chunks of a file that are not handed on yet; the state knows of each before it is."""
    if handed_on == WHOLE:
        return
    try:
        chunks = [chunk for chunk in chunks_of(path) if chunk.start >= -handed_on]
    except FileNotFoundError:
        return  # gone since it was listed
    for chunk in chunks[:-1]:
        state.put(str(path), -chunk.end)
        yield chunk
    state.put(str(path), WHOLE)
    yield from chunks[-1:]


def ticks_of(tables: StreamTableEnvironment) -> DataStream:
    """An element each time that a source without end is to be looked at."""
    tables.execute_sql(
        "CREATE TEMPORARY TABLE ticks (tick BIGINT) WITH "
        f"('connector' = 'datagen', 'rows-per-second' = '{LOOKS_PER_SECOND}', 'scan.parallelism' = '1')"
    )
    return tables.to_data_stream(tables.from_path("ticks"))


def followed_chunks(ticks: DataStream, folder: str, rewind: Rewind, *, idle_ms: int | None = None) -> DataStream:
    """The chunks of files as they appear in a folder, for ever; with `idle_ms` the wall clock too (`WallClock`)."""
    env = ticks.get_execution_environment()
    clock = None if idle_ms is None else WallClock(idle_ms, env.get_parallelism())
    follow = Follow(folder, clock, rewind)
    by_folder = ticks.key_by(lambda tick: 0, key_type=Types.INT())
    chunks = by_folder.process(follow, Types.STRING()).uid("follow").name("follow").set_parallelism(1)
    return spread(chunks, env)
