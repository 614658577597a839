"""Application mode: the JobManager runs the wheel's `main()` itself, and the cluster ends with the job."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from deploy.cluster import ApplicationCluster, make_home
from jobs.submitted import Submitted
from jobs.summary import summarise
from tests.cluster.conftest import QUICK_JVM
from tests.end_to_end.noisy import make_noise
from tests.harness.compare import assert_identities
from tests.harness.job import PATIENCE_SECONDS, Job

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def test_a_cluster_of_its_own_runs_the_wheel_to_the_end_of_the_input(
    wheel: Path, libraries_only: Path, tmp_path: Path
) -> None:
    noise = make_noise(tmp_path / "events", decisions=3_000)
    job = noise.job(tmp_path / "job")
    home = make_home(tmp_path / "home", libraries_only, jvm_args=QUICK_JVM)
    with ApplicationCluster(home, wheel, ["--config", str(job.config)]):
        assert ended(home.address), f"the job still runs after {PATIENCE_SECONDS} s"
    summary = summarise(job.state / "outputs", seconds=0, scores=None, ended=True)
    truth = noise.truth["counters"]
    assert {name: summary[name] for name in truth} == truth
    assert_identities(summary)
    assert learned(job) > 0
    submitted = Submitted.read(job.state)
    assert submitted is not None
    assert submitted.address == home.address


def ended(address: str) -> bool:
    """Wait until nobody answers: a JobManager in application mode ends when its job has."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/overview", timeout=30):
                time.sleep(0.5)
        except urllib.error.HTTPError:
            time.sleep(0.5)  # it is about to end
        except OSError:
            return True
    return False


def learned(job: Job) -> int:
    return sum(entity.count for entity in job.coefficients().values())
