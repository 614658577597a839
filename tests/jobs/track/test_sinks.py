from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from jobs.track.event_folder import TrackError
from jobs.track.sinks import event_folder, open_sink

NOWHERE = "127.0.0.1:1"
SASL = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "username": "me"}


def settings_of(sink: dict[str, Any], **stream: Any) -> Settings:
    return Settings.model_validate({"stream": stream, "track": {"sink": sink}})


def kafka(**connection: Any) -> dict[str, Any]:
    return {"kind": "kafka", "topic": "events", "connection": {"bootstrap_servers": [NOWHERE], **connection}}


def nothing() -> None:
    """No bug is expected."""


def test_without_a_kind_events_go_to_files(tmp_path: Path) -> None:
    sink, where = open_sink(settings_of({"folder": str(tmp_path)}), nothing)
    sink.close()
    assert where == f"event files in {tmp_path}"


def test_a_stream_is_in_the_region_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    stream = {"kind": "kinesis", "stream": "events", "endpoint": f"http://{NOWHERE}"}
    for region, expected in ((None, "us-east-1"), ("eu-west-1", "eu-west-1")):
        sink, where = open_sink(settings_of({**stream, "region": region}), nothing)
        sink.close()
        assert where == f"Kinesis stream events in {expected}"


def test_events_larger_than_a_record_are_refused_at_the_start() -> None:
    settings = settings_of({"kind": "kinesis", "stream": "events"}, max_message_bytes=2_000_000)
    with pytest.raises(TrackError, match=r"stream.max_message_bytes: got 2000000; Kinesis takes at most 1047552"):
        open_sink(settings, nothing)


def test_a_password_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_PASSWORD", raising=False)
    with pytest.raises(TrackError, match=r"track.sink.connection.password: .*variable NO_SUCH_PASSWORD"):
        open_sink(settings_of(kafka(**SASL, password={"env": "NO_SUCH_PASSWORD"})), nothing)


@pytest.mark.parametrize(
    ("kind", "sink", "library"),
    [("kafka", kafka(), "kafka"), ("kinesis", {"kind": "kinesis", "stream": "events"}, "boto3")],
)
def test_a_library_that_is_missing_is_told_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, kind: str, sink: dict[str, Any], library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, "jobs.track.kafka_sink", raising=False)
    with pytest.raises(TrackError, match=rf"pip install 'lambda-learner-flink\[{kind}\]'"):
        open_sink(settings_of(sink), nothing)


def test_event_files_go_where_the_job_reads_unless_a_folder_is_given() -> None:
    assert event_folder(settings_of({}, source={"path": "in"})) == Path("in")
    assert event_folder(settings_of({"folder": "out"}, source={"path": "in"})) == Path("out")


def test_a_source_that_is_one_file_needs_a_folder_for_the_endpoint(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.touch()
    with pytest.raises(TrackError, match=r"got the file .*events.jsonl: set `track.sink.folder`"):
        event_folder(settings_of({}, source={"path": str(path)}))


def test_a_job_that_reads_elsewhere_leaves_the_folder_to_the_endpoint() -> None:
    source = {"kind": "kafka", "connection": {"bootstrap_servers": NOWHERE}, "topics": "events"}
    with pytest.raises(TrackError, match="the job reads from kafka, so event files need a folder"):
        event_folder(settings_of({}, source=source))
    assert event_folder(settings_of({"folder": "out"}, source=source)) == Path("out")
