"""A followed folder in real time: forged ids, silence, a reader that stands still, an end, damage, a resumption."""

from __future__ import annotations

import json
import re
import signal
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from operators.part_files import part_lines
from tests.harness.compare import assert_identities, assert_same_coefficients
from tests.harness.damage import cut_newest_checkpoint
from tests.harness.feed import Folder, Heart, Maker, now_ms, text
from tests.harness.job import Finished, Job, Running
from tests.harness.oracle import Oracle, replay

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

DAY_MS = 86_400_000
YEAR_2150_MS = 5_680_281_600_000
OUT_OF_ORDERNESS_MS = 2_000
STANDSTILL_SECONDS = 30.0
MODELS: Mapping[str, Any] = {
    "m": {"reward": {"window": "2 s"}, "learner": {"entity": "context.user_id", "update_interval": "1 s"}}
}
STREAM = {"out_of_orderness": "2 s", "publish_interval": "1 s", "shards": 1}


@dataclass
class Story:
    """A job that followed a folder, was ended, and went on; what was put in, what it said."""

    job: Job
    folder: Folder
    maker: Maker = field(default_factory=Maker)
    decisions: int = 0
    forged: int = 0
    silence_ms: int = 0  # from a window's close to its coefficients, with heartbeats only
    first: Finished | None = None
    second: Finished | None = None

    def say(self, seconds: float) -> None:
        """A decision and its reward every half second, in files of their own, for some seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ms = now_ms()
            decision = self.maker.decision(ms, context={"user_id": f"u{self.decisions % 3}"})
            self.folder.put(text([decision]))
            time.sleep(0.25)
            self.folder.put(text([self.maker.reward(decision, now_ms(), self.decisions % 2)]))
            time.sleep(0.25)
            self.decisions += 1

    def forge(self, id_ms: int) -> None:
        """A decision whose id is of another time, in a file of its own."""
        self.folder.put(text([self.maker.decision(id_ms, at=now_ms(), context={"user_id": "u0"})]))
        self.forged += 1

    def until_learned(self, running: Running) -> int:
        """Wait until every decision so far is published, in silence; give the ms since its window's close."""

        def learned() -> int:
            return sum(entity.count for entity in self.job.coefficients().values())

        running.until(lambda: learned() >= self.decisions, f"{self.decisions} decisions")
        return now_ms() - self.job.committed_ms()

    def until_saved(self, running: Running) -> None:
        """Wait for the second checkpoint from now: then the outputs of all that was done are on disk."""
        before = self.job.checkpoints()
        running.until(lambda: self.job.checkpoints() >= before + 2, "two checkpoints")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    place = tmp_path_factory.mktemp("live")
    folder = Folder(place / "events")
    told = Story(Job(place, folder.path, MODELS, STREAM, follow=True), folder)
    with Heart(folder):
        with told.job.start() as running:
            before_the_end(told, running)
            running.interrupt(signal.SIGTERM)
            told.first = running.wait()
        cut_newest_checkpoint(told.job.state)
        told.say(1.0)
        with told.job.start() as running:
            told.until_learned(running)
            told.until_saved(running)
            running.send(signal.SIGINT)  # to all of the group, as a terminal does
            told.second = running.wait()
    return told


def before_the_end(told: Story, running: Running) -> None:
    told.say(1.0)
    told.until_learned(running)  # it has started
    told.say(1.0)
    told.forge(YEAR_2150_MS)
    told.forge(now_ms() + DAY_MS)
    told.say(1.0)
    told.silence_ms = told.until_learned(running)
    running.send(signal.SIGSTOP)
    told.say(STANDSTILL_SECONDS)
    running.send(signal.SIGCONT)
    told.say(1.0)
    told.until_learned(running)
    told.until_saved(running)


@pytest.fixture(scope="module")
def oracle(story: Story) -> Oracle:
    return replay([story.folder.path], story.job.settings)


def test_what_was_learned_is_a_replay_of_all_the_files(story: Story, oracle: Oracle) -> None:
    assert oracle.counters["joined"] == story.decisions
    assert_same_coefficients(story.job.coefficients(), oracle.coefficients)


def test_a_forged_id_costs_its_own_line_and_nothing_else(story: Story, oracle: Oracle) -> None:
    letters = set(part_lines(story.job.state / "outputs" / "dead_letters", with_open=True))
    reasons = Counter(json.loads(letter)["reason"] for letter in letters)
    assert reasons == {"clock_ahead": story.forged} == oracle.dead_letters


def test_a_reader_that_stands_still_makes_nothing_late(story: Story) -> None:
    assert story.first is not None
    assert [story.first.summary[f"late_{kind}"] for kind in ("decisions", "rewards", "records")] == [0, 0, 0]


def test_a_quiet_stream_closes_its_windows_by_heartbeats_alone(story: Story) -> None:
    """That they close is the test; how soon (out_of_orderness + 2 s on an idle machine) is told."""
    print(f"from close to coefficients: {story.silence_ms} ms; out_of_orderness is {OUT_OF_ORDERNESS_MS} ms")
    assert story.silence_ms > 0


def test_without_any_heartbeat_the_wall_clock_closes_the_windows(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "events")
    stream = STREAM | {"clock": "wall", "idle_timeout": "1 s", "parallelism": 2}
    told = Story(Job(tmp_path, folder.path, MODELS, stream, follow=True), folder)
    told.say(1.0)
    with told.job.start() as running:
        told.until_learned(running)
        told.until_saved(running)
        running.interrupt(signal.SIGTERM)
        summary = running.wait().summary
    n = told.decisions
    assert (summary["lines"], summary["joined"], summary["credited"]) == (2 * n, n, n)


def test_a_followed_run_that_is_ended_gives_a_summary(story: Story) -> None:
    assert story.first is not None
    assert_identities(story.first.summary)
    assert story.first.summary["joined"] == story.first.summary["decisions"] > 0


def test_a_damaged_checkpoint_is_told_and_the_one_before_it_used(story: Story) -> None:
    assert story.second is not None
    assert re.search(r"checkpoint .*chk-\d+ is damaged: .*: going back to the one before it", story.second.err)


def test_the_same_command_goes_on_where_the_ended_run_was(story: Story, oracle: Oracle) -> None:
    assert story.second is not None
    summary = story.second.summary
    names = (
        "decisions",
        "rewards",
        "joined",
        "credited",
        "after_deadline",
        "dead_lettered",
        "already_learned",
    )
    assert {name: summary[name] for name in names} == {name: oracle.counters[name] for name in names}
