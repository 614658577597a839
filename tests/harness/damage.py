"""Checkpoints that have lost something, as after a crash of a machine or a copy that was cut short."""

from __future__ import annotations

from pathlib import Path

__all__ = ["cut_newest_checkpoint"]


def cut_newest_checkpoint(state: Path, part: float = 0.5) -> str:
    """Of one file of the newest checkpoint, only the beginning stays; `part` (0 to 1) says which file, and how much."""
    newest = max(state.glob("checkpoints/*/chk-*/_metadata"), key=lambda path: path.stat().st_mtime_ns).parent
    files = sorted(newest.iterdir())
    victim = files[int(part * len(files))]
    data = victim.read_bytes()
    victim.write_bytes(data[: int(part * len(data))])
    return f"{newest.name}/{victim.name} of {len(files)} files cut from {len(data)} to {victim.stat().st_size} bytes"
