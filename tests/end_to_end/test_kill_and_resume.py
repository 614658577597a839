"""kill -9 of the job at random moments, then the same command again: as if nothing had happened."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from lambda_learner.simulate.traffic import LINES_PER_DECISION
from tests.end_to_end.noisy import MODELS, TRAFFIC, Noise
from tests.harness.compare import assert_identities
from tests.harness.job import Finished, Job

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

Undisturbed = tuple[Job, Finished]
KILLS = 3
LATEST = 0.6  # of the traffic's time; later it might end before the kill
TRAFFIC_MS = 1000 * TRAFFIC.decisions * LINES_PER_DECISION / TRAFFIC.rate
MOST_DELAY_SECONDS = 0.3  # after what it was seen to have published
SEED = int(os.environ.get("KILL_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)


class Story(NamedTuple):
    """A job that was killed and started again until it ended, and what it had done at each kill."""

    job: Job
    end: Finished
    kills: list[str]


class Moment(NamedTuple):
    """So long after this close, or a later one, was published."""

    close_ms: int
    delay_seconds: float


def moments() -> Iterator[Moment]:
    """Random moments in order, from a seed that is printed: KILL_SEED=… plays them again."""
    dice = random.Random(SEED)
    for share in sorted(dice.uniform(0, LATEST) for _ in range(KILLS)):
        yield Moment(TRAFFIC.start_ms + int(share * TRAFFIC_MS), dice.uniform(0, MOST_DELAY_SECONDS))


def kill_at(job: Job, moment: Moment) -> str:
    """Start the job, kill all of it once it has published further than before, and up to the moment."""
    close_ms = max(moment.close_ms, job.committed_ms() + 1)
    with job.start() as running:
        running.until(lambda: job.committed_ms() >= close_ms, f"publish of {close_ms}")
        time.sleep(moment.delay_seconds)
        assert running.process.poll() is None, f"it ended before the kill: too fast for KILL_SEED={SEED}"
        running.kill()
    seconds = (job.committed_ms() - TRAFFIC.start_ms) / 1000
    checkpoints = sorted(path.parent.name for path in job.state.glob("checkpoints/*/chk-*/_metadata"))
    return f"killed with {seconds:.0f} s of event time published, checkpoints {checkpoints}"


@pytest.fixture(scope="module")
def story(noise: Noise, tmp_path_factory: pytest.TempPathFactory) -> Story:
    job = noise.job(tmp_path_factory.mktemp("killed"))
    kills = [f"KILL_SEED={SEED}"]
    for moment in moments():
        kills.append(kill_at(job, moment))
    return Story(job, job.run(), kills)


@pytest.fixture(autouse=True)
def _told(story: Story) -> None:
    print("\n".join(story.kills))  # pytest shows it when a test fails


def test_the_summary_is_that_of_an_undisturbed_run(story: Story, undisturbed: Undisturbed) -> None:
    assert story.end.result == undisturbed[1].result


def test_every_counter_is_still_the_truth(story: Story, noise: Noise) -> None:
    truth = noise.truth["counters"]
    assert {name: story.end.summary[name] for name in truth} == truth
    assert_identities(story.end.summary)


def test_the_bucket_is_that_of_an_undisturbed_run_byte_for_byte(story: Story, undisturbed: Undisturbed) -> None:
    mine, theirs = story.job.objects(), undisturbed[0].objects()
    assert mine.keys() == theirs.keys()
    assert [key for key in mine if mine[key] != theirs[key]] == []


def test_the_archive_is_that_of_an_undisturbed_run_byte_for_byte(story: Story, undisturbed: Undisturbed) -> None:
    mine, theirs = story.job.archive(), undisturbed[0].archive()
    assert len(theirs) > len(MODELS)
    assert mine == theirs


@pytest.mark.parametrize("output", ["dead_letters", "orphans", "scores"])
def test_each_line_of_the_outputs_is_there_exactly_once(story: Story, undisturbed: Undisturbed, output: str) -> None:
    assert story.job.lines(output) == undisturbed[0].lines(output)


def test_no_late_row_is_told_twice(story: Story, undisturbed: Undisturbed) -> None:
    """A row may be missing: after a restore the rule that marks them knows no watermark at first."""
    assert Counter(story.job.lines("late")) <= Counter(undisturbed[0].lines("late"))
