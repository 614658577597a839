"""The story that `test_track_to_job.py` asks about: clients, the endpoint that is killed while they send, the job."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from operators.files import Line, plan_folder, read_chunk
from tests.end_to_end.other_clients import Event, Form, decision, dumped, forms, insist, rewards
from tests.harness.endpoint import Endpoint
from tests.harness.feed import Maker
from tests.harness.job import PATIENCE_SECONDS, Job, Running
from tests.harness.oracle import Oracle, replay
from tests.harness.tap import Exchange, Tap

__all__ = ["Story", "message_ids", "tell"]

REWARD = {"window": "10 s"}  # longer than the endpoint is gone: what is sent again is not late
LEARNER = {"kind": "linear", "update_interval": "1 s"}  # linear: the label is the sum of the rewards itself
MODELS: Mapping[str, Any] = {
    "songs": {"reward": REWARD, "learner": {**LEARNER, "entity": "context.user"}},
    "plain": {"reward": REWARD, "learner": LEARNER},
}
STREAM = {"out_of_orderness": "2 s", "publish_interval": "1 s", "shards": 1}
REAL_CLIENT = Path(__file__).with_name("real_client.py")
UNANSWERED, ANSWERED = 5, 150  # requests of the real client: those that the kill must cost, and that must follow it


@dataclass
class Story:
    """What was sent, and what came of it."""

    job: Job
    tap: Tap
    forms: dict[str, list[Form]] = field(default_factory=dict)  # sent past the tap, since some are chunked
    insisted: list[Event] = field(default_factory=list)  # each sent again and again until it was answered
    forgotten: list[Event] = field(default_factory=list)  # their first answers were lost on the way
    report: list[Event] = field(default_factory=list)  # the real client's
    told: str = ""  # what the real client itself has printed
    stored: Counter[str] = field(default_factory=Counter)  # how often each message_id is in the job's files
    oracle: Oracle | None = None  # what must be learned of it
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def real(self) -> list[Exchange]:
        """The exchanges of the real client."""
        return [exchange for exchange in self.tap.exchanges if exchange.of_the_real_client]

    def answered(self) -> Counter[str]:
        """How often each message_id was answered."""
        through_the_tap = message_ids(self.tap.exchanges, answered=True)
        return through_the_tap + Counter(form.means["message_id"] for each in self.forms.values() for form in each)

    def meant(self) -> dict[str, Event]:
        """What was sent under each message_id, in the words of version 8; from the wire, not from the files."""
        events = [json.loads(exchange.body) for exchange in self.tap.exchanges]
        events += [form.means for each in self.forms.values() for form in each]
        return {event["message_id"]: event for event in events}


@contextmanager
def real_client(story: Story, python: Path) -> Iterator[None]:
    """The client while it sends; at the end it has sent everything, and its report is read."""
    report = story.job.folder / "report.jsonl"
    command = [str(python), str(REAL_CLIENT), f"http://127.0.0.1:{story.tap.port}/track", str(report)]
    told = (story.job.folder / "client.txt").open("w+")
    environ = os.environ | {"NO_PROXY": "127.0.0.1"}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=told, stderr=told, env=environ)
    with told, process:
        try:
            yield
            process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            process.kill()
        told.seek(0)
        story.told = told.read()
    assert process.returncode == 0, story.told
    story.report = [json.loads(line) for line in report.read_text().splitlines()]


@contextmanager
def insistent_client(story: Story) -> Iterator[None]:
    """A client that sends each body until it is answered."""
    stop, maker = threading.Event(), Maker()
    maker.dice.seed("insistent")

    def send() -> None:
        while not stop.wait(0.05):
            again = decision(maker, "again", "insistent")
            for said in (again, *rewards(maker, again, 0.25)):
                story.insisted.append(said)
                insist(story.tap.port, said)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def send_other_forms(story: Story, endpoint: Endpoint) -> None:
    """Each must be answered 200; and then there is a client to which the answers do not come back."""
    maker = Maker()
    story.forms = forms(maker)
    statuses = [form.send(endpoint.port) for each in story.forms.values() for form in each]
    assert statuses == [200] * len(statuses)
    twice = decision(maker, "twice", "forgotten")
    story.forgotten = [twice, *rewards(maker, twice, 2.0, 0.5)]
    story.tap.lose |= {dumped(said) for said in story.forgotten}
    for said in story.forgotten:
        insist(story.tap.port, said)


def stored_in(folder: Path) -> Counter[str]:
    """How often each message_id is in the files that a job reads."""
    lines = [line for chunk in plan_folder(str(folder)) for line in read_chunk(chunk)]
    events = [json.loads(line.data) for line in lines if isinstance(line, Line)]
    assert len(events) == len(lines)
    return Counter(event["message_id"] for event in events if event.get("type") != "heartbeat")


def let_the_job_end(story: Story, running: Running) -> None:
    """Wait until all that is stored is learned and told; then end the job."""
    job = story.job
    running.until(lambda: story.answered() <= stored_in(job.events), "files with all that was answered")
    story.stored = stored_in(job.events)
    truth, meant = job.folder / "truth.jsonl", story.meant()
    truth.write_text("".join(json.dumps(meant[name]) + "\n" for name in story.stored.elements()))
    story.oracle = replay([truth], job.settings)
    number = sum(state.count for state in story.oracle.coefficients.values())
    running.until(lambda: sum(each.count for each in job.coefficients().values()) >= number, f"{number} decisions")
    before = job.checkpoints()
    running.until(lambda: job.checkpoints() >= before + 2, "two checkpoints")
    running.interrupt(signal.SIGTERM)
    story.summary = running.wait().summary


def tell(place: Path, python: Path) -> Story:
    """All of it, in one folder; `python` is the interpreter of the real client."""
    job = Job(place, place / "events", MODELS, STREAM, follow=True)
    endpoint = Endpoint(job.folder, {"rotate_after": "1 s"}, job=job.config)
    with Tap(endpoint.port) as tap, job.start() as running, ExitStack() as clients:
        story = Story(job, tap)
        with endpoint.running() as serving:
            send_other_forms(story, endpoint)
            clients.enter_context(real_client(story, python))
            clients.enter_context(insistent_client(story))
            running.until(job.coefficients, "coefficients: the job follows the endpoint")
            serving.kill()
        until_requests(story, running, UNANSWERED, answered=False)
        with endpoint.running() as serving:
            until_requests(story, running, ANSWERED, answered=True)
            clients.close()
            let_the_job_end(story, running)
            serving.interrupt(signal.SIGTERM)
            assert serving.wait().code == 0
    return story


def until_requests(story: Story, running: Running, number: int, *, answered: bool) -> None:
    """Wait for so many more requests of the real client with an answer, or without."""

    def count() -> int:
        return message_ids(story.real, answered=answered).total()

    enough = count() + number
    running.until(lambda: count() >= enough, f"{number} requests, answered: {answered}")


def message_ids(exchanges: list[Exchange], *, answered: bool) -> Counter[str]:
    """How often each message_id was sent and answered, or sent and not answered."""
    return Counter(json.loads(each.body)["message_id"] for each in exchanges if bool(each.answer) is answered)
