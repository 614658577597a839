"""Finds the newest checkpoint that is whole: of one that is damaged, nothing is used but the one before it.

A checkpoint is whole when Flink can read its _metadata, and each file that is named there has the length told there.
What is lost by going back is nothing: the input is read again from there. What part files have got since is told again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from py4j.protocol import Py4JJavaError

from jobs.job_state import StateError

__all__ = ["SCHEME", "problem_of", "reopen_parts", "whole_checkpoint"]

SCHEME: Final = "file://"
_STATES: Final = ("getManagedKeyedState", "getRawKeyedState", "getManagedOperatorState", "getRawOperatorState")
_KINDS: Final = ("KeyGroupsStateHandle", "KeyGroupsSavepointStateHandle", "OperatorStreamStateHandle")
_UUID: Final = rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_OPEN_PART: Final = re.compile(rb"(\.(part-" + _UUID + rb"-\d+)\.inprogress\." + _UUID + rb")")


def whole_checkpoint(found: Sequence[str], gateway: Any) -> tuple[str, list[str]]:
    """The first of these that is whole, and what is wrong with those before it; StateError without any."""
    problems: list[str] = []
    for each in found:
        problem = problem_of(Path(each.removeprefix(SCHEME)), gateway)
        if problem is None:
            return each, problems
        problems.append(f"checkpoint {each} is damaged: {problem}")
    message = "\n".join(
        [*problems, "restore one from a copy, or start with --fresh, which learns the same history anew"]
    )
    raise StateError(message)


def problem_of(checkpoint: Path, gateway: Any) -> str | None:
    """What is wrong with a checkpoint; None when it is whole. Costs a second at most."""
    try:
        metadata = _metadata(checkpoint / "_metadata", gateway.jvm)
    except Py4JJavaError as error:
        return f"its _metadata cannot be read ({error.java_exception.toString()})"
    for path, size in _files(metadata):
        held = path.stat().st_size if path.exists() else None
        if held != size:
            return f"{path.name} has {'gone' if held is None else f'{held:,} bytes'}, not {size:,}"
    return None


def _metadata(path: Path, jvm: Any) -> Any:
    flink, io = jvm.org.apache.flink.runtime.checkpoint, jvm.java.io
    stream = io.DataInputStream(io.FileInputStream(str(path)))
    try:
        loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
        return flink.Checkpoints.loadCheckpointMetadata(stream, loader, str(path.parent))
    finally:
        stream.close()


def _files(metadata: Any) -> Iterator[tuple[Path, int]]:
    """The files of all states, with their sizes; what is in _metadata itself is in no file."""
    for operator in _each(metadata.getOperatorStates()):
        for subtask in _each(operator.getStates()):
            for kind in _STATES:
                for handle in _each(getattr(subtask, kind)()):
                    stream = _stream(handle)
                    if stream is not None and stream.maybeGetPath().isPresent():
                        yield Path(stream.maybeGetPath().get().getPath()), int(stream.getStateSize())


def _each(collection: Any) -> Iterator[Any]:
    """The elements of a collection of the JVM, which Python cannot iterate unless it is a list."""
    iterator = collection.iterator()
    while iterator.hasNext():
        yield iterator.next()


def _stream(handle: Any) -> Any:
    """The one file of a handle; None for handles of other state backends, which have many."""
    return handle.getDelegateStateHandle() if handle.getClass().getSimpleName() in _KINDS else None


def reopen_parts(checkpoint: str, outputs: Path) -> int:
    """Give part files that were open at a checkpoint their names of then, so that their sink can go on there; how many.

    The sink's state names them; it would not find those that were completed since, and fail.
    """
    completed = {path.name: path for path in outputs.rglob("part-*")}
    reopened = 0
    for file in Path(checkpoint.removeprefix(SCHEME)).iterdir():
        for hidden, name in _OPEN_PART.findall(file.read_bytes()):
            whole = completed.pop(name.decode(), None)
            if whole is not None:
                whole.rename(whole.with_name(hidden.decode()))
                reopened += 1
    return reopened
