"""MovieLens-100K through the whole job: what `make demo` shows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import config
from tests.harness.host import run_in_host
from tests.harness.job import Finished

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(900)]

# An independent, single-threaded run of the same mathematics gave this: λ = 4, forgetting 0.95, diagonal.
AUC_LAST_50000 = 0.7105
# Months of ratings are 850 intervals of six hours, which take longer to publish than the ratings to be learned.
PUBLISH_INTERVALS = ("publish_interval: 6 hours", "publish_interval: 2 days")


def cli(folder: Path, *arguments: str) -> Finished:
    out, err = (folder / f"{arguments[0]}.{suffix}" for suffix in ("out", "err"))
    return Finished(run_in_host(arguments, os.environ, out, err), out.read_text(), err.read_text())


def test_the_last_50000_ratings_are_told_apart_as_well_as_by_an_independent_run(tmp_path: Path) -> None:
    shipped = (Path(config.__file__).parent / "demo.yaml").read_text()
    assert PUBLISH_INTERVALS[0] in shipped
    here = tmp_path / "config.yaml"
    here.write_text(shipped.replace("out/movielens", str(tmp_path)).replace(*PUBLISH_INTERVALS))
    made = cli(tmp_path, "simulate", "--dataset", "movielens", "--output", str(tmp_path / "events"))
    assert made.code == 0, made.err
    scores = tmp_path / "scores.jsonl"
    summary = cli(tmp_path, "run", "--config", str(here), "--scores", str(scores), "--no-progress").summary
    assert summary["joined"] == 100_000
    assert summary["auc_last_50000"] == pytest.approx(AUC_LAST_50000, abs=0.005)
