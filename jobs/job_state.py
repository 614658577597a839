"""What a job keeps in its state folder besides checkpoints: who it is and what it decided when it first started.

job.json       owner id; while a run is not finished also its input plan, generations, pinned files, origin, windows
checkpoints/   Flink's, three kept; or at an address of S3, under the owner id
outputs/       part files of dead letters, late rows, orphans, scores, counts and publishes
outputs.before/  those of the run before that came to its end: its dead letters may still be wanted
summary.json   what the last run that came to its end printed
lock           held while the job runs, so that the same command twice is refused
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

from jobs.checkpoint_place import Place, folder_place, newest_first, s3_place
from lambda_learner.publish.errors import StoreError
from lambda_learner.publish.manifest import FileEntry
from lambda_learner.publish.s3_address import parse_address
from operators.files import FileChunk
from operators.rewind import FIRST_WINDOWS, WINDOWS
from operators.warm_start import ShardKey

_log = logging.getLogger(__name__)
KEPT_CHECKPOINTS = 3  # of a run; should the newest be damaged, the one before it is used


class StateError(RuntimeError):
    """The state folder can not be used; the message says why and what to do."""


class Rewound(NamedTuple):
    """The last checkpoint of a run whose windows were kept in another form, and when all before was published."""

    checkpoint: str
    after_ms: int


@dataclass(frozen=True, slots=True)
class Beginning:
    """What was decided when the run first started; a restart of it decides the same. `origin` names this start.

    `windows` is the version in which its open windows are kept (`operators/rewind.py`); `rewound` None: all of its
    checkpoints have them so.
    """

    chunks: Sequence[FileChunk]
    generations: Mapping[str, str]
    pinned: Mapping[ShardKey, Sequence[FileEntry]] = field(default_factory=dict)
    origin: str = field(default="", compare=False)  # "" of a run that an older release began
    windows: int = WINDOWS
    rewound: Rewound | None = None


@dataclass(frozen=True, slots=True)
class JobState:
    """The state folder of one job, and the address in S3 of its checkpoints, if they are not in the folder."""

    folder: Path
    checkpoints_url: str | None = None

    @property
    def outputs(self) -> Path:
        """The folder of the part files."""
        return self.folder / "outputs"

    @property
    def summary(self) -> Path:
        """The summary of the last run that came to its end."""
        return self.folder / "summary.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; StateError if another process does, or if it cannot be written."""
        with self._lock_file() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                folder = self.folder
                message = f"another run is using the state folder {folder}: wait for it, or give `stream.state` another"
                raise StateError(message) from error
            yield

    def owner_id(self) -> str:
        """The id under which this job owns its bucket; made at the first call."""
        document = self._read()
        if "owner_id" not in document:
            document["owner_id"] = uuid.uuid4().hex
            self._write(document)
        return str(document["owner_id"])

    def known_owner_id(self) -> str | None:
        """The id, if it was made already."""
        owner_id = self._read().get("owner_id")
        return None if owner_id is None else str(owner_id)

    def beginning(self) -> Beginning | None:
        """What the unfinished run began with; None if there is no such run."""
        document = self._read()
        if "chunks" not in document:
            return None
        try:
            pinned = {
                (str(model), str(generation), int(shard)): [FileEntry(*entry) for entry in entries]
                for model, generation, shard, entries in document["pinned"]
            }
            chunks = [FileChunk(*chunk) for chunk in document["chunks"]]
            return Beginning(
                chunks,
                dict(document["generations"]),
                pinned,
                str(document.get("origin", "")),
                int(document.get("windows", FIRST_WINDOWS)),
                Rewound(*document["rewound"]) if document.get("rewound") else None,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(repr(error)) from error

    def begin(self, beginning: Beginning) -> None:
        """Put checkpoints and outputs of the run before aside, and keep what this run begins with."""
        self._clear()
        self.keep(beginning)

    def keep(self, beginning: Beginning) -> None:
        """Keep what this run goes on with, beside its checkpoints and outputs."""
        pinned = [[*key, list(entries)] for key, entries in beginning.pinned.items()]
        run: dict[str, Any] = {"chunks": beginning.chunks, "generations": dict(beginning.generations), "pinned": pinned}
        windows = {"windows": beginning.windows, "rewound": beginning.rewound}
        checkpoints = {"checkpoints": self._in_s3()}
        self._write({"owner_id": self.owner_id(), "origin": beginning.origin} | run | windows | checkpoints)

    def refuse_elsewhere(self) -> None:
        """StateError where the unfinished run has its checkpoints in S3 and they would not be found any more."""
        before, now = self._read().get("checkpoints"), self._in_s3()
        if before is not None and before != now:
            message = (
                f"stream.checkpoints: the unfinished run has them at {before}, got {now or 'none'}: "
                "put it back to finish that run, or start another with --fresh"
            )
            raise StateError(message)

    def finish(self) -> None:
        """The run is done: the next one begins anew, from what was published."""
        self._write({"owner_id": self.owner_id()})
        try:
            self._keep_checkpoints(())
        except StoreError as error:  # the run is done all the same, and the next one tries again
            _log.warning("the run's checkpoints stay: %s", error)

    def places(self) -> list[Place]:
        """Where its checkpoints are, the place of new ones first; in the folder are those of before it had another."""
        folder = folder_place(self.folder / "checkpoints")
        return [folder] if self.checkpoints_url is None else [s3_place(self.checkpoints_url, self.owner_id()), folder]

    def newest_checkpoint(self) -> str | None:
        """The newest complete checkpoint as Flink names it, or None."""
        return next(iter(self.checkpoints()), None)

    def checkpoints(self) -> list[str]:
        """The complete checkpoints, newest first."""
        return newest_first(self.places())

    def forget_older_attempts(self) -> None:
        """Remove attempts without any of the newest checkpoints: each start is a Flink job with a folder of its own."""
        newest = self.checkpoints()[:KEPT_CHECKPOINTS]
        if newest:
            self._keep_checkpoints(newest)

    def _keep_checkpoints(self, names: Collection[str]) -> None:
        for place in self.places():
            place.keep_only(names)

    def _in_s3(self) -> str | None:
        """Bucket and prefix of the checkpoints: the server may get another address."""
        return None if self.checkpoints_url is None else parse_address(self.checkpoints_url).place

    def _clear(self) -> None:
        """Remove what is there; of a run that came to its end the outputs stay for one run more, under another name."""
        self._keep_checkpoints(())
        if self.summary.exists() and self.outputs.exists():
            before = self.folder / "outputs.before"
            shutil.rmtree(before, ignore_errors=True)
            self.outputs.rename(before)
        shutil.rmtree(self.outputs, ignore_errors=True)
        self.summary.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        path = self._document
        if not path.exists():
            return {}
        try:
            document = json.loads(path.read_text())
        except ValueError as error:
            raise self._damaged(str(error)) from error
        if not isinstance(document, dict):
            problem = f"an object is expected, got {document!r:.80}"
            raise self._damaged(problem)
        return document

    def _write(self, document: Mapping[str, Any]) -> None:
        partial = self._document.with_suffix(".partial")
        with partial.open("w") as file:
            file.write(json.dumps(document))
            file.flush()
            os.fsync(file.fileno())  # or a power cut may leave the new name with nothing under it
        partial.replace(self._document)

    @property
    def _document(self) -> Path:
        return self.folder / "job.json"

    def _lock_file(self) -> IO[str]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return (self.folder / "lock").open("w")
        except OSError as error:
            message = f"cannot write to the state folder {self.folder}: {error}"
            raise StateError(message) from error

    def _damaged(self, problem: str) -> StateError:
        # The owner id is lost with it, so not even --fresh may go on without being told to.
        return StateError(
            f"{self._document} is damaged ({problem}): restore it from a copy, or remove {self.folder} and start with "
            "--take-over, which begins from what was published"
        )
