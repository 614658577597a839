"""Jobs one after the other on TaskManagers that live on: what they imported outlives the copy of the wheel it is from.

A bounded job imports most of the wheel. One that follows a folder needs the rest of it, from another copy. That is
stopped and goes on with the wheel of another release: what runs then must be the other release.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from deploy.cluster import SessionCluster
from lambda_learner.events.accept import heartbeat_line
from tests.cluster.submission import Submission
from tests.end_to_end.noisy import MODELS, STREAM, TRAFFIC, Noise, make_noise
from tests.harness.job import Job

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

DECISIONS = 3_000
DAY_MS = 24 * 3_600_000
READERS = 2


class Story(NamedTuple):
    """What the job that follows a folder told of its publishes with each wheel, and its restarts in both."""

    before: list[dict[str, Any]]
    after: list[dict[str, Any]]
    restarts: int


@pytest.fixture(scope="module")
def story(cluster: SessionCluster, wheel: Path, next_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder, elsewhere = tmp_path_factory.mktemp("resubmitted"), tmp_path_factory.mktemp("elsewhere")
    days = [make_noise(folder / f"day-{day}", DECISIONS, traffic=traffic_of(day)) for day in range(2)]
    bounded = Submission(days[0].job(folder / "bounded"), cluster, wheel, elsewhere)
    bounded.submit("-p", "2")
    bounded.until_finished()
    job = Job(folder / "followed", folder / "events", MODELS, STREAM, follow=True)
    submission = Submission(job, cluster, wheel, elsewhere)
    put(days[0], job.events, 0)
    submission.submit("-p", "2")
    submission.until(lambda: published(job), "publish")
    restarts = submission.restarts()
    savepoint = submission.stop(folder / "savepoints")
    before = published(job)
    submission.wheel = next_wheel
    put(days[1], job.events, 1)
    submission.submit("-p", "2", "-s", savepoint)
    submission.until(lambda: len(published(job)) > len(before), "publish")
    restarts += submission.restarts()
    submission.stop(folder / "savepoints")
    return Story(before, [each for each in published(job) if each not in before], restarts)


def traffic_of(day: int) -> Any:
    return replace(TRAFFIC, start_ms=TRAFFIC.start_ms + day * DAY_MS)


def put(noise: Noise, folder: Path, day: int) -> None:
    """The events of a day, and a heartbeat for each reader that closes all of its windows."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(sorted(noise.events.iterdir())):
        shutil.copy(path, folder / f"{day}-{number}-{path.name}")
    for reader in range(READERS):
        beat = heartbeat_line(TRAFFIC.start_ms + day * DAY_MS + DAY_MS // 2)
        (folder / f"{day}-beat-{reader}.jsonl").write_bytes(beat)


def published(job: Job) -> list[dict[str, Any]]:
    return [json.loads(line) for line in job.lines("published", with_open=True)]


def test_a_job_that_needs_more_of_the_wheel_than_the_one_before_it_finds_it(story: Story) -> None:
    assert story.before
    assert story.restarts == 0


def test_an_upgrade_runs_the_new_release(story: Story) -> None:
    assert {each.get("release") for each in story.before} == {None}
    assert {each.get("release") for each in story.after} == {"next"}
