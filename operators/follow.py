"""Source of a followed folder: the chunks of files as they appear, and the wall clock where producers write none.

Keyed state of `Follow` (one key): `seen`, the paths already handed on; `windows` (`rewind.py`).

A followed folder can bring the wall clock with it (`WallClock`), for producers without heartbeats. The time takes the
way of the chunks, behind those handed on before it, and downstream the slowest reader sets the watermark: so a backlog
in the job is never overtaken. One outside of it is: what comes after a pause is late where its windows have closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyflink.common import Types
from pyflink.datastream import DataStream, KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor
from pyflink.table import StreamTableEnvironment

from operators.clock import wall_clock_ms
from operators.files import chunks_of, event_files
from operators.rewind import NO_REWIND, Rewind, WindowsRead
from operators.sources import spread

LOOKS_PER_SECOND = 4  # how often a source without end is asked what is new


@dataclass(frozen=True, slots=True)
class WallClock:
    """Tells each of so many readers the time once nothing has come for `idle_ms`."""

    idle_ms: int
    readers: int = 1
    now_ms: Callable[[], int] = wall_clock_ms


class Quiet:
    """Knows how long nothing has come, for a source with a wall clock."""

    def __init__(self, clock: WallClock) -> None:
        self._clock = clock
        self._since_ms: int | None = None  # in no state: after a restart something may be waiting

    def times(self, now_ms: int, *, is_new: bool) -> Iterator[str]:
        """The time once for each reader, as the stream goes round them, when nothing has come for long."""
        if is_new or self._since_ms is None:
            self._since_ms = now_ms
        if now_ms - self._since_ms >= self._clock.idle_ms:
            yield from [str(now_ms)] * self._clock.readers


class Follow(KeyedProcessFunction):  # type: ignore[misc]
    """Hands on the chunks of files that are new in a folder each time a tick comes, and the time if it has a clock."""

    def __init__(self, folder: str, clock: WallClock | None = None, rewind: Rewind = NO_REWIND) -> None:
        self._folder, self._clock, self._rewind = folder, clock, rewind

    def open(self, runtime_context: RuntimeContext) -> None:
        """Name the state."""
        self._seen = runtime_context.get_map_state(MapStateDescriptor("seen", Types.STRING(), Types.LONG()))
        self._windows = WindowsRead(runtime_context, self._rewind)
        self._quiet = None if self._clock is None else Quiet(self._clock)

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterator[str]:
        """The chunks of the new files, oldest first, and the time if there have been none for long."""
        now_ms = self._clock.now_ms() if self._clock else 0  # before the look: what the look misses came later
        is_new = False
        yield from self._chunks_again()
        for chunk in self._new_chunks():
            is_new = True
            yield chunk
        if self._quiet is not None:
            yield from self._quiet.times(now_ms, is_new=is_new)

    def _chunks_again(self) -> Iterator[str]:
        """The chunks of what was handed on for other windows, as far as they may have been open."""
        seen = set(self._seen.keys())
        if self._windows.are_others(has_read=bool(seen)):
            for path in event_files(self._folder):
                if str(path) in seen:
                    yield from self._of_open_windows(path)
        self._windows.are_these()

    def _of_open_windows(self, path: Path) -> Iterator[str]:
        for chunk in chunks_of(path):
            if chunk.modified_ms >= self._rewind.arrived_ms:
                yield chunk._replace(again_after_ms=self._rewind.after_ms).to_json()

    def _new_chunks(self) -> Iterator[str]:
        files = event_files(self._folder)
        seen = set(self._seen.keys())
        for gone in seen - {str(path) for path in files}:
            self._seen.remove(gone)
        for path in files:
            if str(path) not in seen:
                try:
                    chunks = chunks_of(path)
                except FileNotFoundError:
                    continue  # gone since it was listed
                self._seen.put(str(path), 1)
                yield from (chunk.to_json() for chunk in chunks)


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
