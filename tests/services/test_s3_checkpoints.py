"""A job of this machine with its checkpoints in S3: killed, and resumed though the newest of them is damaged."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from jobs.checkpoint_place import Place, newest_first, s3_place
from jobs.job_state import JobState
from lambda_learner.events.accept import heartbeat_line
from tests.end_to_end.noisy import MODELS, STREAM, TRAFFIC, make_noise
from tests.harness.compare import assert_identities, assert_same_coefficients
from tests.harness.feed import Folder
from tests.harness.job import Finished, Job, Running
from tests.harness.oracle import Oracle, replay
from tests.harness.s3 import S3

pytestmark = [pytest.mark.cluster, pytest.mark.services, pytest.mark.timeout(900)]

DECISIONS: Final = 6_000
# So slow that half of the lines closes windows; without late ones, of which the oracle knows nothing.
SLOW: Final = replace(TRAFFIC, rate=20.0, late=0.0)
QUIET_MS: Final = 3_600_000  # of event time after the last line: every window has closed


@dataclass
class Story:
    """A job that was killed and damaged, and what it said at the end of its second start."""

    job: Job
    url: str
    truth: Mapping[str, Any]
    oracle: Oracle
    secrets: Mapping[str, str]
    command_lines: str = ""  # of all processes of the job
    damaged: str = ""
    finished: Finished | None = None

    @property
    def place(self) -> Place:
        """Where the job keeps its checkpoints; seen from the test."""
        return s3_place(self.url, str(JobState(self.job.state).known_owner_id()))

    def checkpoints(self) -> list[str]:
        return newest_first([self.place]) if JobState(self.job.state).known_owner_id() else []

    def until_saved(self, running: Running, number: int) -> None:
        """Wait for so many checkpoints from now."""
        last = chk(self.checkpoints())
        running.until(lambda: chk(self.checkpoints()) >= last + number, f"{number} checkpoints")

    def damage(self) -> None:
        """Cut an object of the newest checkpoint short: its largest."""
        newest = self.place.key(self.checkpoints()[0])
        sizes = {key: size for key, size in self.place.files().items() if key.startswith(f"{newest}/")}
        victim = max((key for key in sizes if not key.endswith("_metadata")), key=lambda key: sizes[key])
        data = self.place.read(victim)
        assert data
        self.place.store.put(victim, data[: len(data) // 2])
        self.damaged = newest


def chk(names: list[str]) -> int:
    """The number of the newest checkpoint; 0 without any."""
    return int(names[0].rpartition("-")[2]) if names else 0


@pytest.fixture(scope="module")
def story(s3_of_session: S3, connectors: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    noise = make_noise(tmp_path_factory.mktemp("noise") / "events", DECISIONS, traffic=SLOW)
    place, url = tmp_path_factory.mktemp("in-s3"), s3_of_session.new_url()
    stream = {**STREAM, "checkpoints": url, "connectors": str(connectors)}
    job = Job(place, place / "events", MODELS, stream, follow=True)
    told = Story(job, url, noise.truth, replay([noise.events], job.settings), s3_of_session.environ)
    with pytest.MonkeyPatch.context() as patched:
        for variable, value in s3_of_session.environ.items():
            patched.setenv(variable, value)
        tell(told, *noise.halves())
        yield told


def tell(told: Story, early: bytes, late: bytes) -> None:
    feed = Folder(told.job.events)
    feed.put(early)
    with told.job.start() as running:
        running.until(lambda: told.job.committed_ms() > 0, "publish")
        told.until_saved(running, 2)
        told.command_lines = " ".join(Path(f"/proc/{pid}/cmdline").read_text() for pid in running.members())
        running.kill()
    told.damage()
    feed.put(late + heartbeat_line(TRAFFIC.start_ms + QUIET_MS))
    last_ms = max(state.fence_ms for state in told.oracle.coefficients.values())
    with told.job.start() as running:
        running.until(lambda: told.job.committed_ms() >= last_ms, "all windows")
        told.until_saved(running, 2)
        running.interrupt(signal.SIGTERM)
        told.finished = running.wait()


def test_a_damaged_checkpoint_is_told_and_the_one_before_it_used(story: Story) -> None:
    assert story.finished is not None
    place = re.escape(story.place.directory)
    told = re.search(rf"checkpoint {place}/(\w+/chk-\d+) is damaged: .* bytes, not .*: going back", story.finished.err)
    assert told is not None
    assert told[1] == story.damaged


def test_every_counter_is_the_truth(story: Story) -> None:
    assert story.finished is not None
    truth = Counter(story.truth["counters"]) + Counter(lines=1, heartbeats=1)  # the last one
    assert {name: story.finished.summary[name] for name in truth} == truth
    assert_identities(story.finished.summary)


def test_what_was_learned_is_a_replay_of_all_the_files(story: Story) -> None:
    assert_same_coefficients(story.job.coefficients(), story.oracle.coefficients)


def test_each_attempt_keeps_three_checkpoints_and_none_is_in_the_state_folder(story: Story) -> None:
    attempts = [name.rpartition("/")[0] for name in story.checkpoints()]
    assert len(set(attempts)) == 2
    assert attempts[:3] == [attempts[0]] * 3
    assert len(attempts) <= 6
    assert not list(story.job.state.glob("checkpoints/*"))


def test_no_secret_is_on_a_command_line_in_a_log_or_in_a_file(story: Story) -> None:
    secret = story.secrets.get("AWS_SECRET_ACCESS_KEY", "no secret of ours")
    assert "java" in story.command_lines
    assert secret not in story.command_lines
    files = [path for path in story.job.folder.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path for path in files if secret.encode() in path.read_bytes()] == []
