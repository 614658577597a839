"""The requests for retraining in the bucket are those of the truth, each once, though the job was killed on the way."""

from __future__ import annotations

import json
import signal
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml

from lambda_learner.events.ksuid import unix_seconds
from lambda_learner.publish.store import FolderStore
from lambda_learner.retrain.drift import Drift, DriftSettings, observe
from lambda_learner.retrain.requests import records
from tests.harness.feed import Folder, Maker, heartbeat, text
from tests.harness.job import Job, Running

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
START_MS = 1_704_096_600_000  # 2024-01-01 08:10
HALF_MS, TURN_MS, LAST_MS = START_MS + 50 * MINUTE_MS, START_MS + 80 * MINUTE_MS, START_MS + 110 * MINUTE_MS
END_MS = START_MS + 235 * MINUTE_MS  # 12:05, after two hours with heartbeats alone
WINDOW_MS, INTERVAL_MS = 30_000, 10_000
NEW_DECISIONS, RARE = 300, "rare"
REWARD = {"window": "30 s"}
MODELS: Mapping[str, Any] = {
    "counted": {
        "reward": REWARD,
        "learner": {"entity": "context.user_id"},
        "training": {"new_decisions": NEW_DECISIONS},
    },
    "hourly": {"reward": REWARD, "training": {"schedule": "cron(0 * * * ? *)"}},
    "drifting": {"reward": REWARD, "training": {"drift": {"warm_up_records": 200, "threshold": 50}}},
}
TRAINING = {"schedule": "rate(2 hours)"}  # of all that say nothing else, those that the configuration doesn't name too
DRIFT = DriftSettings(threshold=50, warm_up_records=200)

Line = dict[str, Any]


class Asked(NamedTuple):
    """A request by what makes it one."""

    model: str
    request_id: str
    cause: str


@dataclass
class Story:
    """A job that was killed when it had asked for something, and started again."""

    job: Job
    lines: list[Line] = field(default_factory=list)

    def asked(self) -> list[Asked]:
        """What is asked for in the bucket."""
        found = records(FolderStore(self.job.folder / "train"))
        return sorted(Asked(each.request.model, each.request.request_id, each.request.cause) for each in found)

    def until(self, running: Running, cause: str, model: str, last: str = "") -> None:
        """Wait for a request of a cause, with this at the end of its id."""

        def is_there() -> bool:
            return any(a.cause == cause and a.model == model and a.request_id.endswith(last) for a in self.asked())

        running.until(is_there, f"{cause} {last} of {model}")

    @property
    def origin(self) -> str:
        document: dict[str, str] = json.loads((self.job.state / "job.json").read_text())
        return document["origin"]


def traffic(first_ms: int, end_ms: int, maker: Maker) -> Iterator[Line]:
    """Each 3 s a decision of each model, rewarded 2 s later with 1 in 5, or 4 in 5 once the time has turned."""
    for at_ms in range(first_ms, end_ms, 3_000):
        if at_ms % MINUTE_MS == 0:
            yield heartbeat(at_ms)
        for model in [*MODELS, *([RARE] if at_ms % (7 * MINUTE_MS) == 0 else [])]:
            decision = maker.decision(at_ms, model, context={"user_id": f"u{maker.dice.randrange(5)}"})
            yield decision
            if maker.dice.random() < (0.2 if at_ms < TURN_MS else 0.8):
                yield maker.reward(decision, at_ms + 2_000)


def silence(first_ms: int, end_ms: int) -> Iterator[Line]:
    return (heartbeat(at_ms) for at_ms in range(first_ms, end_ms + 1, MINUTE_MS))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    place = tmp_path_factory.mktemp("trigger")
    folder, maker = Folder(place / "events"), Maker()
    job = Job(place, folder.path, MODELS, {"shards": 1}, follow=True)
    job.config.write_text(yaml.safe_dump(yaml.safe_load(job.config.read_text()) | {"training": TRAINING}))
    told = Story(job)

    def put(lines: Iterable[Line]) -> None:
        new = list(lines)
        told.lines += new
        folder.put(text(new))

    put(traffic(START_MS, HALF_MS, maker))
    with job.start() as running:
        told.until(running, "decisions", "counted", f"{2 * NEW_DECISIONS:012d}")
        before = job.checkpoints()
        running.until(lambda: job.checkpoints() >= before + 2, "two checkpoints")
        put(traffic(HALF_MS, LAST_MS, maker))
        told.until(running, "drift", "drifting")
        running.kill()
    put(silence(LAST_MS, END_MS))
    with job.start() as running:
        told.until(running, "schedule", "hourly", "120000000Z")
        before = job.checkpoints()
        running.until(lambda: job.checkpoints() >= before + 2, "two checkpoints")
        running.interrupt(signal.SIGTERM)
        assert running.wait().code == 0
    return told


def end_of_minute(decision_id: str) -> int:
    """The end of the minute in which the window of a decision closes."""
    close_ms = -(-(1000 * unix_seconds(decision_id) + WINDOW_MS) // INTERVAL_MS) * INTERVAL_MS
    return -(-close_ms // MINUTE_MS) * MINUTE_MS


def minutes(story: Story, model: str) -> Counter[int]:
    """The decisions of a model by the minute in which their windows close."""
    return Counter(
        end_of_minute(line["message_id"]) for line in story.lines if line.get("model") == model and "count" in line
    )


def counted(story: Story, model: str) -> set[Asked]:
    total, asked = 0, set()
    for _, n in sorted(minutes(story, model).items()):
        total += n
        if total // NEW_DECISIONS > (total - n) // NEW_DECISIONS:
            number = total // NEW_DECISIONS * NEW_DECISIONS
            asked.add(Asked(model, f"decisions-{story.origin}-{number:012d}", "decisions"))
    return asked


def scheduled(story: Story, model: str, hours: int) -> set[Asked]:
    first_ms = min(minutes(story, model))
    due = range(first_ms // HOUR_MS + 1, END_MS // HOUR_MS + 1)
    hours_of_day = [hour % 24 for hour in due if hour % hours == 0]
    return {Asked(model, f"schedule-20240101T{hour:02d}0000000Z", "schedule") for hour in hours_of_day}


def drifted(story: Story, model: str) -> set[Asked]:
    """The alarms of the test over the scores that the job has told."""
    losses: defaultdict[int, list[float]] = defaultdict(list)
    for score in story.job.scores():
        if score["model"] == model:
            loss = float(np.logaddexp(0.0, -score["label"] * score["score"]))
            losses[end_of_minute(score["decision_id"])].append(loss)
    drift, alarms = Drift(), 0
    for _, group in sorted(losses.items()):
        drift, alarm = observe(drift, len(group), sum(group), DRIFT)
        alarms += alarm
    return {Asked(model, f"drift-{story.origin}-{n + 1:06d}", "drift") for n in range(alarms)}


@pytest.fixture(scope="module")
def truth(story: Story) -> list[Asked]:
    every_two_hours = (scheduled(story, model, 2) for model in ("counted", "drifting", RARE))
    asked = counted(story, "counted") | scheduled(story, "hourly", 1) | drifted(story, "drifting")
    return sorted(asked.union(*every_two_hours))


def test_the_story_has_every_cause_before_and_after_the_kill(story: Story, truth: list[Asked]) -> None:
    causes = Counter(asked.cause for asked in truth)
    assert causes["decisions"] == sum(minutes(story, "counted").values()) // NEW_DECISIONS == 7
    assert causes["drift"] >= 1
    assert causes["schedule"] == 4 + 3 * 2


def test_the_bucket_has_the_requests_of_the_truth_and_no_other(story: Story, truth: list[Asked]) -> None:
    assert story.asked() == truth


def test_each_request_is_told_exactly_once(story: Story, truth: list[Asked]) -> None:
    told = map(json.loads, story.job.lines("requests", with_open=True))
    assert sorted(Asked(line["model"], line["request_id"], line["cause"]) for line in told) == truth


def test_what_was_counted_is_what_it_is_without_triggers(story: Story) -> None:
    """The heads of the counts' texts are no counters."""
    names = {line.split("\x1f")[-1].rstrip("]") for line in story.job.lines("counts", with_open=True)}
    assert "joined" in names
    assert not [name for name in names if "!" in name or name.isdigit()]
