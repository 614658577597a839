"""MovieLens-100K through the whole job: what `make demo` shows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import config

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

# An independent, single-threaded run of the same mathematics gave this: λ = 4, forgetting 0.95, diagonal.
AUC_LAST_50000 = 0.7105


def cli(*arguments: str) -> str:
    command = [sys.executable, "-m", "jobs.cli", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def test_the_last_50000_ratings_are_told_apart_as_well_as_by_an_independent_run(tmp_path: Path) -> None:
    shipped = (Path(config.__file__).parent / "demo.yaml").read_text()
    here = tmp_path / "config.yaml"
    here.write_text(shipped.replace("out/movielens", str(tmp_path)))
    cli("simulate", "--dataset", "movielens", "--output", str(tmp_path / "events"))
    scores = tmp_path / "scores.jsonl"
    summary = json.loads(cli("run", "--config", str(here), "--scores", str(scores), "--no-progress").splitlines()[-1])
    assert summary["joined"] == 100_000
    assert summary["auc_last_50000"] == pytest.approx(AUC_LAST_50000, abs=0.005)
