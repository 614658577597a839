"""One job owns a bucket: a second one is refused until it takes over, and then the first one stops."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lambda_learner.learn.state_format import MAGIC, VERSION
from tests.harness.compare import assert_same_coefficients
from tests.harness.feed import Folder, Maker, heartbeat, text
from tests.harness.job import Coefficients, Finished, Job, Running
from tests.harness.oracle import replay

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

T = 1_704_067_200_000
MINUTE_MS = 60_000
MODELS: dict[str, Any] = {
    "m": {"reward": {"window": "2 s"}, "learner": {"entity": "context.user_id", "update_interval": "1 s"}}
}
STREAM = {"out_of_orderness": "1 s", "publish_interval": "1 s", "shards": 1}
# How a state's text begins: magic and version, in base64.
WRITTEN, NEWER = (base64.b64encode(struct.pack("<4sH", MAGIC, version)) for version in (1, VERSION + 1))


@dataclass
class Story:
    """What each command said, in the order of the fields."""

    same_command_twice: Finished
    second_job: Finished
    second_job_taking_over: Finished
    first_job_after_that: Finished
    first_job_again: Finished
    with_a_newer_state: Finished
    patched: int  # newer states in its checkpoint
    first: Job
    second: Job
    after_second: Coefficients  # as the second job left them


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    place = tmp_path_factory.mktemp("ownership")
    mine, theirs, maker = Folder(place / "mine"), Folder(place / "theirs"), Maker()
    first = Job(place / "first", mine.path, MODELS, STREAM, follow=True)
    second = Job(place / "second", theirs.path, MODELS, STREAM, bucket=first.bucket)
    theirs.put(minute(maker, 10))
    with first.start() as running:
        learn(first, mine, running, minute(maker, 0))
        twice, refused = first.run(), second.run()
        taking_over = second.run("--take-over")
        learned = second.coefficients()
        mine.put(minute(maker, 20))
        after = running.wait()
    again = first.run()
    patched = sum(patch(path) for path in first.state.glob("checkpoints/*/chk-*/*"))
    newer = first.run("--take-over")
    return Story(twice, refused, taking_over, after, again, newer, patched, first, second, learned)


def minute(maker: Maker, number: int) -> bytes:
    """A decision, and the heartbeat that closes its window."""
    ms = T + number * MINUTE_MS
    return text([maker.decision(ms, context={"user_id": "u"}), heartbeat(ms + MINUTE_MS)])


def learn(job: Job, folder: Folder, running: Running, lines: bytes) -> None:
    """Put in the lines, and wait until they are published and in a checkpoint."""
    folder.put(lines)
    running.until(lambda: job.committed_ms() > 0, "publish")
    before = job.checkpoints()
    running.until(lambda: job.checkpoints() >= before + 2, "two checkpoints")


def patch(path: Path) -> int:
    """Make the states in a checkpoint's file those of the next version; give how many there are."""
    data = path.read_bytes()
    path.write_bytes(data.replace(WRITTEN, NEWER))
    return data.count(WRITTEN)


def assert_refused(end: Finished, *parts: str) -> None:
    assert_told(end, *parts, code=2)


def assert_failed(end: Finished, *parts: str) -> None:
    assert_told(end, *parts, code=1)


def assert_told(end: Finished, *parts: str, code: int) -> None:
    assert end.code == code, end.err[-4000:]
    assert end.out == ""
    assert "Traceback" not in end.err
    for part in parts:
        assert part in end.err


def test_the_same_command_twice_at_once_is_refused(story: Story) -> None:
    assert_refused(story.same_command_twice, str(story.first.state), "another run")


def test_a_second_job_on_the_bucket_is_refused(story: Story) -> None:
    assert_refused(story.second_job, "owned by", "--take-over")


def test_a_second_job_that_takes_over_goes_on_from_what_was_published(story: Story) -> None:
    assert story.second_job_taking_over.summary["joined"] == 1
    oracle = replay([story.first.events / "events-000000.jsonl", story.second.events], story.second.settings)
    assert_same_coefficients(story.after_second, oracle.coefficients)


def test_the_job_whose_bucket_was_taken_stops_and_says_why(story: Story) -> None:
    assert_failed(story.first_job_after_that, "took the bucket over", "--take-over")


def test_the_job_whose_bucket_was_taken_is_refused_from_then_on(story: Story) -> None:
    assert_refused(story.first_job_again, "owned by", "--take-over")


def test_a_state_of_a_newer_version_is_named(story: Story) -> None:
    """The checkpoint holds it, so it shows when its entity's next window comes."""
    assert story.patched > 0
    assert_failed(story.with_a_newer_state, f"format version {VERSION + 1}", f"this build reads up to {VERSION}")
