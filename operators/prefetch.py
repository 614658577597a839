"""Parses chunks in a process of its own, ahead of their turn: the job's other Python then has its lock to itself.

    reader ── the next chunks ──▶ process: read, parse ── texts, a piece at a time ──▶ reader

The process answers in the order in which it was asked. It blocks while its pipe is full, so no more than that is ever
held; and it ends when the pipe does, whatever became of the reader.
"""

from __future__ import annotations

import multiprocessing
import shutil
import signal
import sys
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection

from operators.clock import wall_clock_ms
from operators.counts import counts_text
from operators.files import FileChunk, read_chunk
from operators.parse import Parser
from operators.rows import ROW

__all__ = ["ParsingProcess", "Texts", "UnreadableFile", "parse_chunk"]

LINES_AT_ONCE = 10_000  # in one text of rows: a .gz is one chunk, and may hold millions


class UnreadableFile(RuntimeError):
    """An event file is gone, or may not be read."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What becomes of some lines of a chunk: rows for the join, increments of counters, dead letters."""

    rows: str
    counts: str
    dead_letters: Sequence[str]


def parse_chunk(chunk: FileChunk, parser: Parser, lines_at_once: int = LINES_AT_ONCE) -> Iterator[Texts]:
    """The texts of a chunk; one for a chunk of usual size."""
    arrival_ms = min(chunk.modified_ms, wall_clock_ms())
    lines = read_chunk(chunk)
    while True:
        parsed = parser.parse(islice(lines, lines_at_once), source=chunk.path, arrival_ms=arrival_ms)
        if not parsed.counts:
            return  # each line is counted: there was none
        yield Texts(ROW.join(parsed.rows), counts_text(parsed.counts), parsed.dead_letters)


class ParsingProcess:
    """The reader's end. RuntimeError when the process is gone; what goes wrong in it is raised here."""

    def __init__(self, parser: Parser) -> None:
        context = multiprocessing.get_context("spawn")
        # Embedded in the JVM, Python takes the JVM's program for its own.
        context.set_executable(shutil.which("python3") or sys.executable)
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, parser), daemon=True)
        self._process.start()
        theirs.close()  # now the process has the only one, and its end is seen here
        self._asked: deque[FileChunk] = deque()

    def texts(self, chunk: FileChunk, upcoming: Sequence[FileChunk] = ()) -> Iterator[Texts]:
        """The texts of a chunk; asks for those that will probably be wanted next."""
        try:
            self._ask(chunk, upcoming)
            yield from self._answers()
        except (EOFError, ConnectionError) as error:
            self._process.join()
            message = f"the process that parses ended by itself, with exit code {self._process.exitcode}"
            raise RuntimeError(message) from error

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join()

    def _ask(self, chunk: FileChunk, upcoming: Sequence[FileChunk]) -> None:
        """Have the chunk asked for first, and those to come after it."""
        while self._asked and self._asked[0] != chunk:
            for _ in self._answers():
                pass  # not wanted after all
        for each in (chunk, *upcoming)[len(self._asked) :]:
            self._asked.append(each)
            self._pipe.send(each)

    def _answers(self) -> Iterator[Texts]:
        """What comes for the chunk that was asked for first."""
        wrong: Exception | None = None
        while (answer := self._pipe.recv()) is not None:
            if isinstance(answer, Texts):
                yield answer
            else:
                wrong = answer
        self._asked.popleft()
        if wrong is not None:
            raise wrong


def _serve(pipe: Connection, parser: Parser) -> None:
    """The process: for each chunk its texts, then None, or what went wrong; until the reader is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the job decides when it ends
    try:
        while True:
            _answer(pipe, pipe.recv(), parser)
    except (EOFError, ConnectionError):
        return


def _answer(pipe: Connection, chunk: FileChunk, parser: Parser) -> None:
    try:
        for texts in parse_chunk(chunk, parser):
            pipe.send(texts)
    except ConnectionError:
        raise
    except OSError as error:  # in thread mode an OSError would be told of by its number alone
        pipe.send(UnreadableFile(f"an event file cannot be read: {error}"))
    except Exception as error:  # noqa: BLE001 - nothing is swallowed: the reader raises it
        error.add_note(traceback.format_exc())
        pipe.send(error)
    pipe.send(None)
