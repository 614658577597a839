from __future__ import annotations

import pytest

from tests.end_to_end.noisy import Noise, make_noise
from tests.harness.job import Finished, Job


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Noise:
    return make_noise(tmp_path_factory.mktemp("noise") / "events")


@pytest.fixture(scope="session")
def undisturbed(noise: Noise, tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Finished]:
    """The job over the noise, run from its start to its end without a break."""
    job = noise.job(tmp_path_factory.mktemp("undisturbed"))
    return job, job.run()
