"""Source of the job: Python reads and parses chunks of the log, so that no line crosses into it by itself.

State of the sequence source: the chunks not yet read. Side outputs of `Read`: counts, dead letters. A bounded folder is
planned once; the plan is kept with the job's state, so that a restart reads on in the same order. A followed folder:
`follow.py`; topics of Kafka: `topics.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pyflink.common import Types, WatermarkStrategy
from pyflink.datastream import (
    DataStream,
    OutputTag,
    ProcessFunction,
    RuntimeContext,
    StreamExecutionEnvironment,
)
from pyflink.datastream.connectors.number_seq import NumberSequenceSource

from operators.chunks import chunk_from_json
from operators.files import FileChunk
from operators.prefetch import ParsingProcess
from operators.reading import ReadSettings, Texts
from operators.rows import clock_row

COUNTS = OutputTag("parse-counts", Types.STRING())
DEAD_LETTERS = OutputTag("dead-letters", Types.STRING())
CHUNKS_AHEAD = 2  # one being parsed and one to follow


class Read(ProcessFunction):  # type: ignore[misc]
    """Reads and parses one chunk an element: the index of a planned chunk, or a chunk as JSON text.

    An element of digits is no chunk but the wall clock's time in ms.
    """

    def __init__(self, settings: ReadSettings, plan: Sequence[FileChunk] = (), *, readers: int = 1) -> None:
        self._settings, self._plan, self._readers = settings, plan, readers

    def open(self, runtime_context: RuntimeContext) -> None:
        """Start the process that parses."""
        self._parsing = ParsingProcess(self._settings)

    def close(self) -> None:
        """End it."""
        self._parsing.close()

    def process_element(self, value: Any, ctx: ProcessFunction.Context) -> Iterator[Any]:
        """Texts of rows for the join and of counts, and the dead letters; one of each for a chunk of usual size."""
        if isinstance(value, str) and value.isdecimal():
            yield clock_row(int(value))  # no line, so nothing is counted
            return
        for texts in self._texts(value):
            if texts.counts:
                yield COUNTS, texts.counts
            for letter in texts.dead_letters:
                yield DEAD_LETTERS, letter
            if texts.rows:
                yield texts.rows

    def _texts(self, value: Any) -> Iterator[Texts]:
        if isinstance(value, str):
            return self._parsing.texts(chunk_from_json(value))
        next_turn = value + self._readers  # the chunks go round
        ahead = range(next_turn, min(next_turn + CHUNKS_AHEAD * self._readers, len(self._plan)), self._readers)
        return self._parsing.texts(self._plan[value], [self._plan[index] for index in ahead])


def bounded_chunks(env: StreamExecutionEnvironment, plan: Sequence[FileChunk]) -> DataStream:
    """The indices of the plan, each once and in order, as a checkpointed bounded source."""
    source = NumberSequenceSource(0, len(plan) - 1)
    chunks = env.from_source(source, WatermarkStrategy.no_watermarks(), "plan").uid("plan").set_parallelism(1)
    return spread(chunks, env)


def spread(chunks: DataStream, env: StreamExecutionEnvironment) -> DataStream:
    """Hand the chunks to the readers in turn; with a single one they stay in its task."""
    return chunks.rebalance() if env.get_parallelism() > 1 else chunks


def parsed_chunks(chunks: DataStream, settings: ReadSettings, plan: Sequence[FileChunk] = ()) -> DataStream:
    """Each chunk read and parsed: texts of rows, with counts and dead letters as side outputs; and archived."""
    readers = chunks.get_execution_environment().get_parallelism()
    return chunks.process(Read(settings, plan, readers=readers), Types.STRING()).uid("parse").name("parse")
