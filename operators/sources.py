"""Source of the job: chunks of event files, read and parsed where they are read, so that no line crosses into Python.

Keyed state of `Follow` (one key): `seen`, the paths already handed on. State of the sequence source: the chunks not yet
read. Side outputs of `Read`: counts, dead letters. A bounded folder is planned once; the plan is kept with the job's
state, so that a restart reads on in the same order.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from pyflink.common import Types, WatermarkStrategy
from pyflink.datastream import (
    DataStream,
    KeyedProcessFunction,
    OutputTag,
    ProcessFunction,
    RuntimeContext,
    StreamExecutionEnvironment,
)
from pyflink.datastream.connectors.number_seq import NumberSequenceSource
from pyflink.datastream.state import MapStateDescriptor
from pyflink.table import StreamTableEnvironment

from operators.counts import counts_text
from operators.files import FileChunk, chunks_of, event_files, read_chunk
from operators.parse import Parser
from operators.rows import ROW

COUNTS = OutputTag("parse-counts", Types.STRING())
DEAD_LETTERS = OutputTag("dead-letters", Types.STRING())
LINES_AT_ONCE = 10_000  # in one text of rows: a .gz is one chunk, and may hold millions
LOOKS_PER_SECOND = 4  # how often a followed folder is listed


class Read(ProcessFunction):  # type: ignore[misc]
    """Reads and parses one chunk an element: the index of a planned chunk, or a chunk as JSON text."""

    def __init__(self, parser: Parser, plan: Sequence[FileChunk] = ()) -> None:
        self._parser, self._plan = parser, plan

    def process_element(self, value: Any, ctx: ProcessFunction.Context) -> Iterator[Any]:
        """Texts of rows for the join and of counts, and the dead letters; one of each for a chunk of usual size."""
        chunk = FileChunk(*json.loads(value)) if isinstance(value, str) else self._plan[value]
        arrival_ms = min(chunk.modified_ms, time.time_ns() // 1_000_000)
        lines = read_chunk(chunk)
        while True:
            some = islice(lines, LINES_AT_ONCE)
            parsed = self._parser.parse(some, source=chunk.path, arrival_ms=arrival_ms)
            if not parsed.counts:
                return  # each line is counted: there was none
            yield COUNTS, counts_text(parsed.counts)
            for letter in parsed.dead_letters:
                yield DEAD_LETTERS, letter
            if parsed.rows:
                yield ROW.join(parsed.rows)


class Follow(KeyedProcessFunction):  # type: ignore[misc]
    """Hands on the chunks of files that are new in a folder each time a tick comes."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def open(self, runtime_context: RuntimeContext) -> None:
        """Name the state."""
        self._seen = runtime_context.get_map_state(MapStateDescriptor("seen", Types.STRING(), Types.LONG()))

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterator[str]:
        """The chunks of the new files, oldest first."""
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


def bounded_chunks(env: StreamExecutionEnvironment, plan: Sequence[FileChunk]) -> DataStream:
    """The indices of the plan, each once and in order, as a checkpointed bounded source."""
    source = NumberSequenceSource(0, len(plan) - 1)
    chunks = env.from_source(source, WatermarkStrategy.no_watermarks(), "plan").uid("plan").set_parallelism(1)
    return _spread(chunks, env)


def followed_chunks(env: StreamExecutionEnvironment, tables: StreamTableEnvironment, folder: str) -> DataStream:
    """The chunks of files as they appear in a folder, for ever."""
    tables.execute_sql(
        "CREATE TEMPORARY TABLE ticks (tick BIGINT) WITH "
        f"('connector' = 'datagen', 'rows-per-second' = '{LOOKS_PER_SECOND}', 'scan.parallelism' = '1')"
    )
    ticks = tables.to_data_stream(tables.from_path("ticks"))
    by_folder = ticks.key_by(lambda tick: 0, key_type=Types.INT())
    chunks = by_folder.process(Follow(folder), Types.STRING()).uid("follow").name("follow").set_parallelism(1)
    return _spread(chunks, env)


def _spread(chunks: DataStream, env: StreamExecutionEnvironment) -> DataStream:
    """Hand the chunks to the readers in turn; with a single one they stay in its task."""
    return chunks.rebalance() if env.get_parallelism() > 1 else chunks


def parsed_chunks(chunks: DataStream, parser: Parser, plan: Sequence[FileChunk] = ()) -> DataStream:
    """Each chunk read and parsed: texts of rows, with counts and dead letters as side outputs."""
    return chunks.process(Read(parser, plan), Types.STRING()).uid("parse").name("parse")
