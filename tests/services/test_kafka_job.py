"""The job over topics gives what it gives over a file of the same lines, though it is killed and Kafka is away."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from deploy.services.kafka import Broker
from lambda_learner.archive.reader import ArchiveReader, ReaderSettings
from lambda_learner.events.accept import heartbeat_line
from lambda_learner.publish.coefficients import EntityCoefficients
from lambda_learner.publish.store import FolderStore
from operators.files import plan_folder, read_chunk
from tests.end_to_end.noisy import MODELS, STREAM, Noise, make_noise
from tests.harness.compare import assert_identities
from tests.harness.job import Finished, Job, Running
from tests.harness.secured import Secured
from tests.harness.topic import TestTopic, make_topic

pytestmark = [pytest.mark.cluster, pytest.mark.services, pytest.mark.timeout(900)]

PARTITIONS = 3
AWAY_SECONDS = 5.0
IN_STEP = 500  # lines, of less than two seconds
QUIET_MS = 3_600_000  # of event time after the last line: every window has closed
GROUP = "the-job"
MAX_BYTES = 1 << 22  # lines that are too long for the job are sent nevertheless


class Story(NamedTuple):
    """A job over topics that went through a kill and a pause of the broker, beside one over a file."""

    job: Job
    end: Finished
    file_job: Job
    file_end: Finished
    topic: TestTopic
    lines: int


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Noise:
    return make_noise(tmp_path_factory.mktemp("noise") / "events", decisions=20_000)


@pytest.fixture(scope="module")
def story(noise: Noise, kafka_broker: Broker, secured: Secured, tmp_path_factory: pytest.TempPathFactory) -> Story:
    file_job = noise.job(tmp_path_factory.mktemp("file"))
    file_end = file_job.run()
    learned = seen(file_job)
    topic = make_topic(kafka_broker.address, PARTITIONS)
    connection = secured.connection(kafka_broker, "SCRAM-SHA-512")
    source = {"kind": "kafka", "connection": connection, "topics": topic.name, "group": GROUP}
    job = Job(tmp_path_factory.mktemp("topics"), noise.events, MODELS, STREAM, source=source)
    sending = send(topic, noise)
    next(sending)
    with job.start() as running:
        running.until(lambda: job.checkpoints() >= 1 and job.committed_ms() > 0, "publish")
        running.kill()
    with job.start() as running:
        next(sending)
        running.until(lambda: job.checkpoints() >= 2, "checkpoints")
        kafka_broker.kill()
        time.sleep(AWAY_SECONDS)
        kafka_broker.start()
        lines = next(sending)
        running.until(lambda: seen(job) == learned, f"{learned} decisions")
        end = ended(job, running)
    return Story(job, end, file_job, file_end, topic, lines)


def send(topic: TestTopic, noise: Noise) -> Iterator[int]:
    """Send the lines in three goes, each in the partition of its decision at its time of arrival."""
    lines = [line.data for chunk in plan_folder(str(noise.events)) for line in read_chunk(chunk)]
    at_ms, part = 0, -(-len(lines) // 3)
    for start in range(0, len(lines), part):
        producer = KafkaProducer(bootstrap_servers=topic.servers, linger_ms=20, max_request_size=MAX_BYTES)
        with closing(producer):
            for number, line in enumerate(lines[start : start + part]):
                key, at_ms = key_and_time(line, at_ms)
                producer.send(topic.name, line, key=key, timestamp_ms=at_ms)
                if number % IN_STEP == 0:
                    producer.flush()  # a partition that is back later than others must not be far behind them
            if start + part >= len(lines):
                for partition in range(PARTITIONS):
                    quiet_ms = at_ms + QUIET_MS
                    beat = heartbeat_line(quiet_ms).rstrip()
                    producer.send(topic.name, beat, partition=partition, timestamp_ms=quiet_ms)
            producer.flush()
        yield len(lines) + PARTITIONS


def key_and_time(line: bytes, before_ms: int) -> tuple[bytes | None, int]:
    try:
        fields = orjson.loads(line)
        key = fields.get("decision_id") or fields.get("message_id")
        return str(key).encode(), max(int(fields["received_at"]), before_ms)
    except (ValueError, KeyError, AttributeError, TypeError):
        return None, before_ms


def seen(job: Job) -> int:
    return sum(entity.count for entity in job.coefficients().values())


def ended(job: Job, running: Running) -> Finished:
    before = job.checkpoints()
    running.until(lambda: job.checkpoints() >= before + 2, "two checkpoints")
    running.interrupt(signal.SIGTERM)
    return running.wait()


def test_every_counter_is_that_of_the_file(story: Story) -> None:
    mine, theirs = dict(story.end.result), dict(story.file_end.result)
    assert mine.pop("in_open_windows") == 0
    assert mine.pop("heartbeats") == theirs.pop("heartbeats") + PARTITIONS
    assert mine.pop("lines") == theirs.pop("lines") + PARTITIONS == story.lines
    assert mine == theirs
    assert_identities(story.end.summary)


def test_the_coefficients_are_those_of_the_file(story: Story) -> None:
    mine, theirs = story.job.coefficients(), story.file_job.coefficients()
    assert mine.keys() == theirs.keys()
    assert [key for key in mine if not same(mine[key], theirs[key])] == []


def same(one: EntityCoefficients, other: EntityCoefficients) -> bool:
    return one.names == other.names and np.array_equal(one.mean, other.mean) and one.count == other.count


def test_every_dead_letter_says_where_it_stands(story: Story) -> None:
    positions = {letter["position"].rpartition(":")[0] for letter in story.job.dead_letters(with_open=True)}
    assert positions == {f"{story.topic.name}-{partition}" for partition in range(PARTITIONS)}
    reasons = Counter(letter["reason"] for letter in story.job.dead_letters(with_open=True))
    assert reasons == story.file_job.reasons()


def test_the_group_is_told_how_far_the_job_is(story: Story) -> None:
    with closing(KafkaConsumer(bootstrap_servers=story.topic.servers, group_id=GROUP)) as consumer:
        committed = [consumer.committed(TopicPartition(story.topic.name, each)) for each in range(PARTITIONS)]
    assert sum(at or 0 for at in committed) > story.lines // 2


def test_the_archive_has_each_decision_and_reward(story: Story) -> None:
    assert archived_names(story.job.folder) == archived_names(story.file_job.folder)


def archived_names(folder: Path) -> dict[str, dict[str, str]]:
    """The rewards of each decision that is in the archive, by model."""
    store = FolderStore(folder / "train")
    return {
        model: {
            row["decision_id"]: f"{row['item']} {row['rewards']}"
            for table in ArchiveReader(store, model, ReaderSettings(partial_rows=True))
            for row in table.to_pylist()
        }
        for model in MODELS
    }
