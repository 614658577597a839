"""The wheel on a session cluster: stopped, upgraded, rescaled and robbed of a TaskManager, it gives what it gives here.

A job in a followed folder runs at parallelism 1, is stopped with a savepoint, goes on from it at parallelism 2 on two
TaskManagers, loses one by kill -9, and goes on with a new one; then the JobManager is killed, its newest checkpoint is
damaged, and the same command is given to the JobManager that takes its place. Beside it the same events, undisturbed,
on this machine.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from deploy.cluster import SessionCluster
from jobs.event_files import Sink, write_files
from lambda_learner.events.accept import heartbeat_line
from lambda_learner.publish.coefficients import EntityCoefficients
from lambda_learner.simulate import synthetic
from lambda_learner.simulate.truth import Truth
from operators.files import plan_folder, read_chunk
from tests.cluster.submission import Submission
from tests.end_to_end.noisy import MODELS, STREAM, TRAFFIC, Noise
from tests.harness.compare import TOLERANCE, assert_identities
from tests.harness.damage import cut_newest_checkpoint
from tests.harness.job import Finished, Job

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

DECISIONS, LINES_PER_SECOND = 3_000, 8.0
PARTS = 4
QUIET_MS = TRAFFIC.start_ms + 48 * 3_600_000  # of event time after the last line: every window has closed
BEATS = 2  # files with a heartbeat, one for each reader


class Story(NamedTuple):
    """What became of the job on the cluster, and of the same one here."""

    submission: Submission
    savepoint: str
    parallelism: dict[str, int]
    refused: Finished
    restarts: int
    went_back: Finished
    here: Job
    here_end: Finished


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Noise:
    """Little traffic, but slow: nine minutes of it, so that windows close while it comes.

    Nothing is late: with two readers that depends on which of them is ahead.
    """
    folder = tmp_path_factory.mktemp("noise")
    traffic = replace(TRAFFIC, decisions=DECISIONS, rate=LINES_PER_SECOND, late=0.0)
    truth = Truth(traffic.rules)
    write_files(truth.watch(synthetic.event_lines(traffic, np.random.default_rng(17))), Sink(folder))
    return Noise(folder, truth.result())


@pytest.fixture(scope="module")
def story(noise: Noise, cluster: SessionCluster, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    here = noise.job(tmp_path_factory.mktemp("here"))
    here_end = here.run()
    expected = sum(entity.count for entity in here.coefficients().values())
    folder = tmp_path_factory.mktemp("cluster")
    job = Job(folder / "job", folder / "events", MODELS, STREAM, follow=True)
    submission = Submission(job, cluster, wheel, tmp_path_factory.mktemp("elsewhere"))
    feeding = feed(noise, job.events)
    next(feeding)
    submission.submit("-p", "1")
    refused = twin(submission, folder).run()
    submission.until(lambda: submission.learned() > 0, "publish")
    savepoint = submission.stop(folder / "savepoints")
    submission.submit("-p", "2", "-s", savepoint)
    next(feeding)
    before = submission.learned()
    submission.until(lambda: submission.learned() > before, "publish")
    cluster.task_managers[0].kill()
    cluster.add_task_manager()
    next(feeding)
    before = submission.learned()
    submission.until(lambda: submission.learned() > before, "publish")
    restarts = submission.restarts()
    submission.until(lambda: len(list(job.state.glob("checkpoints/*/chk-*/_metadata"))) > 1, "two checkpoints")
    cluster.job_manager.kill()
    cut_newest_checkpoint(job.state)
    cluster.job_manager.start()
    went_back = submission.submit("-p", "2")  # goes on from the newest checkpoint that is whole
    next(feeding)
    submission.until(lambda: submission.learned() == expected, f"{expected} learned")
    parallelism = {vertex["name"]: vertex["parallelism"] for vertex in submission.look()["vertices"]}
    submission.stop(folder / "savepoints")
    return Story(submission, savepoint, parallelism, refused, restarts, went_back, here, here_end)


def feed(noise: Noise, folder: Path) -> Iterator[None]:
    """The events, a file at a time; with the last one the heartbeats that close every window."""
    folder.mkdir(parents=True)
    lines = [line.data + b"\n" for chunk in plan_folder(str(noise.events)) for line in read_chunk(chunk)]
    size = -(-len(lines) // PARTS)
    for part in range(PARTS):
        put(folder, f"{part}.jsonl", b"".join(lines[part * size : (part + 1) * size]))
        if part == PARTS - 1:
            for beat in range(BEATS):
                put(folder, f"{part}-beat-{beat}.jsonl", heartbeat_line(QUIET_MS))
        yield


def put(folder: Path, name: str, content: bytes) -> None:
    """A file that is whole as soon as it is there."""
    partial = folder / f".{name}"
    partial.write_bytes(content)
    partial.rename(folder / name)


def twin(submission: Submission, folder: Path) -> Submission:
    """Another job, with a state folder of its own, on the same bucket."""
    job = submission.job
    other = Job(folder / "twin", job.events, MODELS, STREAM, follow=True, bucket=job.bucket)
    return Submission(other, submission.cluster, submission.wheel, submission.folder)


def test_the_python_of_the_cluster_has_this_project_from_the_wheel_alone(libraries_only: Path, tmp_path: Path) -> None:
    imported = subprocess.run(
        [libraries_only, "-c", "import pyflink, jobs"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "No module named 'jobs'" in imported.stderr


def test_the_job_ran_on_both_task_managers(story: Story) -> None:
    assert max(story.parallelism.values()) == 2


def test_it_went_on_after_the_loss_of_a_task_manager(story: Story) -> None:
    assert story.restarts > 0


def test_it_went_on_with_another_job_manager(story: Story) -> None:
    assert story.submission.state() == "FINISHED"


def test_it_went_on_from_an_older_checkpoint_where_the_newest_was_damaged(story: Story) -> None:
    said = story.went_back.out + story.went_back.err
    assert re.search(r"warning: checkpoint \S+/chk-\d+ is damaged: .*: going back to the one before it", said), said
    assert "the cluster keeps" not in said


def test_a_second_job_on_the_bucket_is_refused(story: Story) -> None:
    assert story.refused.code != 0
    assert "--take-over" in story.refused.out + story.refused.err


def test_the_coefficients_are_those_of_an_undisturbed_run(story: Story) -> None:
    mine, theirs = story.submission.job.coefficients(), story.here.coefficients()
    assert mine.keys() == theirs.keys()
    assert [key for key in mine if not same(mine[key], theirs[key])] == []


def same(one: EntityCoefficients, other: EntityCoefficients) -> bool:
    """The same but for the last bits: two readers hand on the records of one window in another order."""
    if (one.names, one.count, one.close_ms) != (other.names, other.count, other.close_ms):
        return False
    numbers = ((one.mean, other.mean), (one.precision, other.precision))
    return all(np.allclose(mine, theirs, rtol=TOLERANCE, atol=TOLERANCE) for mine, theirs in numbers)


def test_every_counter_is_that_of_an_undisturbed_run(story: Story) -> None:
    mine, theirs = story.submission.counters(), dict(story.here_end.result)
    for name in ("seconds", "events_per_second"):
        mine.pop(name)
    theirs.pop("auc_last_50000")  # of the scores, which a submitted job has not
    assert mine.pop("heartbeats") == theirs.pop("heartbeats") + BEATS
    assert mine.pop("lines") == theirs.pop("lines") + BEATS
    assert mine == theirs
    assert_identities(story.submission.counters())
