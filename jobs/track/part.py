"""One event file: a hidden part while lines are appended, then compressed under the name that a job sees.

    .events-2026-11-23-14-09-05-UUID.part  →  2026/11/23/14/events-1-2026-11-23-14-09-05-UUID.gz

The layout is that of the Gym's firehose (improve_protocol.md §3). The name is a function of the part's, so a crash
after the file appeared and before its part was removed gives no line twice.
"""

from __future__ import annotations

import gzip
import os
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from jobs.event_files import GZIP_LEVEL
from lambda_learner.disk import sync_folder, write_all, write_file

__all__ = ["Part", "final_path", "finish", "recover"]

_PREFIX, _PART, _PACKED = ".events-", ".part", ".packed"
_STAMP = "%Y-%m-%d-%H-%M-%S"
_NAMES = _PREFIX + "????-??-??-??-??-??-*"  # others may write hidden files into the folder too


class Part:
    """A part that is open for appending; `size` are the bytes of it that are on disk for certain."""

    def __init__(self, folder: Path, now_ms: int) -> None:
        stamp = datetime.fromtimestamp(now_ms / 1000, tz=UTC).strftime(_STAMP)
        self.path = folder / f"{_PREFIX}{stamp}-{uuid.uuid4()}{_PART}"
        self.size = 0
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            sync_folder(folder)
        except OSError:
            self.close()
            self.path.unlink(missing_ok=True)
            raise

    def append(self, data: bytes) -> None:
        """Append whole lines, durably; after an OSError the part takes no more."""
        try:
            write_all(self._descriptor, data)
        except OSError:
            with suppress(OSError):  # or else a crash would show lines that were refused
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(data)

    def close(self) -> None:
        """Give up the file; its lines stay."""
        os.close(self._descriptor)


def final_path(part: Path) -> Path:
    """Where the lines of a part appear."""
    name = part.name.removeprefix(_PREFIX).removesuffix(_PART)
    return part.parent.joinpath(*name.split("-")[:4], f"events-1-{name}.gz")


def finish(part: Path, size: int | None = None) -> Path | None:
    """Make the first `size` bytes of a part visible, or all of its whole lines, and remove it; None without lines.

    Idempotent: where a crash or an OSError ended it, calling it again goes on.
    """
    final = final_path(part)
    if not final.exists() and not _publish(part, final, size):
        part.unlink()
        return None
    for folder in final.relative_to(part.parent).parents:
        sync_folder(part.parent / folder)
    part.unlink()
    return final


def recover(folder: Path) -> list[Path]:
    """Finish the parts that a crash has left; give the files. Lines that are not whole were never answered."""
    for packed in folder.glob(_NAMES + _PACKED):
        packed.unlink()
    files = [finish(part) for part in sorted(folder.glob(_NAMES + _PART))]
    return [file for file in files if file is not None]


def _publish(part: Path, final: Path, size: int | None) -> bool:
    lines = part.read_bytes()[:size]
    lines = lines[: lines.rfind(b"\n") + 1]
    if not lines:
        return False
    packed = part.with_suffix(_PACKED)
    write_file(packed, gzip.compress(lines, GZIP_LEVEL, mtime=0))
    final.parent.mkdir(parents=True, exist_ok=True)
    packed.rename(final)
    return True
