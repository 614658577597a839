"""The job in process mode: its Python is a process of the TaskManager's machine, with the wheel alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.cluster import SessionCluster
from jobs.summary import summarise
from tests.cluster.submission import Submission
from tests.end_to_end.noisy import MODELS, STREAM, make_noise
from tests.harness.job import Job

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def test_a_job_in_process_mode_runs_to_the_end_of_its_input(
    cluster: SessionCluster, wheel: Path, tmp_path: Path
) -> None:
    noise = make_noise(tmp_path / "events", decisions=2_000)
    stream = {**STREAM, "python_mode": "process"}
    job = Job(tmp_path / "job", noise.events, MODELS, stream)
    submission = Submission(job, cluster, wheel, tmp_path)
    submission.submit("-p", "1")
    submission.until_finished()
    summary = summarise(job.state / "outputs", seconds=0, scores=None, ended=True)
    truth = noise.truth["counters"]
    assert {name: summary[name] for name in truth} == truth
    assert submission.restarts() == 0
