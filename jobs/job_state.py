"""What a job keeps in its state folder besides checkpoints: who it is and what it decided when it first started.

job.json       owner id; while a run is not finished also its input plan, generations and pinned files
checkpoints/   Flink's, three kept
outputs/       part files of dead letters, late rows, orphans, scores, counts and publishes
summary.json   what the last run that came to its end printed
lock           held while the job runs, so that the same command twice is refused
"""

from __future__ import annotations

import fcntl
import json
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lambda_learner.publish.manifest import FileEntry
from operators.files import FileChunk
from operators.warm_start import ShardKey


class StateError(RuntimeError):
    """The state folder can not be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What was decided when the run first started; a restart of it decides the same."""

    chunks: Sequence[FileChunk]
    generations: Mapping[str, str]
    pinned: Mapping[ShardKey, Sequence[FileEntry]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobState:
    """The state folder of one job."""

    folder: Path

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
        """Hold the folder for this process; StateError if another process does."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield
        except BlockingIOError as error:
            message = f"another run is using the state folder {self.folder}: wait for it, or give `stream.state` another"
            raise StateError(message) from error
        except PermissionError as error:
            message = f"cannot write to the state folder {self.folder}: {error}"
            raise StateError(message) from error

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
        pinned = {
            (str(model), str(generation), int(shard)): [FileEntry(*entry) for entry in entries]
            for model, generation, shard, entries in document["pinned"]
        }
        return Beginning([FileChunk(*chunk) for chunk in document["chunks"]], document["generations"], pinned)

    def begin(self, beginning: Beginning) -> None:
        """Forget checkpoints and outputs of runs before, and keep what this run begins with."""
        self._clear()
        pinned = [[*key, list(entries)] for key, entries in beginning.pinned.items()]
        run: dict[str, Any] = {"chunks": beginning.chunks, "generations": dict(beginning.generations), "pinned": pinned}
        self._write({"owner_id": self.owner_id()} | run)

    def finish(self) -> None:
        """The run is done: the next one begins anew, from what was published."""
        self._write({"owner_id": self.owner_id()})
        shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)

    def newest_checkpoint(self) -> str | None:
        """The newest complete checkpoint (one without _metadata was cut short) as a URI, or None."""
        found = (self.folder / "checkpoints").glob("*/chk-*/_metadata")
        newest = max(found, key=lambda path: path.stat().st_mtime_ns, default=None)
        return None if newest is None else newest.parent.resolve().as_uri()

    def _clear(self) -> None:
        for folder in (self.folder / "checkpoints", self.outputs):
            shutil.rmtree(folder, ignore_errors=True)
        self.summary.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        path = self.folder / "job.json"
        if not path.exists():
            return {}
        try:
            document: dict[str, Any] = json.loads(path.read_text())
        except ValueError as error:
            message = f"{path} is damaged ({error}): start afresh with --fresh, or remove the state folder"
            raise StateError(message) from error
        return document

    def _write(self, document: Mapping[str, Any]) -> None:
        path = self.folder / "job.json"
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(document))
        partial.replace(path)
