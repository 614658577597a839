"""Event files on disk: each is complete when it appears, because it is written under a hidden name first."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, cast

from lambda_learner.simulate.lines import Line, render

__all__ = ["GZIP_LEVEL", "FilesInTheWayError", "Sink", "clear_folder", "new_file", "write_files"]

_PATTERN = "events-*.jsonl*"
GZIP_LEVEL = 3  # a third of the time of the default for a tenth more bytes


class FilesInTheWayError(RuntimeError):
    """The folder holds event files of an earlier run, which a job would read too."""


@dataclass(frozen=True, slots=True)
class Sink:
    """Where and how event files are written; `stamped` lines carry `received_at`."""

    folder: Path
    stamped: bool = True
    compressed: bool = False

    def path(self, name: str) -> Path:
        """Give the path of one event file."""
        return self.folder / f"events-{name}.jsonl{'.gz' if self.compressed else ''}"

    def put(self, lines: Iterable[Line], out: IO[bytes]) -> int:
        """Write lines to an open file; give their number."""
        number = 0
        for line in lines:
            out.write(render(line, stamped=self.stamped))
            number += 1
        return number


def clear_folder(folder: Path, *, overwrite: bool) -> None:
    """Make the folder, without event files in it; FilesInTheWayError when there are some that must stay."""
    folder.mkdir(parents=True, exist_ok=True)
    present = sorted(folder.glob(_PATTERN))
    if present and not overwrite:
        message = f"{folder} already holds {present[0].name}: choose an empty folder, or say --overwrite"
        raise FilesInTheWayError(message)
    for path in present:
        path.unlink()


def write_files(lines: Iterable[Line], sink: Sink, *, files: int = 1) -> int:
    """Write the lines, in order, as `files` files of about equal length; give the number of lines."""
    whole = sink.folder / ".events.whole"
    try:
        with whole.open("wb") as out:
            number = sink.put(lines, out)
        with whole.open("rb") as again:
            size = max(-(-number // files), 1)
            for part in range(max(-(-number // size), 1)):
                with new_file(sink.path(f"{part:05d}")) as out:
                    out.writelines(islice(again, size))
    finally:
        whole.unlink(missing_ok=True)
    return number


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that gets its name only when it is complete; .gz is compressed."""
    hidden = path.with_name(f".{path.name}.part")
    try:
        with hidden.open("wb") as raw:
            if path.suffix == ".gz":
                # Neither name nor time goes into the header: the same lines, the same bytes.
                with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=GZIP_LEVEL, mtime=0) as packed:
                    yield cast(IO[bytes], packed)
            else:
                yield raw
        hidden.rename(path)
    finally:
        hidden.unlink(missing_ok=True)
