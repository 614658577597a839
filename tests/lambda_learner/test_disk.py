from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from lambda_learner.disk import make_folders, sync_folder, write_file


@pytest.fixture
def synced() -> Iterator[list[Path]]:
    """What has been made durable, in order."""
    paths: list[Path] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        fsync(descriptor)
        paths.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    with patch("lambda_learner.disk.os.fsync", watched):
        yield paths


def test_a_folder_s_names_are_made_durable(tmp_path: Path, synced: list[Path]) -> None:
    sync_folder(tmp_path)
    assert synced == [tmp_path]


def test_each_new_folder_is_made_durable_in_the_one_above(tmp_path: Path, synced: list[Path]) -> None:
    make_folders(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert synced == [tmp_path, tmp_path / "a"]


def test_a_file_is_durable_when_it_is_written(tmp_path: Path, synced: list[Path]) -> None:
    write_file(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
    assert synced == [tmp_path / "file"]


def test_writes_that_take_a_few_bytes_at_a_time_write_all(tmp_path: Path) -> None:
    write = os.write
    with patch("lambda_learner.disk.os.write", lambda descriptor, data: write(descriptor, data[:3])):
        write_file(tmp_path / "file", b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"
