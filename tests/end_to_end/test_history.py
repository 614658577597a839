"""A Gym user brings the history along: a replay of its train bucket learns what a replay of the events learns."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.event_files import Sink, write_files
from lambda_learner.simulate import synthetic
from lambda_learner.simulate.traffic import Traffic
from tests.end_to_end.noisy import MODELS
from tests.harness.job import Finished, Job

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

TRAFFIC = Traffic(decisions=3_000, start_ms=1_704_067_200_000, models=2, entities=50, rate=100.0, duplicates=0.05)


@pytest.fixture(scope="module")
def replays(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Finished, Job, Finished]:
    """A job that replayed events, and one that replayed the archive which the first has made."""
    place = tmp_path_factory.mktemp("history")
    events = place / "events"
    events.mkdir()
    write_files(synthetic.event_lines(TRAFFIC, np.random.default_rng(3)), Sink(events), files=3)
    first = Job(place / "first", events, MODELS)
    done = first.run(command="replay")
    second = Job(place / "second", place / "nowhere", MODELS)
    again = second.run("--train", f"file:{first.folder / 'train'}", command="replay")
    return first, done, second, again


def test_no_decision_and_no_reward_is_lost(replays: tuple[Job, Finished, Job, Finished]) -> None:
    _, done, _, again = replays
    for name in ("joined", "credited"):
        assert again.summary[name] == done.summary[name] > 0
    assert again.summary["duplicate_decisions"] == again.summary["duplicate_rewards"] == 0
    assert again.summary["models"] == done.summary["models"]


def test_the_same_is_learned(replays: tuple[Job, Finished, Job, Finished]) -> None:
    first, _, second, _ = replays
    mine, theirs = second.coefficients(), first.coefficients()
    assert mine.keys() == theirs.keys()
    assert all(mine[key].mean.tolist() == theirs[key].mean.tolist() for key in mine)


def test_the_second_job_has_an_archive_too(replays: tuple[Job, Finished, Job, Finished]) -> None:
    first, _, second, _ = replays
    models = [{key.split("/")[1] for key in job.archive()} for job in (first, second)]
    assert models[0] == models[1] == set(MODELS)
