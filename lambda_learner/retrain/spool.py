"""Tuples of arrays, kept in memory as far as a bound allows and in temporary files beyond it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Arrays", "Spool"]

Arrays: TypeAlias = tuple[npt.NDArray[Any], ...]


class Spool:
    """A sequence to append to and to read again and again; its files go when it is closed."""

    def __init__(self, max_memory_bytes: int, folder: str | None = None) -> None:
        self._max_memory_bytes = max_memory_bytes
        self._parent = folder
        self._folder: TemporaryDirectory[str] | None = None
        self._parts: list[Arrays | Path] = []
        self.memory_bytes = 0
        self.total_bytes = 0

    def append(self, arrays: Sequence[npt.NDArray[Any]]) -> None:
        """Keep the arrays. OSError when the disk is full."""
        size = sum(part.nbytes for part in arrays)
        self.total_bytes += size
        if self.memory_bytes + size <= self._max_memory_bytes:
            self.memory_bytes += size
            self._parts.append(tuple(arrays))
        else:
            self._parts.append(self._write(arrays))

    def __len__(self) -> int:
        """How many tuples there are."""
        return len(self._parts)

    def __getitem__(self, place: int) -> Arrays:
        """The tuple at a place; read from its file if it is there."""
        part = self._parts[place]
        return _read(part) if isinstance(part, Path) else part

    def __iter__(self) -> Iterator[Arrays]:
        """All tuples in order, one at a time."""
        return map(self.__getitem__, range(len(self)))

    def __enter__(self) -> Spool:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Forget the tuples and delete the files."""
        self._parts.clear()
        if self._folder is not None:
            self._folder.cleanup()

    def _write(self, arrays: Sequence[npt.NDArray[Any]]) -> Path:
        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="lambda-learner-", dir=self._parent)
        path = Path(self._folder.name) / f"{len(self._parts)}.npy"
        with path.open("wb") as file:
            file.write(len(arrays).to_bytes(2, "big"))
            for part in arrays:
                np.save(file, part, allow_pickle=False)
        return path


def _read(path: Path) -> Arrays:
    with path.open("rb") as file:
        count = int.from_bytes(file.read(2), "big")
        return tuple(np.load(file, allow_pickle=False) for _ in range(count))
