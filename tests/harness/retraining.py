"""A shop whose listeners like rock in the morning and jazz in the evening: its archive, and workers on it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import yaml

from config.load import load
from jobs.retrain.command import surroundings
from jobs.retrain.display import nowhere
from jobs.retrain.worker import Outcome, Surroundings, Worker
from lambda_learner.events import Decision, Reward, decode, ksuid
from lambda_learner.publish.model_keys import latest_key
from lambda_learner.publish.store import FolderStore
from lambda_learner.retrain import DecisionModel
from lambda_learner.retrain.request_record import Record, RetrainRequest
from lambda_learner.retrain.requests import create, records
from operators.archive import Archive
from operators.clock import wall_clock_ms

START_S = 1_700_000_000
HOUR_MS = 3_600_000
MODEL = "songs"
GENRES = ("rock", "jazz", "pop")
Event = Decision | Reward


def liking(genre: str, hour: int) -> float:
    """The probability that a listener likes a song: the truth behind the archive."""
    return {"rock": 0.9 if hour < 12 else 0.2, "jazz": 0.2 if hour < 12 else 0.9}.get(genre, 0.05)


def listened(decisions: int, *, seed: int = 0, after: int = 0, listed: bool = False) -> Iterator[Event]:
    """Decisions, one a second from the second `after`, and their rewards; `listed` ones log all candidates."""
    rng = np.random.default_rng([seed, after])
    for number in range(after, after + decisions):
        shown = [{"genre": genre, "tempo": round(float(rng.random()), 3)} for genre in rng.permutation(GENRES)]
        hour = int(rng.integers(24))
        fields: dict[str, Any] = {"item": shown[0], "sample": shown[1], "count": 3, "context": {"hour": hour}}
        if listed:
            fields |= {"candidates": shown, "propensity": 1 / 3}
        yield event(number, **fields)
        if rng.random() < liking(shown[0]["genre"], hour):
            yield event(number, message_id=an_id(number + 5, 1), decision_id=an_id(number), reward=1.0)


def an_id(second: int, number: int = 0) -> str:
    """An id of a second after the start."""
    return ksuid.encode(START_S + second, number.to_bytes(16, "big"))


def event(second: int, **fields: Any) -> Event:
    """The decision or reward of a line with these fields."""
    line = {"message_id": an_id(second), "model": MODEL, **fields}
    found = decode(orjson.dumps(line), arrival_ms=(START_S + max(10**7, second)) * 1000)
    assert isinstance(found, Decision | Reward)
    return found


@dataclass
class Shop:
    """Buckets and a configuration in a folder; `training` is the section of that name, without bases unless asked."""

    folder: Path
    training: dict[str, Any] = field(default_factory=lambda: {"hyperparameters": {"max_trees": 20}})

    @property
    def config(self) -> Path:
        """The configuration, written anew."""
        path = self.folder / "config.yaml"
        bucket = {name: f"file:{self.folder / name}" for name in ("models", "train")}
        partial = self.folder / f"config-{threading.get_ident()}.partial"  # other threads read it
        partial.write_text(yaml.safe_dump({"bucket": bucket, "training": {"base": False, **self.training}}))
        return partial.replace(path)

    @property
    def train(self) -> FolderStore:
        """The bucket of archive and requests."""
        return FolderStore(self.folder / "train")

    @property
    def models(self) -> FolderStore:
        """The bucket of models."""
        return FolderStore(self.folder / "models")

    def archive(self, decisions: int, *, files: int = 2, **how: Any) -> None:
        """Archive decisions of listeners in so many files."""
        events = list(listened(decisions, **how))
        size = -(-len(events) // files)
        for start in range(0, len(events), size):
            Archive(self.train).write(events[start : start + size])

    def ask(self, request_id: str = "r1") -> RetrainRequest:
        """Ask for a retraining."""
        request = RetrainRequest(MODEL, request_id, "schedule", (START_S + 10**6) * 1000)
        assert create(self.train, request)
        return request

    def around(self, *, ahead_ms: int = 0, **changes: Any) -> Surroundings:
        """What a worker of this shop has around it, silent, its clock ahead by so much."""
        plain = surroundings(load(self.config))
        quiet: dict[str, Any] = {"tell": lambda _: None, "display": lambda: nullcontext(nowhere)}
        quiet["now_ms"] = lambda: wall_clock_ms() + ahead_ms
        return replace(plain, **{**quiet, **changes})

    def work(self, name: str = "w", **how: Any) -> list[Outcome]:
        """Work on all that was asked for."""
        return Worker(name, self.around(**how)).run_all()

    def retrained(self, request_id: str, **how: Any) -> dict[str, Any]:
        """The result of a request made and worked on."""
        self.ask(request_id)
        (outcome,) = self.work(**how)
        assert outcome.result is not None, outcome.reason
        result: dict[str, Any] = json.loads(json.dumps(outcome.result))
        return result

    def record(self, request_id: str) -> Record:
        """What the bucket says of a request."""
        (found,) = (each for each in records(self.train, MODEL) if each.request.request_id == request_id)
        return found

    def latest(self) -> bytes | None:
        """The bytes that clients load."""
        found = self.models.get(latest_key(MODEL, ".xgb.gz"))
        return None if found is None else found.data

    def share_right(self) -> float:
        """How often the latest model puts of two songs that one first which listeners like better."""
        latest = self.latest()
        assert latest is not None
        model, right = DecisionModel.of_file(latest), []
        for hour in range(24):
            scores = model.score([{"genre": genre, "tempo": 0.5} for genre in GENRES], {"hour": hour}, noise=0.5)
            for first in range(3):
                for second in range(first):
                    better = liking(GENRES[first], hour) > liking(GENRES[second], hour)
                    right.append((scores[first] > scores[second]) == better)
        return float(np.mean(right))
