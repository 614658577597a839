from __future__ import annotations

from pathlib import Path

import pytest

import config
from config.load import load
from config.policies import trigger_settings
from config.source import KafkaSource
from config.track import KafkaSink
from config.warnings import warnings_of
from jobs.demo_kafka.app import REWARD_AFTER_S
from jobs.demo_kafka.story import LAST_WINDOWS_SECONDS
from jobs.demo_kafka.surroundings import Places, configuration, given, served
from jobs.demo_kafka.traffic import MODEL

SHIPPED = Path(config.__file__).parent / "demo_kafka.yaml"
PLACES = Places("127.0.0.1:4001", "http://127.0.0.1:4002", "events-1", "bucket-1", 4003)


def test_the_shipped_configuration_is_right_as_it_stands() -> None:
    settings = load(SHIPPED)
    assert warnings_of(settings) == []
    assert list(settings.models) == [MODEL]
    assert trigger_settings(settings, MODEL).new_decisions


def test_rewards_come_within_the_window_and_the_last_windows_are_waited_for() -> None:
    settings = load(SHIPPED)
    model, stream = settings.models[MODEL], settings.stream
    assert REWARD_AFTER_S[1] * 1000 < model.reward.window_ms
    closes_ms = model.reward.window_ms + model.learner.update_interval_ms + stream.out_of_orderness_ms
    assert closes_ms + stream.publish_interval_ms < LAST_WINDOWS_SECONDS * 1000


def test_the_copy_has_the_places_of_the_services(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(configuration(SHIPPED.read_text(), PLACES, tmp_path / "state"))
    settings = load(file)
    source, sink = settings.stream.source, settings.track.sink
    assert isinstance(source, KafkaSource)
    assert isinstance(sink, KafkaSink)
    assert source.connection.bootstrap_servers == sink.connection.bootstrap_servers == ("127.0.0.1:4001",)
    assert source.topics == ("events-1",)
    assert sink.topic == "events-1"
    assert settings.bucket.models == "s3://bucket-1/models?endpoint=http://127.0.0.1:4002&region=us-east-1"
    assert settings.bucket.train == "s3://bucket-1/train?endpoint=http://127.0.0.1:4002&region=us-east-1"
    assert (settings.track.port, settings.stream.state) == (4003, str(tmp_path / "state"))


def test_all_else_of_the_copy_is_as_shipped(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(configuration(SHIPPED.read_text(), PLACES, tmp_path / "state"))
    copy, shipped = load(file), load(SHIPPED)
    assert (copy.models, copy.training) == (shipped.models, shipped.training)
    assert copy.stream.publish_interval_ms == shipped.stream.publish_interval_ms


@pytest.mark.parametrize(
    ("environ", "there"),
    [
        ({}, []),
        ({"KAFKA_BOOTSTRAP": "kafka:9092"}, ["kafka"]),
        ({"KAFKA_BOOTSTRAP": "", "S3_ENDPOINT": "http://s3:9000"}, ["s3"]),
    ],
)
def test_services_that_the_environment_names_are_used(environ: dict[str, str], there: list[str]) -> None:
    assert given(environ) == there


def test_a_service_of_the_environment_is_not_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "kafka:9092")
    with served("kafka", tmp_path / "kafka") as address:
        assert address == "kafka:9092"
    assert list((tmp_path / "kafka").iterdir()) == []
