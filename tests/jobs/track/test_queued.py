"""What all sinks share, with a storage that does as little as can be."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from jobs.track.queued import Answer, QueuedSink
from jobs.track.sink import NotStoredError
from jobs.track.waiting import LINE_BYTES, Waiting, WaitingEvents
from lambda_learner.events.accept import Stored

PATIENCE_SECONDS = 10.0
EVENT = Stored(b"{}\n", "key")


@dataclass
class Forgetful:
    """Takes events and answers none."""

    taken: list[Waiting] = field(default_factory=list)
    is_closed: bool = False

    def open(self, answer: Answer, now_ms: int) -> str:
        return "it forgets"

    def store(self, group: list[Waiting], now_ms: int) -> None:
        self.taken += group

    def beat(self, now_ms: int) -> str | None:
        return None

    def wait_ms(self, now_ms: int) -> int:
        return 1_000

    def close(self, now_ms: int) -> None:
        self.is_closed = True


@pytest.fixture
def waiting() -> WaitingEvents:
    events = WaitingEvents(2 * (LINE_BYTES + len(EVENT.line)))
    events.open()
    return events


def test_opening_says_what_the_storage_says() -> None:
    sink = QueuedSink(Forgetful())
    assert sink.open() == "it forgets"
    sink.close()


def test_closing_answers_what_the_storage_has_not() -> None:
    storage = Forgetful()
    sink = QueuedSink(storage)
    sink.open()
    stored = sink.append(EVENT)
    assert (sink.waiting_events, sink.waiting_bytes) == (1, LINE_BYTES + len(EVENT.line))
    sink.close()
    assert storage.is_closed
    assert len(storage.taken) == 1
    with pytest.raises(NotStoredError, match="closed"):
        stored.result(PATIENCE_SECONDS)
    assert (sink.waiting_events, sink.waiting_bytes) == (0, 0)


def test_nothing_is_taken_before_it_is_open() -> None:
    with pytest.raises(NotStoredError, match="closed"):
        QueuedSink(Forgetful()).append(EVENT)


def test_the_first_answer_counts(waiting: WaitingEvents) -> None:
    stored = waiting.append(EVENT)
    group = waiting.gather(0)
    assert group is not None
    waiting.answer(group)
    waiting.answer(group, "too late")
    assert stored.result(0) is None
    assert waiting.waiting_bytes == 0


def test_what_is_gathered_takes_room_until_it_is_answered(waiting: WaitingEvents) -> None:
    waiting.append(EVENT)
    waiting.append(EVENT)
    group = waiting.gather(0)
    assert group is not None
    with pytest.raises(NotStoredError, match="bytes of events wait"):
        waiting.append(EVENT)
    waiting.answer(group[:1])
    waiting.append(EVENT)


def test_two_events_of_one_content_are_answered_each(waiting: WaitingEvents) -> None:
    first, second = waiting.append(EVENT), waiting.append(EVENT)
    group = waiting.gather(0)
    assert group is not None
    waiting.answer(group[1:])
    assert (first.done(), second.done()) == (False, True)


def test_after_the_end_what_was_taken_can_still_be_gathered(waiting: WaitingEvents) -> None:
    waiting.append(EVENT)
    waiting.close()
    assert len(waiting.gather(0) or ()) == 1
    assert waiting.gather(0) is None
