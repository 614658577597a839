"""The file of the API keys: read at the start, followed while the endpoint runs, replaced whole when keys change."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from jobs.track.keys import KeyRing, KeysError, parse_keys, render_keys
from lambda_learner.disk import sync_folder, write_file

__all__ = ["KeyFile", "editing", "read_keys", "write_keys"]

_LOG = logging.getLogger(__name__)
LOOK_SECONDS: Final = 1.0  # so long may a key be used that has been removed


class _Version(NamedTuple):
    """What tells one content of a file from the next."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int


class KeyFile:
    """The keys of a file, `ring`: always whole, never older than a second while the file can be read.

    A thread looks at the file and reads it again when it has changed. While it cannot be read, or makes no sense, the
    keys are those of before, which is logged once.
    """

    def __init__(self, path: Path) -> None:
        """Read the file; raises KeysError."""
        self._path = path
        self._version, self.ring = _read(path)
        self._well = True
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="api-keys", daemon=True)

    def look(self) -> None:
        """Take the keys of the file as it is now."""
        try:
            if self._well and _version(os.stat(self._path)) == self._version:
                return
            self._version, self.ring = _read(self._path)
        except (KeysError, OSError) as error:
            if self._well:
                _LOG.error("the API keys stay as they were: %s", error)
            self._well = False
        else:
            _LOG.warning("API keys were read from %s, now valid: %d", self._path, len(self.ring.keys))
            self._well = True

    def __enter__(self) -> Self:
        """Begin to follow the file."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End that."""
        self._ended.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self.look()


def read_keys(path: Path) -> KeyRing:
    """The keys of a file. Raises KeysError."""
    return _read(path)[1]


def write_keys(path: Path, ring: KeyRing) -> None:
    """Replace the file by one with these keys, durably and at once; its mode stays."""
    hidden = path.with_name(f".{path.name}.part")
    try:
        write_file(hidden, render_keys(ring.keys))
        if path.exists():
            shutil.copymode(path, hidden)
        hidden.replace(path)
    finally:
        hidden.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def editing(path: Path) -> Iterator[None]:
    """Only one process at a time edits the files of a folder. Raises KeysError when there is no such folder."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        message = f"{path}: {error.strerror}: the folder of the file must be there"
        raise KeysError(message) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _read(path: Path) -> tuple[_Version, KeyRing]:
    try:
        with path.open("rb") as file:
            version = _version(os.fstat(file.fileno()))  # before the content: what changes meanwhile is read again
            return version, parse_keys(file.read())
    except FileNotFoundError as error:
        message = f"{path}: there is no such file: make it by `lambda-learner keys add`"
        raise KeysError(message) from error
    except OSError as error:
        message = f"{path}: {error.strerror}: the file of the API keys must be readable"
        raise KeysError(message) from error
    except KeysError as error:
        message = f"{path}, {error}"
        raise KeysError(message) from error


def _version(found: os.stat_result) -> _Version:
    return _Version(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
