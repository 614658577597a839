"""What the job sends to topics is what its bucket and its files have, each record once, though the job was killed."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource

from deploy.services.kafka import Broker
from lambda_learner.events.accept import heartbeat_line
from lambda_learner.publish.store import FolderStore
from lambda_learner.retrain.requests import records
from tests.end_to_end.noisy import MODELS, STREAM, TRAFFIC, make_noise
from tests.harness.feed import Folder
from tests.harness.job import Coefficients, Job
from tests.harness.secured import Secured

pytestmark = [pytest.mark.cluster, pytest.mark.services, pytest.mark.timeout(900)]

DECISIONS: Final = 20_000
TTL_MS: Final = 1_200_000
QUIET_MS: Final = 3_600_000  # of event time after the last line: every window has closed, and every entity is idle
TOPICS: Final = {"coefficients": "learned", "dead_letters": "letters", "requests": "asked"}
LEARNER: Final = {"kind": "linear", "entity": "context.user_id", "entity_ttl": f"{TTL_MS} ms"}
ALL_MODELS: Final = {
    "model-0": {**MODELS["model-0"], "training": {"new_decisions": 4_000}},
    "model-1": {**MODELS["model-1"], "learner": LEARNER},
}


@dataclass(frozen=True)
class Story:
    """A job that was killed once, and what those who read its topics have read, with the job over."""

    job: Job
    truth: Mapping[str, Any]
    read: Mapping[str, list[tuple[str | None, Any]]]
    servers: str
    checkpoints_without_sinks: int


@pytest.fixture(scope="module")
def story(kafka_broker: Broker, secured: Secured, connectors: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    kafka = kafka_broker.address
    noise = make_noise(tmp_path_factory.mktemp("noise") / "events", decisions=DECISIONS)
    folder = tmp_path_factory.mktemp("sent")
    connection = secured.connection(kafka_broker, "PLAIN")
    sinks = {"kafka": {"connection": connection, "max_record_bytes": 100_000} | TOPICS}
    stream = {**STREAM, "sinks": sinks, "connectors": str(connectors)}
    job = Job(folder, folder / "events", ALL_MODELS, stream, follow=True)
    feed = Folder(job.events)
    early, late = noise.halves()
    feed.put(early)
    with job.start() as running:
        running.until(lambda: job.checkpoints() >= 3 and job.committed_ms() > 0 and topic(kafka, "learned"), "records")
        running.kill()
    with job.start() as running:
        feed.put(late + heartbeat_line(TRAFFIC.start_ms + QUIET_MS))
        running.until(lambda: all_is_told(job), "everything learned and dropped")
        before = job.checkpoints()
        running.until(lambda: job.checkpoints() >= before + 2, "two checkpoints")
        running.interrupt(signal.SIGTERM)
        assert running.wait().code == 0
    read = {name: topic(kafka, name) for name in TOPICS.values()}
    return Story(job, noise.truth, read, kafka, checkpoints_without_sinks(folder) - before)


def checkpoints_without_sinks(folder: Path) -> int:
    """How far the job comes when it goes on without its sinks."""
    job = Job(folder, folder / "events", ALL_MODELS, STREAM, follow=True)
    before = job.checkpoints()
    with job.start() as running:
        running.until(lambda: job.checkpoints() > before, "a checkpoint without sinks")
    return job.checkpoints()


def all_is_told(job: Job) -> bool:
    """Whether the entities with a time to live are gone, and those without one are all there."""
    found = Counter(model for model, _ in job.coefficients())
    return job.committed_ms() > TRAFFIC.start_ms + TTL_MS and found["model-1"] == 0 < found["model-0"]


def topic(servers: str, name: str) -> list[tuple[str | None, Any]]:
    """The keys and values of what is committed in a topic."""
    consumer = KafkaConsumer(bootstrap_servers=servers, isolation_level="read_committed", auto_offset_reset="earliest")
    with closing(consumer):
        partitions = [TopicPartition(name, number) for number in consumer.partitions_for_topic(name) or ()]
        ends = consumer.end_offsets(partitions)
        consumer.assign(partitions)
        found = []
        while any(consumer.position(each) < ends[each] for each in partitions):
            for fetched in consumer.poll(timeout_ms=500).values():
                found += [(_text(each.key), each.value and json.loads(each.value)) for each in fetched]
        return found


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode()


def test_the_newest_records_are_the_coefficients_of_the_bucket(story: Story) -> None:
    newest = {key: value for key, value in dict(story.read["learned"]).items() if value is not None}
    expected = story.job.coefficients()
    assert newest.keys() == {f"{model}|{entity}" for model, entity in expected}
    assert {model for model, _ in expected} == {"model-0"}
    assert [key for key, value in newest.items() if not same(value, expected)] == []


def same(value: Mapping[str, Any], expected: Coefficients) -> bool:
    bucket = expected[value["model"], value["entity"]]
    means = {(name, term): mean for name, term, mean, _ in value["coefficients"]}
    return (
        means == dict(zip(bucket.names, bucket.mean.tolist(), strict=True))
        and value["close_ms"] == bucket.close_ms
        and value["count"] == bucket.count
    )


def test_dropped_entities_have_no_value_any_more(story: Story) -> None:
    newest = dict(story.read["learned"])
    assert {key.partition("|")[0] for key, value in newest.items() if value is None and key} == {"model-1"}


def test_the_password_is_in_nothing_that_the_job_has_written(story: Story) -> None:
    written = {path: path.read_bytes() for path in story.job.folder.rglob("*") if path.is_file()}
    assert {path.suffix for path in written} >= {".err", ".out"}
    assert [path for path, text in written.items() if b"w\xc3\xb6rd" in text or b"w\xf6rd" in text] == []


def test_each_state_of_an_entity_was_sent_once(story: Story) -> None:
    sent = Counter((key, value["close_ms"]) for key, value in story.read["learned"] if value is not None)
    assert set(sent.values()) == {1}


def test_each_dead_letter_was_sent_once(story: Story) -> None:
    letters = [value for _, value in story.read["letters"]]
    assert len(letters) == len({letter["position"] for letter in letters}) == story.truth["counters"]["dead_lettered"]
    mine = Counter(letter["reason"] for letter in letters)
    assert mine == Counter(letter["reason"] for letter in whole_letters(story))


def whole_letters(story: Story) -> list[dict[str, Any]]:
    """Those of the files, each once: of what was open when the job was killed there may be more."""
    letters = story.job.dead_letters(with_open=True)
    return list({letter["position"]: letter for letter in letters}.values())


def test_a_dead_letter_that_is_too_long_goes_without_its_raw_bytes(story: Story) -> None:
    whole = {letter["position"]: letter for letter in whole_letters(story)}
    cut = [value for _, value in story.read["letters"] if "raw" not in value and "raw_base64" not in value]
    assert [letter["reason"] for letter in cut] == ["too_large"]
    for letter in cut:
        assert letter.pop("characters") > 1_000_000
        assert letter == {name: text for name, text in whole[letter["position"]].items() if name != "raw"}
    kept = [value for _, value in story.read["letters"] if "raw" in value]
    assert [letter for letter in kept if letter != whole[letter["position"]]] == []


def test_each_request_was_sent_once(story: Story) -> None:
    expected = sorted(each.request.request_id for each in records(FolderStore(story.job.folder / "train")))
    assert sorted(value["request_id"] for _, value in story.read["asked"]) == expected != []
    assert {key for key, _ in story.read["asked"]} == {"model-0"}


def test_the_job_goes_on_without_its_sinks(story: Story) -> None:
    assert story.checkpoints_without_sinks > 0


def test_the_topic_of_coefficients_is_compacted(story: Story) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=story.servers)) as admin:
        asked = ConfigResource("topic", "learned", ["cleanup.policy"])
        found = admin.describe_configs([asked], config_filter="all")
    assert found["topic"]["learned"]["cleanup.policy"]["value"] == "compact"
