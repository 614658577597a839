"""A folder on a small disk of its own, which can be filled to its last byte."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["SmallDisk", "small_disk"]

SIZE_MIB: Final = 64
BALLAST: Final = ".ballast"
BLOCK: Final = bytes(1 << 16)


class SmallDisk:
    """A mounted folder; a job that may not write there any more meets ENOSPC, as on a real disk."""

    def __init__(self, folder: Path) -> None:
        """Take the folder where it is mounted."""
        self.folder = folder

    def fill(self) -> None:
        """Leave no room; what others delete meanwhile is filled by calling it again."""
        for size in (len(BLOCK), 1):
            with (self.folder / BALLAST).open("ab", buffering=0) as file:
                try:
                    while file.write(BLOCK[:size]):
                        pass
                except OSError:
                    continue

    def clear(self) -> None:
        """Give the room back."""
        (self.folder / BALLAST).unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """A tmpfs of some MiB at a folder; PermissionError where this user may not mount one."""
    folder.mkdir(parents=True)
    options = f"size={SIZE_MIB}m,mode=700"
    command = ["mount", "-t", "tmpfs", "-o", options, "lambda-learner-tests", str(folder)]
    try:
        subprocess.run(command, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        message = f"no disk of its own can be mounted at {folder}"
        raise PermissionError(message) from error
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
