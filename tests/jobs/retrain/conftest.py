"""A shop with an archive, and one that has published a model and archived decisions since."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.harness.retraining import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Nothing is archived, asked for or published."""
    return Shop(tmp_path)


@pytest.fixture(scope="session")
def _published_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shop = Shop(tmp_path_factory.mktemp("shop"))
    shop.archive(3000)
    assert shop.retrained("first")["stem"]
    shop.archive(3000, after=3000, listed=True)
    return shop.folder


@pytest.fixture
def running_shop(_published_once: Path, tmp_path: Path) -> Shop:
    """A model of 3,000 decisions is the latest; 3,000 more are archived, with all of their candidates."""
    shutil.copytree(_published_once, tmp_path, dirs_exist_ok=True)
    return Shop(tmp_path)
