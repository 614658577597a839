"""Bases that are activated while the job runs, and while it is dead: no restart needed, none changes a byte.

The last start is at another parallelism, which a checkpoint fits too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.bases import GENRES, put_base
from tests.harness.compare import assert_same_coefficients
from tests.harness.feed import Folder, Maker, heartbeat, now_ms, text
from tests.harness.job import Job, Running
from tests.harness.oracle import Oracle, replay

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

MINUTE_MS = (
    60_000  # a log is looked at once a minute of arrivals: each part of the story is some minutes after the last
)
USERS = 4
STEP_MS, WINDOW_MS, QUIET_MS = 100, 2_000, 10_000
MODELS: Mapping[str, Any] = {
    "m": {"reward": {"window": "2 s"}, "learner": {"entity": "context.user_id", "update_interval": "1 s"}}
}
STREAM = {"out_of_orderness": "2 s", "publish_interval": "1 s", "shards": 1}


def key(user: int) -> tuple[str, str]:
    """How the coefficients of a user are found."""
    return "m", f'["u{user}"]'


def end_ms(decision_ms: int) -> int:
    """The end of a decision's window; an id knows seconds."""
    return decision_ms // 1000 * 1000 + WINDOW_MS


@dataclass
class Story:
    """A followed folder, its job, and the time of its events, which runs ahead of the clock."""

    job: Job
    folder: Folder
    at_ms: int
    maker: Maker = field(default_factory=Maker)

    def say(self) -> None:
        """Three decisions of each user, most of them rewarded, and the time that closes their windows."""
        lines: list[dict[str, Any] | bytes] = []
        for number in range(3 * USERS):
            item, context = {"genre": GENRES[number % 3]}, {"user_id": f"u{number % USERS}", "hour": number}
            at_ms = self.at_ms + number * STEP_MS
            decision = self.maker.decision(at_ms, item=item, context=context)
            lines.append(decision)
            if number % 4:
                lines.append(self.maker.reward(decision, at_ms + 500))
        self.folder.put(text([*lines, heartbeat(self.at_ms + QUIET_MS)]))

    def until_learned(self, running: Running, version: str) -> None:
        """Wait until all that was said of each user is learned over a base and published."""
        running.until(lambda: self._learned() == {key(user): version for user in range(USERS)}, f"base {version!r}")

    def _learned(self) -> dict[tuple[str, str], str]:
        """The base of each entity whose last decision's window has been learned."""
        last_ms = {key(user): self.at_ms + (2 * USERS + user) * STEP_MS for user in range(USERS)}
        found = self.job.coefficients().items()
        return {entity: each.base_version for entity, each in found if each.close_ms >= end_ms(last_ms[entity])}

    def later(self, version: str) -> None:
        """Go on to the next part of the story, over a base that becomes active before it."""
        self.at_ms += 3 * MINUTE_MS
        trained_ms = self.at_ms - 2 * MINUTE_MS
        put_base(self.job.store, version, active_from_ms=self.at_ms - MINUTE_MS, trained_through_ms=trained_ms)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Story, Oracle]:
    place: Path = tmp_path_factory.mktemp("activation")
    folder = Folder(place / "events")
    story = Story(Job(place, folder.path, MODELS, STREAM, follow=True), folder, now_ms() // 1000 * 1000)
    with story.job.start() as running:
        story.say()
        story.until_learned(running, "")
        story.later("b1")
        story.say()
        story.until_learned(running, "b1")
        running.kill()  # -9, with what came since the last checkpoint
    story.later("b2")
    document = yaml.safe_load(story.job.config.read_text())
    document["stream"]["parallelism"] = 2
    story.job.config.write_text(yaml.safe_dump(document))
    with story.job.start() as running:
        story.say()
        for _ in range(2):  # the time for each of the readers
            folder.put(text([heartbeat(story.at_ms + QUIET_MS)]))
        story.until_learned(running, "b2")
        running.kill()
    return story, replay([folder.path], story.job.settings, story.job.store)


def test_bases_are_used_from_their_time_on_without_a_restart(told: tuple[Story, Oracle]) -> None:
    story, oracle = told
    assert_same_coefficients(story.job.coefficients(), oracle.coefficients)
    assert {state.base_version for state in oracle.coefficients.values()} == {"b2"}


def test_what_was_learned_over_the_base_before_counts_on(told: tuple[Story, Oracle]) -> None:
    story, _ = told
    assert {each.count for each in story.job.coefficients().values()} == {6}  # of b1 and b2: b1 began anew


def test_a_replay_obeys_the_log_of_the_live_job(told: tuple[Story, Oracle], tmp_path: Path) -> None:
    story, oracle = told
    again = Job(tmp_path / "again", story.folder.path, MODELS, STREAM)
    for info in story.job.store.list("models/base/"):
        held = story.job.store.get(info.key)
        assert held is not None
        again.store.put(info.key, held.data)
    assert again.run(command="replay").code == 0
    assert_same_coefficients(again.coefficients(), oracle.coefficients)
    found, live = again.coefficients(), story.job.coefficients()
    for key, each in live.items():
        assert found[key].mean.tobytes() == each.mean.tobytes()
        assert found[key].precision.tobytes() == each.precision.tobytes()
