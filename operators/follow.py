"""Source of a followed folder: the chunks of files as they appear, and the wall clock where producers write none.

Keyed state of `Follow` (one key): `seen`, the paths already handed on.

A followed folder can bring the wall clock with it (`WallClock`), for producers without heartbeats. The time takes the
way of the chunks, behind those handed on before it, and downstream the slowest reader sets the watermark: so a backlog
in the job is never overtaken. One outside of it is: what comes after a pause is late where its windows have closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pyflink.common import Types
from pyflink.datastream import DataStream, KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.state import MapStateDescriptor
from pyflink.table import StreamTableEnvironment

from operators.clock import wall_clock_ms
from operators.files import chunks_of, event_files
from operators.sources import spread

LOOKS_PER_SECOND = 4  # how often a followed folder is listed


@dataclass(frozen=True, slots=True)
class WallClock:
    """Tells each of so many readers the time once no file has come for `idle_ms`."""

    idle_ms: int
    readers: int = 1
    now_ms: Callable[[], int] = wall_clock_ms


class Follow(KeyedProcessFunction):  # type: ignore[misc]
    """Hands on the chunks of files that are new in a folder each time a tick comes, and the time if it has a clock."""

    def __init__(self, folder: str, clock: WallClock | None = None) -> None:
        self._folder, self._clock = folder, clock

    def open(self, runtime_context: RuntimeContext) -> None:
        """Name the state."""
        self._seen = runtime_context.get_map_state(MapStateDescriptor("seen", Types.STRING(), Types.LONG()))
        self._quiet_since_ms: int | None = None  # not in the state: after a restart files may be waiting

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterator[str]:
        """The chunks of the new files, oldest first, and the time if there have been none for long."""
        now_ms = self._clock.now_ms() if self._clock else 0  # before the look: what the look misses came later
        for chunk in self._new_chunks():
            self._quiet_since_ms = now_ms
            yield chunk
        if self._clock is not None:
            yield from self._times(self._clock, now_ms)

    def _times(self, clock: WallClock, now_ms: int) -> Iterator[str]:
        """The time once for each reader, as the stream goes round them, when no file has come for long."""
        if self._quiet_since_ms is None:
            self._quiet_since_ms = now_ms
        if now_ms - self._quiet_since_ms >= clock.idle_ms:
            yield from [str(now_ms)] * clock.readers

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


def followed_chunks(
    env: StreamExecutionEnvironment, tables: StreamTableEnvironment, folder: str, *, idle_ms: int | None = None
) -> DataStream:
    """The chunks of files as they appear in a folder, for ever; with `idle_ms` the wall clock too (`WallClock`)."""
    clock = None if idle_ms is None else WallClock(idle_ms, env.get_parallelism())
    tables.execute_sql(
        "CREATE TEMPORARY TABLE ticks (tick BIGINT) WITH "
        f"('connector' = 'datagen', 'rows-per-second' = '{LOOKS_PER_SECOND}', 'scan.parallelism' = '1')"
    )
    ticks = tables.to_data_stream(tables.from_path("ticks"))
    by_folder = ticks.key_by(lambda tick: 0, key_type=Types.INT())
    chunks = by_folder.process(Follow(folder, clock), Types.STRING()).uid("follow").name("follow").set_parallelism(1)
    return spread(chunks, env)
