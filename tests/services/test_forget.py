"""The job over topics is told by a record whom to forget."""

from __future__ import annotations

import pytest

from config.settings import Settings
from jobs.forget.errors import ForgetError
from jobs.forget.log import tell_the_job
from lambda_learner.events import decode, ksuid
from lambda_learner.events.forgets import forget_line
from lambda_learner.events.schema import Forget
from tests.harness.topic import make_topic

pytestmark = pytest.mark.services

NOW_MS = 1_795_406_033_000
ID = ksuid.encode(NOW_MS // 1000, bytes(16))
LINE = forget_line(ID, "m", ["u1"], received_ms=NOW_MS)


def settings_of(servers: str, topic: str) -> Settings:
    source = {"kind": "kafka", "connection": {"bootstrap_servers": servers}, "topics": [topic, "other"]}
    return Settings.model_validate({"stream": {"source": source}})


def test_the_first_topic_gets_one_record_which_is_the_line(kafka: str) -> None:
    topic = make_topic(kafka, 3)
    assert tell_the_job(settings_of(kafka, topic.name), LINE, ID) == f"Kafka topic {topic.name} at {kafka}"
    (message,) = topic.read()
    event = decode(message.raw, arrival_ms=message.timestamp)
    assert isinstance(event, Forget)
    assert (event.message_id, event.entity) == (ID, '["u1"]')


def test_a_topic_that_is_not_there_is_named(kafka: str) -> None:
    with pytest.raises(ForgetError, match=r"Kafka topic no-such-topic at .* does not take the line .* forget again"):
        tell_the_job(settings_of(kafka, "no-such-topic"), LINE, ID)
