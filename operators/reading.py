"""Reads and parses chunks: what the lines of files and the records of topics become. The process: `prefetch.py`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from operators.archive import open_archive
from operators.bases import open_bases
from operators.chunks import Chunk, KafkaChunk
from operators.clock import wall_clock_ms
from operators.counts import counts_text
from operators.files import Damage, Line, read_chunk
from operators.parse import Parsed, Parser
from operators.rows import ROW, row_again

if TYPE_CHECKING:
    from operators.kafka_client import Connection, Fetcher

__all__ = ["ReadSettings", "Reading", "Texts"]

LINES_AT_ONCE = 10_000  # in one text of rows: a .gz is one chunk, and may hold millions


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """How lines are parsed, in which train bucket their events are archived (None: in none), where Kafka is.

    The bases of the models bucket give the offsets; None: there are none.
    """

    parser: Parser
    train_bucket: str | None = None
    models_bucket: str | None = None
    kafka: Connection | None = None


@dataclass(frozen=True, slots=True)
class Texts:
    """What becomes of some lines of a chunk: rows for the join, increments of counters, dead letters."""

    rows: str
    counts: str
    dead_letters: Sequence[str]


class Reading:
    """Turns chunks into texts, in the process that parses; the archive has what is read before its texts are given."""

    def __init__(self, settings: ReadSettings) -> None:
        self._parser, self._kafka = settings.parser, settings.kafka
        self._archive = open_archive(settings.train_bucket, settings.parser.policies)
        self._bases = open_bases(settings.models_bucket, settings.parser.policies)
        self._fetcher: Fetcher | None = None

    def texts(self, chunk: Chunk, lines_at_once: int = LINES_AT_ONCE) -> Iterator[Texts]:
        """The texts of a chunk; one for a chunk of usual size."""
        lines, source, arrival_ms = self._lines(chunk)
        while True:
            parsed = self._parser.parse(islice(lines, lines_at_once), source=source, arrival_ms=arrival_ms)
            if not parsed.counts:
                return  # each line is counted: there was none
            if chunk.again_after_ms is not None:
                yield self._again(parsed, chunk.again_after_ms)
                continue
            if self._archive is not None:
                self._archive.write(parsed.archived, forgets=parsed.forgets)
            if self._bases is not None:
                self._bases.add_to(parsed)
            yield Texts(ROW.join(parsed.rows), counts_text(parsed.counts), parsed.dead_letters)

    def _again(self, parsed: Parsed, after_ms: int) -> Texts:
        """Of what was read before, the rows of windows that end later."""
        if self._bases is not None:
            self._bases.add_to(parsed)
        rows = (row_again(row, after_ms) for row in parsed.rows)
        return Texts(ROW.join(row for row in rows if row is not None), "", ())

    def _lines(self, chunk: Chunk) -> tuple[Iterator[Line | Damage], str, int]:
        """The lines, and what holds for those that do not say it: their source and time of arrival in ms."""
        if isinstance(chunk, KafkaChunk):
            return self._records(chunk), "", 0
        return read_chunk(chunk), chunk.path, min(chunk.modified_ms, wall_clock_ms())

    def _records(self, chunk: KafkaChunk) -> Iterator[Line]:
        from operators.kafka_client import Fetcher  # noqa: PLC0415 - a job that reads files does without Kafka's client

        if self._fetcher is None:
            assert self._kafka is not None, "only a source of topics gives such chunks"
            self._fetcher = Fetcher(self._kafka.consumer)
        return self._fetcher.lines(chunk.ranges)
