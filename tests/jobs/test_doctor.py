from __future__ import annotations

from pathlib import Path

import pytest

from jobs import cli, doctor
from jobs.java import JavaNotFound
from jobs.job_state import JobState
from lambda_learner.publish import FolderStore, claim, open_store
from lambda_learner.publish.keys import manifest_key
from tests.harness.s3 import S3


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with which all is well."""
    monkeypatch.setattr(doctor, "find_java", lambda: Path("/java"))
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "1").touch()
    path = tmp_path / "config.yaml"
    path.write_text(
        f"stream: {{source: {{path: {tmp_path / 'events'}}}, state: {tmp_path / 'state'}}}\n"
        f"bucket: {{models: 'file:{tmp_path / 'bucket'}'}}\n"
    )
    return path


def report(capsys: pytest.CaptureFixture[str], config: Path, *, code: int) -> dict[str, str]:
    """The verdict and text of each part."""
    with pytest.raises(SystemExit) as raised:
        cli.main(["doctor", "--config", str(config)])
    assert raised.value.code == code
    lines = (line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    return {rest.partition(":")[0]: f"{verdict}{rest.partition(':')[2]}" for verdict, rest in lines}


def test_a_job_with_which_all_is_well_passes_each_check(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = report(capsys, config, code=0)
    assert list(found) == ["configuration", "java", "input", "bucket", "state"]
    assert found["java"] == "ok /java"
    assert found["input"] == f"ok 1 files in {tmp_path / 'events'}"
    assert found["bucket"].endswith("is writable, of no job yet, 0 shards in order")
    assert found["state"].endswith("newest checkpoint: none")


def test_the_check_of_the_bucket_leaves_nothing_in_it(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report(capsys, config, code=0)
    assert list(FolderStore(tmp_path / "bucket").list("")) == []


def test_it_says_whose_the_bucket_is(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = JobState(tmp_path / "state")
    state.folder.mkdir()
    claim(FolderStore(tmp_path / "bucket"), state.owner_id(), take_over=False)
    assert report(capsys, config, code=0)["bucket"].endswith("of this job, 0 shards in order")
    claim(FolderStore(tmp_path / "bucket"), "thief", take_over=True)
    assert report(capsys, config, code=1)["bucket"].endswith("of another job (thief): run would need --take-over")


def test_a_damaged_manifest_is_found(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = manifest_key("m", "0123456789ab", 0)
    FolderStore(tmp_path / "bucket").put(key, b'{"form')
    found = report(capsys, config, code=1)["bucket"]
    assert found.startswith("FAIL")
    assert f"{key} is damaged" in found


def test_each_part_is_checked_though_another_fails(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_java() -> Path:
        message = "Flink needs Java 17 or 21"
        raise JavaNotFound(message)

    monkeypatch.setattr(doctor, "find_java", find_java)
    (tmp_path / "events" / "1").unlink()
    (tmp_path / "bucket").touch()
    found = report(capsys, config, code=1)
    assert found["java"] == "FAIL Flink needs Java 17 or 21"
    assert found["input"] == f"FAIL no event files in {tmp_path / 'events'}"
    assert found["bucket"].startswith("FAIL cannot write")
    assert found["state"].startswith("ok")


def test_a_followed_folder_may_be_empty(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "events" / "1").unlink()
    config.write_text(config.read_text().replace("}, state", ", follow: true}, state"))
    assert report(capsys, config, code=0)["input"].endswith("0 files in " + str(tmp_path / "events") + ", followed")


def test_a_state_folder_that_a_run_holds_fails(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with JobState(tmp_path / "state").locked():
        assert "another run is using" in report(capsys, config, code=1)["state"]


def test_the_newest_checkpoint_is_told(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = tmp_path / "state" / "checkpoints" / "j" / "chk-7"
    checkpoint.mkdir(parents=True)
    (checkpoint / "_metadata").touch()
    assert report(capsys, config, code=0)["state"].endswith(f"newest checkpoint: file://{checkpoint}")


def test_warnings_are_shown_and_fail_nothing(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(config.read_text() + "models: {m: {learner: {features: [context.hour]}}}\n")
    assert report(capsys, config, code=0)["models.m.learner.features"].startswith("warn context.hour is of the context")


def test_a_connector_that_is_missing_is_told(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kafka = "{connection: {bootstrap_servers: 'a:1'}, requests: asked}"
    text = config.read_text().replace("stream: {", f"stream: {{sinks: {{kafka: {kafka}}}, connectors: {tmp_path}, ")
    config.write_text(text)
    assert "run `make connectors`" in report(capsys, config, code=1)["sinks"]
    jar = tmp_path / "flink-sql-connector-kafka-5.0.0-2.2.jar"
    jar.touch()
    assert report(capsys, config, code=0)["sinks"] == f"ok requests by {jar}"


def test_a_plugin_that_is_missing_is_told(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoints = f"stream: {{checkpoints: 's3://bucket/p?endpoint=http://127.0.0.1:9', connectors: {tmp_path}, "
    config.write_text(config.read_text().replace("stream: {", checkpoints))
    assert "run `make connectors`" in report(capsys, config, code=1)["checkpoints"]


@pytest.mark.services
def test_checkpoints_in_s3_are_tried(config: Path, tmp_path: Path, s3: S3, capsys: pytest.CaptureFixture[str]) -> None:
    jar = tmp_path / "plugins" / "s3-fs-hadoop" / "flink-s3-fs-hadoop-2.3.0.jar"
    jar.parent.mkdir(parents=True)
    jar.touch()
    url = s3.new_url()
    checkpoints = f"stream: {{checkpoints: '{url}', connectors: {tmp_path / 'lib'}, "
    config.write_text(config.read_text().replace("stream: {", checkpoints))
    found = report(capsys, config, code=0)
    assert found["checkpoints"] == f"ok {url} is writable, by {jar}"
    assert found["state"].endswith("newest checkpoint: none")
    assert list(open_store(url).list("")) == []
