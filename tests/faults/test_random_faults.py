"""A job that is killed, cut off, starved and damaged by a random schedule learns what an undisturbed one would.

FAULT_SEEDS names the schedules: `3`, `0-9` (the default), `3 17`, or `random` for ten new ones.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from lambda_learner.archive.reader import ArchiveReader, ReaderSettings
from lambda_learner.publish.store import open_store
from tests.end_to_end.noisy import MODELS, STREAM, TRAFFIC, Noise, make_noise
from tests.faults.chaos import Chaos, Parts, connect, folder_of
from tests.harness.compare import assert_identities, assert_same_coefficients, assert_same_counters, assert_same_scores
from tests.harness.fault_plan import Schedule, schedule, seeds_of_environment
from tests.harness.feed import Folder
from tests.harness.feeder import PARTITIONS, Feeder, FolderFeeder, TopicFeeder, closing_beat
from tests.harness.flaky_proxy import FlakyProxy
from tests.harness.full_disk import small_disk
from tests.harness.job import Finished, Job
from tests.harness.mangled import mangled
from tests.harness.oracle import Oracle, replay
from tests.harness.topic import make_topic

pytestmark = [pytest.mark.cluster, pytest.mark.services, pytest.mark.timeout(900)]

# None is late, so that a replay which knows no lateness is an oracle too: what the job then calls late is a fault.
QUIET = replace(TRAFFIC, late=0.0, rate=100.0)
DECISIONS = 12_000
# Counters which duplicates and lines that were cut off do not change.
LASTING_TRUTH = ("joined", "credited", "orphan_rewards", "excess_rewards", "learned_records")
GOES_BACK = "damaged_checkpoint"


@dataclass(frozen=True)
class Story:
    """A schedule that is over, and what must have come of it."""

    schedule: Schedule
    chaos: Chaos
    end: Finished
    oracle: Oracle
    truth: Any

    @property
    def job(self) -> Job:
        return self.chaos.job


@pytest.fixture(scope="module", params=seeds_of_environment(), ids=lambda seed: f"FAULT_SEEDS={seed}")
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    plan, place = schedule(request.param), tmp_path_factory.mktemp("faults")
    print(plan)  # pytest shows it when something fails
    noise = make_noise(place / "noise", DECISIONS, traffic=QUIET, seed=plan.seed)
    with ExitStack() as stack:
        stack.callback(lambda: print("\n".join(chaos.supervised.told)))
        chaos = story_of(plan, noise, place, request, stack)
        stack.callback(chaos.supervised.close)
        oracle = replay([log_of(chaos.lines, place)], chaos.job.settings)
        learned = sum(state.count for state in oracle.coefficients.values())
        yield Story(plan, chaos, chaos.run(learned), oracle, noise.truth)


def story_of(plan: Schedule, noise: Noise, place: Path, request: pytest.FixtureRequest, stack: ExitStack) -> Chaos:
    """The job with its parts and its input; nothing is started but servers."""
    lines = mangled(next(noise.events.iterdir()).read_bytes().split(b"\n")[:-1], random.Random(plan.seed))
    feeder, source, broker = source_of(plan, place, request)
    job = Job(place / "job", place / "events", MODELS, STREAM, follow=True, source=source)
    parts = parts_of(plan, place, request, stack, job)
    return Chaos(plan, job, replace(parts, broker=broker), feeder, lines)


def source_of(plan: Schedule, place: Path, request: pytest.FixtureRequest) -> tuple[Feeder, dict[str, Any], Any]:
    """What is fed, the job's section about it, and the broker."""
    if plan.source == "folder":
        return FolderFeeder(Folder(place / "events")), {}, None
    broker = request.getfixturevalue("kafka_broker")
    topic = make_topic(broker.address, PARTITIONS)
    source = {"kind": "kafka", "connection": {"bootstrap_servers": broker.address}, "topics": topic.name}
    return TopicFeeder(topic), source, broker


def parts_of(plan: Schedule, place: Path, request: pytest.FixtureRequest, stack: ExitStack, job: Job) -> Parts:
    """The buckets: in folders on a small disk, or on an S3 server behind a road that can be closed."""
    if plan.bucket == "folder":
        try:
            disk = stack.enter_context(small_disk(place / "disk"))
        except PermissionError:
            disk = None
        models, train = (folder_of(place / "disk" / name) for name in ("models", "train"))
        connect(job, models, train)
        return Parts(models, train, disk=disk)
    s3, server = request.getfixturevalue("s3_of_session"), request.getfixturevalue("s3_server")
    patched = stack.enter_context(pytest.MonkeyPatch.context())
    for variable, value in s3.environ.items():
        patched.setenv(variable, value)
    road = stack.enter_context(FlakyProxy(int(server.address.rpartition(":")[2])))
    address, _, options = s3.new_url().partition("?")
    connect(job, f"{address}/models", f"{address}/train", road.address)
    return Parts(f"{address}/models?{options}", f"{address}/train?{options}", server=server, road=road)


def log_of(lines: list[bytes], place: Path) -> Path:
    """A file of all that is put in, for the oracle."""
    path = place / "whole.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in [*lines, closing_beat(lines)]))
    return path


@pytest.fixture(autouse=True)
def _told(story: Story) -> None:
    print(story.schedule, *story.chaos.supervised.told, sep="\n")


def test_every_counter_is_that_of_a_replay(story: Story) -> None:
    assert story.end.summary["in_open_windows"] == 0
    assert_same_counters(story.end.summary, story.oracle)


def test_every_counter_that_cannot_change_on_the_way_is_the_truth(story: Story) -> None:
    truth = story.truth["counters"]
    assert {name: story.end.summary[name] for name in LASTING_TRUTH} == {name: truth[name] for name in LASTING_TRUTH}
    assert_identities(story.end.summary)


def test_every_reward_is_the_truth(story: Story) -> None:
    assert story.oracle.rewards == story.truth["rewards"]
    labels = Counter((row["model"], row["decision_id"]) for row in story.job.scores())
    assert set(labels.values()) == {1}
    found = {(row["model"], row["decision_id"]): row["label"] for row in story.job.scores()}
    assert {key: found[key] for key in expected_labels(story)} == pytest.approx(expected_labels(story), abs=1e-12)


def expected_labels(story: Story) -> dict[tuple[str, str], float]:
    """Of the logistic model, whether there was a reward; of the linear one, what it was."""
    rewards = story.truth["rewards"]
    logistic = {("model-0", each): 1.0 if reward > 0 else -1.0 for each, reward in rewards["model-0"].items()}
    return logistic | {("model-1", each): reward for each, reward in rewards["model-1"].items()}


def test_every_score_is_that_of_a_replay(story: Story) -> None:
    assert_same_scores(story.job.scores(), story.oracle.scores)


def test_the_coefficients_are_those_of_a_replay(story: Story) -> None:
    assert_same_coefficients(story.chaos.parts.published(), story.oracle.coefficients)


def test_flink_has_dropped_nothing_as_late(story: Story) -> None:
    assert story.chaos.supervised.dropped
    assert set(story.chaos.supervised.dropped) == {0}


def test_every_dead_letter_is_told(story: Story) -> None:
    letters = [orjson.loads(letter) for letter in set(story.job.lines("dead_letters", with_open=True))]
    assert Counter(letter["reason"] for letter in letters) == story.oracle.dead_letters


def test_every_orphan_is_told(story: Story) -> None:
    orphans = [orjson.loads(orphan) for orphan in set(story.job.lines("orphans", with_open=True))]
    assert sum(len(orphan["rewards"]) for orphan in orphans) == story.truth["counters"]["orphan_rewards"]


@pytest.mark.parametrize("output", ["dead_letters", "orphans"])
def test_nothing_is_told_twice_in_parts_that_are_complete(story: Story, output: str) -> None:
    """But what came since the checkpoint that a damaged one made the job go back to."""
    told = Counter(story.job.lines(output))
    went_back = any(strike.fault == GOES_BACK for strike in story.schedule.strikes)
    assert went_back or set(told.values()) <= {1}


def test_the_archive_has_each_decision_and_reward(story: Story) -> None:
    store = open_store(story.chaos.parts.train)
    for model, decisions in story.oracle.rewards.items():
        archived = {
            row["decision_id"]: set(orjson.loads(row["rewards"]))
            for table in ArchiveReader(store, model, ReaderSettings(partial_rows=True))
            for row in table.to_pylist()
        }
        assert set(decisions) <= set(archived)
        rewards = rewards_of(story.oracle, model)
        assert {each for each, ids in rewards.items() if not ids <= archived[each]} == set()


def rewards_of(oracle: Oracle, model: str) -> dict[str, set[str]]:
    """The message ids of the rewards of each decision id that came by its deadline."""
    rows = ((key, row) for (_, of, key), row in oracle.rows.items() if of == model and row.rewards)
    return {key: {copy.message_id for copy in row.rewards} for key, row in rows}
