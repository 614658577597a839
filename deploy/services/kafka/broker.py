"""The broker: its settings, its storage formatted without a JVM of its own, and its process.

It starts in three to five seconds, most of which are class loading; a format by Kafka's own tool, which is a JVM or
two more, would double that. What is formatted are two lines of identity: the broker makes the rest.
"""

from __future__ import annotations

import base64
import uuid
from pathlib import Path
from typing import Final, NamedTuple

from deploy.services.kafka.jars import class_path
from deploy.services.process import Process, ServiceError
from jobs.java import JavaNotFound, find_java
from jobs.ports import free_ports

__all__ = ["Broker", "Login"]

_HERE: Final = Path(__file__).parent
_READY: Final = "Kafka Server started"
# A small heap and the simplest collector and compiler: it serves tests, and starts faster so.
_JVM: Final = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
# One node has one replica of everything: without these, groups and transactions would wait for three. The broker that
# was killed is waited for as long as its session lasts, 9 s by default.
_ONE_NODE: Final = """
process.roles=broker,controller
node.id=1
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.max.timeout.ms=3600000
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
"""


class Login(NamedTuple):
    """Who may connect over TLS, by PLAIN or, once the broker is told so, SCRAM; the certificate, PEM with its key."""

    certificate: Path
    user: str
    password: str

    def settings(self) -> str:
        """Those of the broker's listener."""
        sasl, login = "listener.name.sasl_ssl", "org.apache.kafka.common.security"
        password = self.password.replace("\\", "\\\\").replace('"', '\\"')
        return (
            f"ssl.keystore.type=PEM\nssl.keystore.location={self.certificate}\n"
            "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512\n"
            f"{sasl}.scram-sha-512.sasl.jaas.config={login}.scram.ScramLoginModule required;\n"
            f"{sasl}.plain.sasl.jaas.config={login}.plain.PlainLoginModule required "
            f'user_{self.user}="{_property(password)}";\n'
        )


class Broker:
    """A broker with its data in a folder; killed or stopped, it can be started again with the same data and address.

    Topics are not made by asking for them. Transactions may last an hour, as Flink's do by default. With a login it
    listens at `secured_address` too.
    """

    def __init__(self, folder: Path, login: Login | None = None) -> None:
        """Format the folder; nothing runs yet. Raises ServiceError without a Java or the jars."""
        self._folder, self._login = folder, login
        port, secured, controller = free_ports(3)
        self.address, self.secured_address = f"127.0.0.1:{port}", f"127.0.0.1:{secured}"
        settings = self._format(port, controller)
        try:
            java = find_java() / "bin" / "java"
        except JavaNotFound as error:
            raise ServiceError(str(error)) from error
        log = f"-Dlog4j2.configurationFile={_HERE / 'log4j2.properties'}"
        command = [str(java), *_JVM, "-cp", class_path(), log, "kafka.Kafka", str(settings)]
        self.process = Process(command, folder, ready=lambda text: _READY in text, environ={})

    def start(self) -> None:
        """Start it; it takes requests when this returns."""
        self.process.start()

    def stop(self) -> None:
        """End it in order."""
        self.process.stop()

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()

    def _format(self, port: int, controller: int) -> Path:
        data = self._folder / "data"
        data.mkdir(parents=True)
        identity = {"version": "1", "cluster.id": _id(), "node.id": "1", "directory.id": _id()}
        (data / "meta.properties").write_text("".join(f"{key}={value}\n" for key, value in identity.items()))
        settings = self._folder / "server.properties"
        clients = f"PLAINTEXT://{self.address}"
        secured = ""
        if self._login is not None:
            clients += f",SASL_SSL://{self.secured_address}"
            secured = self._login.settings()
        settings.write_text(
            f"{_ONE_NODE}log.dirs={data}\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n"
            f"listeners={clients},CONTROLLER://127.0.0.1:{controller}\nadvertised.listeners={clients}\n{secured}"
        )
        return settings


def _property(text: str) -> str:
    """A text as a file of properties has it."""
    return "".join(each if " " <= each <= "~" and each != "\\" else f"\\u{ord(each):04x}" for each in text)


def _id() -> str:
    """An id as Kafka writes them: 16 bytes in 22 characters; one that begins with a dash is not allowed."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text
