"""The archive and those who are forgotten."""

from __future__ import annotations

import pytest

from lambda_learner.archive.forgotten import add_forgotten, forgotten_key
from lambda_learner.archive.load import load
from lambda_learner.archive.partition import partitions
from lambda_learner.events import ksuid as ksuids
from lambda_learner.policy import Policies
from operators.archive import Archive
from operators.files import Line
from operators.forgotten import LOOK_MS, ForgottenEntities, UnknownForgotten
from operators.parse import Parsed, Parser
from tests.harness.archive import MemoryStore
from tests.harness.cases import POLICY, T0_MS, decision_line, forgetting_line, ksuid, reward_line

U = '["u"]'
POLICIES = Policies({}, POLICY)


class Clock:
    """A wall clock that is set by hand."""

    def __init__(self) -> None:
        self.ms = 0

    def __call__(self) -> int:
        return self.ms


def parse(*lines: bytes) -> Parsed:
    parser = Parser(POLICIES, max_message_bytes=1000, max_clock_skew_ms=0)
    return parser.parse([Line(0, each) for each in lines], source="f", arrival_ms=T0_MS + 10**9)


def archived(store: MemoryStore) -> set[str]:
    """The ids of the rows in the archive."""
    ids: set[str] = set()
    for file in partitions(store, "m"):
        checked = load(store, file.key, latest_id=ksuids.MAX)
        assert checked is not None
        ids.update(checked.sound["decision_id"].to_pylist())
    return ids


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def test_the_decisions_of_before_are_left_out(store: MemoryStore) -> None:
    add_forgotten(store, "m", U, T0_MS + 10_000)
    lines = [decision_line(10), decision_line(11, 1), decision_line(5, 2, user="v"), decision_line(5, 3, user=None)]
    Archive(store, ForgottenEntities(store, POLICIES)).write(parse(*lines).archived)
    assert archived(store) == {ksuid(11, 1), ksuid(5, 2), ksuid(5, 3)}


def test_rewards_of_others_are_kept(store: MemoryStore) -> None:
    add_forgotten(store, "m", U, T0_MS + 10_000)
    lines = [decision_line(5, user="v"), reward_line(6, 0, ksuid(5))]
    Archive(store, ForgottenEntities(store, POLICIES)).write(parse(*lines).archived)
    assert archived(store) == {ksuid(5)}


def test_what_is_added_is_known_after_a_while(store: MemoryStore) -> None:
    clock = Clock()
    archive = Archive(store, ForgottenEntities(store, POLICIES, clock_ms=clock))
    archive.write(parse(decision_line(1, user="v")).archived)
    add_forgotten(store, "m", U, T0_MS + 10_000)
    clock.ms = LOOK_MS
    archive.write(parse(decision_line(2)).archived)
    assert archived(store) == {ksuid(1)}


def test_a_line_that_says_so_is_believed_at_once(store: MemoryStore) -> None:
    archive = Archive(store, ForgottenEntities(store, POLICIES, clock_ms=Clock()))
    archive.write(parse(decision_line(1, user="v")).archived)
    add_forgotten(store, "m", U, T0_MS + 10_000)
    parsed = parse(decision_line(2), forgetting_line(3))
    assert parsed.forgets
    archive.write(parsed.archived, forgets=parsed.forgets)
    assert archived(store) == {ksuid(1)}


def test_without_knowing_who_is_forgotten_nothing_is_archived(store: MemoryStore) -> None:
    store.objects[forgotten_key("m")] = b"damaged"
    with pytest.raises(UnknownForgotten, match=r"forgotten/m/entities\.json"):
        Archive(store, ForgottenEntities(store, POLICIES)).write(parse(decision_line(1)).archived)
