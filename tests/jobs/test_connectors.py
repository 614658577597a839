"""The jars of the connectors: which are needed, and what is told of one that is missing."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from config.kafka import KafkaConnection
from config.settings import Settings, Stream
from config.sinks import KafkaSinks, KinesisSinks, Sinks
from deploy.connectors.jars import POM
from jobs import cli
from jobs.connectors import KAFKA, KINESIS, S3, add_jars, jars_of, plugin_of
from jobs.job_state import StateError

CONNECTION = KafkaConnection(bootstrap_servers=("a:1",))
JAR = f"{KAFKA.artifact}-{KAFKA.version}.jar"


def settings(folder: Path) -> Settings:
    sinks = Sinks(kafka=KafkaSinks(connection=CONNECTION, requests="r"))
    return Settings(stream=Stream(sinks=sinks, connectors=str(folder)))


def test_a_job_without_topics_needs_no_connector(tmp_path: Path) -> None:
    assert jars_of(Settings(stream=Stream(connectors=str(tmp_path)))) == []


def test_a_job_that_sends_to_topics_takes_the_connector_along(tmp_path: Path) -> None:
    (tmp_path / JAR).touch()
    (tmp_path / f"{KAFKA.artifact}-9.9.9.jar").touch()
    assert jars_of(settings(tmp_path)) == [tmp_path / JAR]


def test_another_version_that_is_there_is_taken(tmp_path: Path) -> None:
    (tmp_path / f"{KAFKA.artifact}-9.9.9.jar").touch()
    assert jars_of(settings(tmp_path)) == [tmp_path / f"{KAFKA.artifact}-9.9.9.jar"]


def test_a_missing_connector_is_told_with_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(StateError) as raised:
        jars_of(settings(tmp_path))
    for part in ("stream.sinks.kafka needs", JAR, str(tmp_path), "stream.connectors", "make connectors"):
        assert part in str(raised.value)


def test_the_connector_of_kinesis_is_asked_for_by_its_profile(tmp_path: Path) -> None:
    arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/asked"
    given = Stream(sinks=Sinks(kinesis=KinesisSinks(requests=arn)), connectors=str(tmp_path))
    with pytest.raises(StateError, match="run `make connectors PROFILE=kinesis`"):
        jars_of(Settings(stream=given))


@pytest.mark.parametrize(
    ("needs", "told"),
    [
        ("sinks: {kafka: {connection: {bootstrap_servers: 'a:1'}, requests: asked}}", "run `make connectors`"),
        ("checkpoints: s3://bucket/p", "stream.checkpoints needs"),
    ],
)
def test_a_run_without_its_connector_or_plugin_ends_with_that_and_takes_no_bucket(
    tmp_path: Path, needs: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        f"stream: {{{needs}, connectors: {tmp_path}, state: {tmp_path / 'state'}}}\n"
        f"bucket: {{models: 'file:{tmp_path / 'bucket'}'}}\n"
    )
    with pytest.raises(SystemExit) as raised:
        cli.main(["run", "--config", str(config)])
    assert raised.value.code == cli.BAD_USAGE
    assert told in capsys.readouterr().err
    assert not (tmp_path / "bucket").exists()


def test_a_connector_among_the_jars_of_flink_is_not_added(tmp_path: Path) -> None:
    assert jars_of(settings(tmp_path), lambda name: name == KAFKA.class_name) == []


def in_s3(folder: Path) -> Settings:
    return Settings(stream=Stream(checkpoints="s3://bucket/p", connectors=str(folder / "lib")))


def test_checkpoints_in_s3_need_the_plugin_which_is_beside_the_connectors(tmp_path: Path) -> None:
    folder = tmp_path / "plugins" / "s3-fs-hadoop"
    folder.mkdir(parents=True)
    with pytest.raises(StateError) as raised:
        plugin_of(in_s3(tmp_path))
    for part in ("stream.checkpoints needs", f"{S3.artifact}-{S3.version}.jar", str(folder), "run `make connectors`"):
        assert part in str(raised.value)
    jar = folder / f"{S3.artifact}-{S3.version}.jar"
    jar.touch()
    assert plugin_of(in_s3(tmp_path)) == jar
    assert jars_of(in_s3(tmp_path)) == []


def test_checkpoints_in_the_state_folder_need_no_plugin(tmp_path: Path) -> None:
    assert plugin_of(Settings(stream=Stream(connectors=str(tmp_path)))) is None


def test_jars_are_added_by_their_address() -> None:
    added: list[str] = []

    class Env:
        def add_jars(self, *jars: str) -> None:
            added.extend(jars)

    add_jars(Env(), [])
    assert added == []
    add_jars(Env(), [Path("/a/b.jar")])
    assert added == ["file:///a/b.jar"]


def items(root: ET.Element, path: str) -> dict[str, Any]:
    """The artifacts below a path of the pom, each with its version."""
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    properties = {f"${{{each.tag.split('}')[1]}}}": each.text for each in root.findall("m:properties/*", space)}
    found = root.findall(f"{path}/m:plugins/m:plugin/m:configuration/m:artifactItems/m:artifactItem", space)
    texts = [{each.tag.split("}")[1]: each.text for each in item} for item in found]
    return {str(item["artifactId"]): properties[str(item["version"])] for item in texts}


def test_the_pom_resolves_the_same_versions() -> None:
    root = ET.fromstring(POM.read_text())
    space = "{http://maven.apache.org/POM/4.0.0}"
    always = items(root, f"{space}build")
    assert always == {KAFKA.artifact: KAFKA.version, S3.artifact: S3.version}


def test_the_connector_of_kinesis_is_of_a_profile_of_its_own() -> None:
    root = ET.fromstring(POM.read_text())
    space = "{http://maven.apache.org/POM/4.0.0}"
    found = items(root, f"{space}profiles/{space}profile/{space}build")
    assert found == {KINESIS.artifact: KINESIS.version}
