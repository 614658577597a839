"""100,000 decisions with everything that goes wrong on the way, and the truth about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jobs.event_files import Sink, write_files
from lambda_learner.simulate import synthetic
from lambda_learner.simulate.traffic import Traffic
from lambda_learner.simulate.truth import Rules, Truth
from operators.files import plan_folder, read_chunk
from tests.harness.job import Job

DECISIONS = 100_000
TRAFFIC = Traffic(
    decisions=DECISIONS,
    start_ms=1_704_067_200_000,
    models=2,
    entities=300,
    rate=300.0,
    reward_delay_s=15.0,
    duplicates=0.02,
    late=0.02,
    orphans=0.01,
    bad=0.02,
    clock_ahead=0.001,
    records=0.02,
    rules=Rules(reward_window_ms=60_000),
)
MODELS: Mapping[str, Any] = {
    "model-0": {
        "reward": {"window": "1 minute"},
        "learner": {"entity": "context.user_id", "forgetting": 0.95},
    },
    "model-1": {"reward": {"window": "1 minute"}, "learner": {"kind": "linear", "entity": "context.user_id"}},
}
STREAM = {"publish_interval": "30 s", "checkpoint_interval": "1 s", "shards": 1}


@dataclass(frozen=True)
class Noise:
    """The events, and what must come of them."""

    events: Path
    truth: Mapping[str, Any]

    def job(self, folder: Path) -> Job:
        return Job(folder, self.events, MODELS, STREAM)

    def halves(self) -> tuple[bytes, bytes]:
        """The lines, for a job that is to be stopped between them."""
        lines = [line.data + b"\n" for chunk in plan_folder(str(self.events)) for line in read_chunk(chunk)]
        middle = len(lines) // 2
        return b"".join(lines[:middle]), b"".join(lines[middle:])


def make_noise(folder: Path, decisions: int = DECISIONS, *, traffic: Traffic = TRAFFIC, seed: int = 17) -> Noise:
    """Write the events to `folder` as one file."""
    folder.mkdir(parents=True)
    truth, traffic = Truth(traffic.rules), replace(traffic, decisions=decisions)
    write_files(truth.watch(synthetic.event_lines(traffic, np.random.default_rng(seed))), Sink(folder))
    return Noise(folder, truth.result())
