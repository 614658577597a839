"""MovieLens-100K through the whole job: what `make demo` shows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

import config
from tests.harness.host import run_in_host
from tests.harness.job import Finished

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(900)]

DIAGONAL = "posterior: diagonal"
FORGETTING = "forgetting: 0.95"
# Months of ratings are 850 intervals of six hours, which take longer to publish than the ratings to be learned.
PUBLISH_INTERVALS = ("publish_interval: 6 hours", "publish_interval: 2 days")


def cli(folder: Path, *arguments: str) -> Finished:
    out, err = (folder / f"{arguments[0]}.{suffix}" for suffix in ("out", "err"))
    return Finished(run_in_host(arguments, os.environ, out, err), out.read_text(), err.read_text())


@pytest.mark.parametrize(
    ("learner", "auc_last_50000"),  # of an independent, single-threaded run of the same mathematics, with λ = 4
    [
        pytest.param({}, 0.7105, id="diagonal, forgetting 0.95"),
        pytest.param({DIAGONAL: "posterior: full", FORGETTING: "forgetting: 1.0"}, 0.684, id="full, no forgetting"),
    ],
)
def test_the_last_50000_ratings_are_told_apart_as_well_as_by_an_independent_run(
    learner: Mapping[str, str], auc_last_50000: float, tmp_path: Path
) -> None:
    document = (Path(config.__file__).parent / "demo.yaml").read_text()
    for shipped, wanted in {DIAGONAL: DIAGONAL, FORGETTING: FORGETTING, **dict([PUBLISH_INTERVALS]), **learner}.items():
        assert shipped in document
        document = document.replace(shipped, wanted)
    here = tmp_path / "config.yaml"
    here.write_text(document.replace("out/movielens", str(tmp_path)))
    made = cli(tmp_path, "simulate", "--dataset", "movielens", "--output", str(tmp_path / "events"))
    assert made.code == 0, made.err
    scores = tmp_path / "scores.jsonl"
    summary = cli(tmp_path, "run", "--config", str(here), "--scores", str(scores), "--no-progress").summary
    assert summary["joined"] == 100_000
    assert summary["auc_last_50000"] == pytest.approx(auc_last_50000, abs=0.005)
