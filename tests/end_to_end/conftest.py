from __future__ import annotations

import pytest

from tests.end_to_end.noisy import Noise, make_noise
from tests.harness import improveai, jvm
from tests.harness.job import Finished, Job

MANY = 100  # tests; for fewer it is not worth its while


def pytest_collection_finish(session: pytest.Session) -> None:
    """What takes long to make and is wanted later is made while other tests run."""
    if len(session.items) > MANY and not session.config.option.collectonly:
        jvm.begin()
    is_wanted = any(item.path.name == "test_track_to_job.py" for item in session.items)
    if is_wanted and not session.config.option.collectonly:
        improveai.begin()


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Noise:
    return make_noise(tmp_path_factory.mktemp("noise") / "events")


@pytest.fixture(scope="session")
def undisturbed(noise: Noise, tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Finished]:
    """The job over the noise, run from its start to its end without a break."""
    job = noise.job(tmp_path_factory.mktemp("undisturbed"))
    return job, job.run()
