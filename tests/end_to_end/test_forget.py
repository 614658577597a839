"""A person is forgotten while the job runs, is killed, goes on, and begins anew from what was published."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from lambda_learner.archive.reader import ArchiveReader, ReaderSettings
from lambda_learner.publish.store import FolderStore
from tests.harness.compare import assert_same_coefficients
from tests.harness.feed import Folder, Maker, heartbeat, now_ms, text
from tests.harness.job import Coefficients, Finished, Job, Running, start
from tests.harness.oracle import replay

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

MODELS: Mapping[str, Any] = {
    "m": {"reward": {"window": "2 s"}, "learner": {"entity": "context.user_id", "update_interval": "1 s"}}
}
STREAM = {"out_of_orderness": "2 s", "publish_interval": "1 s", "shards": 1}
FORGOTTEN, OTHER = ("m", '["u0"]'), ("m", '["u1"]')
SECOND_MS = 1_000


@dataclass
class Story:
    """A job that follows a folder, what was put in, and what the command and the job said."""

    job: Job
    folder: Folder
    maker: Maker = field(default_factory=Maker)
    command: dict[str, Any] = field(default_factory=dict)
    end: Finished | None = None
    after_warm_start: Coefficients = field(default_factory=dict)

    def decide(self, ms: int, *users: str) -> None:
        """A decision of each user, in a file of their own."""
        self.folder.put(text([self.maker.decision(ms, context={"user_id": user}) for user in users]))

    def pass_time(self, ms: int) -> None:
        self.folder.put(text([heartbeat(ms)]))

    def until_counted(self, running: Running, counts: Mapping[tuple[str, str], int]) -> None:
        """Wait until exactly this is published: so many decisions of each entity."""

        def published() -> bool:
            return {key: entity.count for key, entity in self.job.coefficients().items()} == counts

        running.until(published, f"{counts}")

    def until_saved(self, running: Running) -> None:
        before = self.job.checkpoints()
        running.until(lambda: self.job.checkpoints() >= before + 2, "two checkpoints")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    place = tmp_path_factory.mktemp("forget")
    folder = Folder(place / "events")
    told = Story(Job(place, folder.path, MODELS, STREAM, follow=True), folder)
    with told.job.start() as running:
        at_ms = learn_two(told, running)
        command = forget_one(told, running)
    with command, told.job.start() as running:
        finished = command.wait()
        assert finished.code == 0, finished.err
        told.command = json.loads(finished.out)
        go_on(told, running, at_ms)
        running.interrupt(signal.SIGTERM)
        told.end = running.wait()
    shutil.rmtree(told.job.state)
    with told.job.start("--take-over") as running:
        told.decide(told.command["until_ms"] + 40 * SECOND_MS, "u0", "u1")
        told.pass_time(told.command["until_ms"] + 60 * SECOND_MS)
        told.until_counted(running, {FORGOTTEN: 2, OTHER: 3})
        told.after_warm_start = told.job.coefficients()
    return told


def learn_two(told: Story, running: Running) -> int:
    """Two users are learned, and a window of the one is open; the time of that."""
    at_ms = now_ms()
    told.decide(at_ms, "u0", "u1")
    told.pass_time(at_ms + 10 * SECOND_MS)
    told.until_counted(running, {FORGOTTEN: 1, OTHER: 1})
    told.decide(at_ms + 10 * SECOND_MS, "u0")
    told.until_saved(running)
    return at_ms


def forget_one(told: Story, running: Running) -> Running:
    """Forget the one by the command, and kill the job while that waits: the command."""
    arguments = ["forget", "--config", str(told.job.config), "--model", "m", "--entity", "u0"]
    command = start(arguments, told.job.folder)
    running.until(lambda: any(told.folder.path.glob("forget-*")), "the line")
    running.until(lambda: FORGOTTEN not in told.job.coefficients(), "the published coefficients")
    running.kill()
    return command


def go_on(told: Story, running: Running, at_ms: int) -> None:
    """Event time reaches the moment; then the one comes back as somebody new."""
    until_ms = told.command["until_ms"]
    told.pass_time(at_ms + 20 * SECOND_MS)  # closes the window that was open
    told.decide(until_ms, "u0")  # its window closes after the entity is forgotten
    told.decide(until_ms + 10 * SECOND_MS, "u0", "u1")
    told.pass_time(until_ms + 30 * SECOND_MS)
    told.until_counted(running, {FORGOTTEN: 1, OTHER: 2})
    told.until_saved(running)


def test_only_what_came_after_is_learned_also_when_all_is_read_again(story: Story) -> None:
    expected = replay([story.folder.path], story.job.settings)
    assert_same_coefficients(story.after_warm_start, expected.coefficients)
    assert {key: state.count for key, state in expected.coefficients.items()} == {FORGOTTEN: 2, OTHER: 3}


def test_the_line_took_effect_once_though_the_job_was_killed(story: Story) -> None:
    assert story.end is not None
    summary = story.end.summary
    assert (summary["forgets"], summary["applied_forgets"], summary["late_forgets"]) == (1, 1, 0)
    assert summary["forgotten"] >= 1  # the restart may know already of the window that was open


def test_the_archive_has_nothing_of_before_though_all_lines_were_read_again(story: Story) -> None:
    reader = ArchiveReader(FolderStore(story.job.folder / "train"), "m", ReaderSettings())
    contexts = [row for batch in reader for row in batch["context"].to_pylist()]
    assert sorted(json.loads(context)["user_id"] for context in contexts) == ["u0", "u0", "u1", "u1", "u1"]
    assert story.command["archive"]["rows_removed"] >= 1


def test_the_command_says_what_it_has_done(story: Story) -> None:
    assert (story.command["entity"], story.command["shards_rewritten"]) == (FORGOTTEN[1], 1)
    assert story.command["told"].startswith(str(story.folder.path))
