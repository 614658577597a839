"""Finds the newest checkpoint that is whole: of one that is damaged, nothing is used but the one before it.

A checkpoint is whole when Flink can read its _metadata, and each file that is named there has the length told there.
What is lost by going back is nothing: the input is read again from there. What part files have got since is told again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any, Final

from py4j.protocol import Py4JJavaError

from jobs.checkpoint_place import Place, place_of
from jobs.job_state import StateError
from lambda_learner.publish.errors import StoreError

__all__ = ["problem_of", "reopen_parts", "whole_checkpoint"]

_STATES: Final = ("getManagedKeyedState", "getRawKeyedState", "getManagedOperatorState", "getRawOperatorState")
_KINDS: Final = ("KeyGroupsStateHandle", "KeyGroupsSavepointStateHandle", "OperatorStreamStateHandle")
_UUID: Final = rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_OPEN_PART: Final = re.compile(rb"(\.(part-" + _UUID + rb"-\d+)\.inprogress\." + _UUID + rb")")


def whole_checkpoint(found: Sequence[str], places: Sequence[Place], gateway: Any) -> tuple[str, list[str]]:
    """The first of these that is whole, and what is wrong with those before it; StateError without any."""
    problems: list[str] = []
    for each in found:
        problem = problem_of(each, place_of(each, places), gateway)
        if problem is None:
            return each, problems
        problems.append(f"checkpoint {each} is damaged: {problem}")
    message = "\n".join(
        [*problems, "restore one from a copy, or start with --fresh, which learns the same history anew"]
    )
    raise StateError(message)


def problem_of(checkpoint: str, place: Place, gateway: Any) -> str | None:
    """What is wrong with a checkpoint; None when it is whole. Costs a second at most."""
    try:
        metadata = _metadata(checkpoint, place.read(f"{place.key(checkpoint)}/_metadata") or b"", gateway.jvm)
    except (Py4JJavaError, StoreError) as error:
        reason = error.java_exception.toString() if isinstance(error, Py4JJavaError) else error
        return f"its _metadata cannot be read ({reason})"
    sizes = place.files()
    for path, size in _files(metadata):
        held = sizes.get(place.key_of_path(path))
        if held != size:
            return f"{PurePath(path).name} {'is gone' if held is None else f'has {held:,} bytes, not {size:,}'}"
    return None


def _metadata(checkpoint: str, data: bytes, jvm: Any) -> Any:
    stream = jvm.java.io.DataInputStream(jvm.java.io.ByteArrayInputStream(data))
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    return jvm.org.apache.flink.runtime.checkpoint.Checkpoints.loadCheckpointMetadata(stream, loader, checkpoint)


def _files(metadata: Any) -> Iterator[tuple[str, int]]:
    """The paths of the files of all states, with their sizes; what is in _metadata itself is in no file."""
    for operator in _each(metadata.getOperatorStates()):
        for subtask in _each(operator.getStates()):
            for kind in _STATES:
                for handle in _each(getattr(subtask, kind)()):
                    stream = _stream(handle)
                    if stream is not None and stream.maybeGetPath().isPresent():
                        yield str(stream.maybeGetPath().get().getPath()), int(stream.getStateSize())


def _each(collection: Any) -> Iterator[Any]:
    """The elements of a collection of the JVM, which Python cannot iterate unless it is a list."""
    iterator = collection.iterator()
    while iterator.hasNext():
        yield iterator.next()


def _stream(handle: Any) -> Any:
    """The one file of a handle; None for handles of other state backends, which have many."""
    return handle.getDelegateStateHandle() if handle.getClass().getSimpleName() in _KINDS else None


def reopen_parts(checkpoint: str, place: Place, outputs: Path) -> int:
    """Give part files that were open at a checkpoint their names of then, so that their sink can go on there; how many.

    The sink's state names them; it would not find those that were completed since, and fail.
    """
    completed = {path.name: path for path in outputs.rglob("part-*")}
    reopened = 0
    for key in (key for key in place.files() if key.startswith(f"{place.key(checkpoint)}/")):
        for hidden, name in _OPEN_PART.findall(place.read(key) or b""):
            whole = completed.pop(name.decode(), None)
            if whole is not None:
                whole.rename(whole.with_name(hidden.decode()))
                reopened += 1
    return reopened
