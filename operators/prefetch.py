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
from multiprocessing.connection import Connection

from operators.chunks import Chunk
from operators.reading import Reading, ReadSettings, Texts

__all__ = ["ParsingProcess", "UnreadableFile"]


class UnreadableFile(RuntimeError):
    """An event file is gone, or may not be read."""


class ParsingProcess:
    """The reader's end. RuntimeError when the process is gone; what goes wrong in it is raised here."""

    def __init__(self, settings: ReadSettings) -> None:
        context = multiprocessing.get_context("spawn")
        # Embedded in the JVM, Python takes the JVM's program for its own.
        context.set_executable(shutil.which("python3") or sys.executable)
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, settings), daemon=True)
        self._process.start()
        theirs.close()  # now the process has the only one, and its end is seen here
        self._asked: deque[Chunk] = deque()

    def texts(self, chunk: Chunk, upcoming: Sequence[Chunk] = ()) -> Iterator[Texts]:
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

    def _ask(self, chunk: Chunk, upcoming: Sequence[Chunk]) -> None:
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


def _serve(pipe: Connection, settings: ReadSettings) -> None:
    """The process: for each chunk its texts, then None, or what went wrong; until the reader is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the job decides when it ends
    reading = Reading(settings)
    try:
        while True:
            _answer(pipe, pipe.recv(), reading)
    except (EOFError, ConnectionError):
        return


def _answer(pipe: Connection, chunk: Chunk, reading: Reading) -> None:
    try:
        for texts in reading.texts(chunk):
            pipe.send(texts)
    except ConnectionError:
        raise
    except OSError as error:  # in thread mode an OSError would be told of by its number alone
        pipe.send(UnreadableFile(f"an event file cannot be read: {error}"))
    except Exception as error:  # noqa: BLE001 - nothing is swallowed: the reader raises it
        error.add_note(traceback.format_exc())
        pipe.send(error)
    pipe.send(None)
