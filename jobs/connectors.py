"""Flink's connectors that a configuration needs: which jar each is in, and whether it is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from config.settings import Settings
from jobs.job_state import StateError

__all__ = ["KAFKA", "KINESIS", "S3", "Connector", "add_jars", "connectors_of", "jars_of", "plugin_of"]


class Connector(NamedTuple):
    """A connector: what of the configuration needs it, its jar at Maven Central, and a class by which it is known.

    `option`: what `make connectors` takes for it.
    """

    needed_by: str
    artifact: str
    version: str
    class_name: str
    option: str = ""


# Built for Flink 2.2; there is none for 2.3 yet, on which it runs. deploy/connectors/pom.xml has the same versions.
KAFKA: Final = Connector(
    "stream.sinks.kafka",
    "flink-sql-connector-kafka",
    "5.0.0-2.2",
    "org.apache.flink.connector.kafka.sink.KafkaSink",
)
# Not every mirror of Maven Central serves it.
KINESIS: Final = Connector(
    "stream.sinks.kinesis",
    "flink-sql-connector-aws-kinesis-streams",
    "6.0.0-2.0",
    "org.apache.flink.connector.kinesis.sink.KinesisStreamsSink",
    " PROFILE=kinesis",
)
# A plugin, which brings a file system: Flink refuses it among the jars of jobs.
S3: Final = Connector(
    "stream.checkpoints", "flink-s3-fs-hadoop", "2.3.0", "org.apache.flink.fs.s3hadoop.S3FileSystemFactory"
)


def connectors_of(settings: Settings) -> list[Connector]:
    """The connectors that the job needs; none for what it reads: topics are read by Python."""
    needed = {KAFKA: settings.stream.sinks.kafka, KINESIS: settings.stream.sinks.kinesis}
    return [connector for connector, section in needed.items() if section is not None]


def jars_of(settings: Settings, has_class: Callable[[str], bool] = lambda _: False) -> list[Path]:
    """The jars to add to the job; StateError says of one that is missing how to get it.

    None is added for a connector that Flink has among its own jars: `has_class` tells whether it knows a class.
    """
    folder = Path(settings.stream.connectors).resolve()
    missing = [each for each in connectors_of(settings) if not has_class(each.class_name)]
    return [_jar(connector, folder, "on a cluster it may also lie in Flink's lib/") for connector in missing]


def plugin_of(settings: Settings) -> Path | None:
    """The jar of the plugin for S3, where a job of this machine needs it; StateError says how to get it.

    It is looked for where `make connectors` puts it, beside the folder of the connectors.
    """
    if settings.checkpoints is None:
        return None
    folder = Path(settings.stream.connectors).resolve().parent / "plugins" / "s3-fs-hadoop"
    return _jar(S3, folder, "a cluster has it in its own plugins/")


def _jar(connector: Connector, folder: Path, on_a_cluster: str) -> Path:
    name = f"{connector.artifact}-{connector.version}.jar"
    others = sorted(folder.glob(f"{connector.artifact}-*.jar"))  # whoever puts another version there wants it
    found = folder / name if (folder / name).is_file() else next(reversed(others), None)
    if found is None:
        at_central = f"org.apache.flink:{connector.artifact}:{connector.version}"
        message = (
            f"{connector.needed_by} needs Flink's connector {name}, which is not in {folder} (stream.connectors): "
            f"run `make connectors{connector.option}`, or take {at_central} from Maven Central; {on_a_cluster}"
        )
        raise StateError(message)
    return found


def add_jars(env: Any, jars: Sequence[Path]) -> None:
    """Have the job take the jars along."""
    if jars:
        env.add_jars(*(f"file://{jar}" for jar in jars))
