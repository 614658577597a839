"""What tests of a job's state share."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.checkpoint_place import Place, folder_place, s3_place
from tests.harness.s3 import S3


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.services)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where checkpoints are kept: in a folder, and in S3."""
    if request.param == "folder":
        return folder_place(tmp_path / "checkpoints")
    s3: S3 = request.getfixturevalue("s3")
    return s3_place(s3.new_url(), "owner")
