"""The bridge: one session after another, each from what is committed, until it is told to stop.

Who copies a stream is written beside its positions. A bridge that is started takes over; the one before it, whose
transactions fail from then on, finds the other's name there and ends.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from kafka.errors import KafkaError

from jobs.bridge.errors import BridgeError, Fenced
from jobs.bridge.messages import Message, Owner
from jobs.bridge.session import KAFKA, Around, Copied, Session, Writer
from jobs.bridge.transactions import NO_USE

__all__ = ["Bridge", "Log"]

AGAIN_SECONDS: Final = 1.0


class Closing(Writer, Protocol):
    """A writer that is left after use."""

    def close(self) -> None:
        """Leave it."""
        ...


class Log(Protocol):
    """What the bridge needs of Kafka. All raise KafkaError while brokers are away."""

    def check(self) -> None:
        """Have the topics as they must be, or BridgeError."""
        ...

    def read(self, *, waits: bool) -> dict[str, bytes]:
        """What is committed in the topic of positions, behind open transactions too if it waits for their end."""
        ...

    def take_over(self) -> Closing:
        """Become the only writer; what another has not committed never happened."""
        ...


class Bridge:
    """One run of the command."""

    def __init__(self, copied: Copied, log: Log, transactional_id: str, around: Around) -> None:
        self._copied, self._log, self._around = copied, log, around
        self._me = Owner(transactional_id, str(uuid.uuid4()))
        self._is_owner = self._is_checked = self._has_failed = False

    def run(self, stop: threading.Event) -> None:
        """Copy until it is told to stop. BridgeError when it cannot go on; Fenced when another has taken over."""
        while not stop.is_set():
            try:
                with self._session() as session:
                    session.run(stop)
            except NO_USE as error:
                message = f"Kafka refuses: {error}"
                raise BridgeError(message) from error
            except KafkaError as error:
                self._has_failed = True
                self._around.trouble.away(KAFKA, str(error))
                self._around.progress.tell_in_time(self._around.clock_ms())
                stop.wait(AGAIN_SECONDS)

    @contextmanager
    def _session(self) -> Iterator[Session]:
        if not self._is_checked:
            self._log.check()
            self._is_checked = True
        # Before it takes over, which would stop the other. It does not wait here: what a killed bridge has left open
        # stays so for a minute, unless another takes over.
        self._check_owner(self._log.read(waits=False))
        writer = self._log.take_over()
        try:
            found = self._log.read(waits=True)
            self._check_owner(found)
            self._claim(writer, found)
            positions = self._copied.keys.positions(found)
            yield Session(self._copied, writer, positions, self._around, after_failure=self._has_failed)
        finally:
            writer.close()

    def _check_owner(self, found: dict[str, bytes]) -> None:
        text = found.get(self._copied.keys.owner)
        owner = Owner.of_json(text) if text else self._me
        if owner.transactional_id != self._me.transactional_id:
            message = (
                f"bridge.transactional_id: got {self._me.transactional_id}, but the positions of stream "
                f"{self._copied.stream.name} are those of {owner.transactional_id}: set that, so that never two copy "
                "at once, or give bridge.positions_topic another name, which copies the stream anew"
            )
            raise BridgeError(message)
        if self._is_owner and owner != self._me:
            message = (
                f"another bridge with the transactional id {owner.transactional_id} has taken over the stream "
                f"{self._copied.stream.name}: this one ends; all that it had committed stays"
            )
            raise Fenced(message)

    def _claim(self, writer: Writer, found: dict[str, bytes]) -> None:
        if found.get(self._copied.keys.owner) != self._me.to_json():
            key, value = self._copied.keys.owner.encode(), self._me.to_json()
            writer.write([Message(self._copied.positions_topic, key, value, what="the name of the bridge")])
        self._is_owner = True
