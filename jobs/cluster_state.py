"""Finds what a submitted job goes on from, where the command line does not say: as a local run, or from a savepoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

from config.settings import Settings
from jobs.checkpoints import whole_checkpoint
from jobs.job_state import JobState, StateError
from jobs.rewinding import begins_anew, usable
from jobs.submitted import FINISHED, Submitted

__all__ = ["Chosen", "newest_state"]

SAVEPOINTS: Final = "savepoints"  # the folder in the state folder where a savepoint is looked for, if -s names none


class Chosen(NamedTuple):
    """What a job is restored from, None: nothing; and what is wrong with the checkpoints that are newer."""

    path: str | None
    problems: tuple[str, ...] = ()


def newest_state(state: JobState, settings: Settings, ended: str | None, gateway: Any) -> Chosen:
    """The newest whole checkpoint of the unfinished run, or its savepoint; StateError where none is whole."""
    held = state.beginning()
    found = usable(state.checkpoints(), held.rewound if held else None)
    # A job that was stopped has no checkpoints any more; one that was started from its savepoint has newer ones.
    newest = next(iter(found), None) or _newest_savepoint(state.folder, ended)
    if newest is None:
        _finish(state, settings, ended)
    if newest is None or held is None or begins_anew(held):
        return Chosen(None)
    if not found:
        return Chosen(newest)
    whole, problems = whole_checkpoint(found, state.places(), gateway)
    return Chosen(whole, tuple(problems))


def _finish(state: JobState, settings: Settings, ended: str | None) -> None:
    """Of a run without checkpoint or savepoint: it is done if its input has an end, else its savepoint is elsewhere."""
    if ended != FINISHED:
        return
    if not settings.stream.source.has_end:
        message = (
            f"the job was stopped, and its savepoint is not in {state.folder / SAVEPOINTS}: name it by "
            "flink run -s PATH, or start another run with --fresh"
        )
        raise StateError(message)
    state.finish()


def _newest_savepoint(folder: Path, ended: str | None) -> str | None:
    """Of the job that was last submitted; Flink names a savepoint by the first letters of the job's id.

    Of one that had no checkpoint yet and was not stopped, what it went on from itself.
    """
    submitted = Submitted.read(folder)
    found = (folder / SAVEPOINTS).glob(f"savepoint-{submitted.job_id[:6]}-*/_metadata") if submitted else ()
    newest = max(found, key=lambda path: path.stat().st_mtime_ns, default=None)
    if newest is not None:
        return f"file://{newest.parent}"
    return submitted.restored_from if submitted and ended != FINISHED else None
