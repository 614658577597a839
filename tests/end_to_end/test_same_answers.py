"""Whatever the parallelism, the mode and the order of lines: the coefficients of a single-threaded replay."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from lambda_learner.simulate import synthetic
from lambda_learner.simulate.lines import Line, render
from lambda_learner.simulate.traffic import Traffic
from lambda_learner.simulate.truth import Rules
from tests.harness.compare import assert_same_coefficients, assert_same_counters, assert_same_scores
from tests.harness.job import Finished, Job
from tests.harness.oracle import Oracle, replay

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

JITTER_MS = 10_000  # with the traffic's own delays still within the out-of-orderness of 30 s
TRAFFIC = Traffic(
    decisions=1_500,
    start_ms=1_704_067_200_000,
    models=5,
    entities=40,
    rate=10.0,
    reward_delay_s=20.0,
    duplicates=0.03,
    orphans=0.02,
    bad=0.02,
    clock_ahead=0.01,
    after_deadline=0.02,
    records=0.1,
    rules=Rules(reward_window_ms=60_000),
)
WINDOW = {"window": "1 minute"}
MODELS: Mapping[str, Any] = {
    "model-0": {
        "reward": WINDOW,
        "learner": {"entity": "context.user_id", "prior_precision": 4, "forgetting": 0.95},
    },
    "model-1": {
        "reward": WINDOW | {"function": "mean", "default": -0.5},
        "learner": {
            "kind": "linear",
            "posterior": "full",
            "entity": "context.user_id",
            "forgetting": {"factor": 0.99, "per": "record"},
            "noise_variance": 2,
        },
    },
    "model-2": {
        "reward": WINDOW | {"function": "max"},
        "learner": {"features": ["item", "item.genre × context.hour"], "update_interval": "5 s"},
    },
    "model-3": {
        "reward": WINDOW,
        "learner": {
            "entity": ["context.user_id", "item.genre"],
            "forgetting": {"factor": 0.9, "per": "time", "tau": "1 minute"},
            "posterior": "full",
        },
    },
    "model-4": {
        "reward": WINDOW,
        "learner": {
            "kind": "linear",
            "entity": "context.user_id",
            "forgetting": 0.98,
            "noise_variance": "estimate",
        },
    },
}


@dataclass(frozen=True)
class Setting:
    """One way to run the job over the same events."""

    events: str = "in-order"
    stream: Mapping[str, Any] = field(default_factory=dict)
    command: str = "run"


SETTINGS = {
    "thread mode": Setting(),
    "thread mode once more": Setting(),
    "parallelism 2": Setting("out-of-order", {"parallelism": 2}),
    "parallelism 4": Setting("out-of-order", {"parallelism": 4}),
    "process mode": Setting("out-of-order", {"python_mode": "process"}),
    "replay of one file": Setting(command="replay"),
    "ten shuffled files": Setting("ten-files"),
}


class Answers(NamedTuple):
    """Every job after its run, how the run ended, and what was to come out."""

    jobs: Mapping[str, Job]
    ends: Mapping[str, Finished]
    oracle: Oracle


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    folder = tmp_path_factory.mktemp("same-answers")
    lines = list(synthetic.event_lines(TRAFFIC, np.random.default_rng(11)))
    orders = {"in-order": [lines], "out-of-order": [jittered(lines)], "ten-files": ten_parts(lines)}
    for name, parts in orders.items():
        write(folder / "events" / name, parts)
    jobs = {
        name: Job(folder / name.replace(" ", "-"), folder / "events" / setting.events, MODELS, setting.stream)
        for name, setting in SETTINGS.items()
    }
    ends = {name: job.run(command=SETTINGS[name].command) for name, job in jobs.items()}
    return Answers(jobs, ends, replay([folder / "events" / "in-order"], jobs["thread mode"].settings))


def jittered(lines: list[Line]) -> list[Line]:
    """The lines in another order, none much later than it was."""
    dice = random.Random(5)
    return sorted(lines, key=lambda line: line.arrival_ms + dice.uniform(0, JITTER_MS))


def ten_parts(lines: list[Line]) -> list[list[Line]]:
    """The lines in no order at all, in ten parts."""
    shuffled = random.Random(6).sample(lines, len(lines))
    return [shuffled[part::10] for part in range(10)]


def write(folder: Path, parts: list[list[Line]]) -> None:
    folder.mkdir(parents=True)
    for number, part in enumerate(parts):
        (folder / f"events-{number}.jsonl").write_bytes(b"".join(render(line, stamped=True) for line in part))


@pytest.mark.parametrize("name", SETTINGS)
def test_the_coefficients_are_those_of_a_single_threaded_replay(answers: Answers, name: str) -> None:
    assert answers.ends[name].code == 0, answers.ends[name].err[-6000:]
    assert {model for model, _ in answers.oracle.coefficients} == set(MODELS)
    assert_same_coefficients(answers.jobs[name].coefficients(), answers.oracle.coefficients)


@pytest.mark.parametrize("name", SETTINGS)
def test_each_decision_is_scored_before_it_is_learned(answers: Answers, name: str) -> None:
    assert_same_scores(answers.jobs[name].scores(), answers.oracle.scores)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_line_is_counted(answers: Answers, name: str) -> None:
    assert_same_counters(answers.ends[name].summary, answers.oracle)
    assert answers.jobs[name].reasons() == answers.oracle.dead_letters


@pytest.mark.parametrize("name", ["thread mode once more", "parallelism 2", "parallelism 4", "process mode"])
def test_every_streaming_run_writes_the_same_bytes(answers: Answers, name: str) -> None:
    assert answers.jobs[name].objects() == answers.jobs["thread mode"].objects()


def test_batch_mode_writes_the_same_bytes_whatever_the_files(answers: Answers) -> None:
    assert answers.jobs["replay of one file"].objects() == answers.jobs["ten shuffled files"].objects()
