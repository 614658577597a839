"""Bases through the whole job: whatever the parallelism, the mode and the order, what one thread learns over them."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from lambda_learner.learn import INTERCEPT
from lambda_learner.serve import Ranker
from lambda_learner.simulate import synthetic
from lambda_learner.simulate.lines import Line, render
from lambda_learner.simulate.traffic import Traffic
from lambda_learner.simulate.truth import Rules
from tests.harness.bases import put_base
from tests.harness.compare import assert_same_coefficients, assert_same_counters, assert_same_scores
from tests.harness.job import Finished, Job
from tests.harness.oracle import Oracle, replay

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

START_MS = 1_704_067_200_000
TRAFFIC = Traffic(
    decisions=2_000,
    start_ms=START_MS,
    models=3,
    entities=40,
    rate=20.0,
    reward_delay_s=20.0,
    duplicates=0.03,
    orphans=0.02,
    records=0.1,
    rules=Rules(reward_window_ms=60_000),
)  # about 100 s of decisions
LEARNER = {"entity": "context.user_id", "prior_precision": 4, "forgetting": 0.95}
REWARD = {"window": "1 minute"}
MODELS: Mapping[str, Any] = {
    "model-0": {"reward": REWARD, "learner": LEARNER},
    "model-1": {"reward": REWARD, "learner": {**LEARNER, "kind": "linear", "posterior": "full"}},
    "model-2": {"reward": REWARD, "learner": {"prior_precision": 4}},  # one entity, and no base
}
RUNS: Mapping[str, tuple[str, Mapping[str, Any], str]] = {  # events, stream settings, command
    "thread mode": ("in-order", {}, "run"),
    "process mode, parallelism 2": ("out-of-order", {"python_mode": "process", "parallelism": 2}, "run"),
    "replay": ("in-order", {}, "replay"),
    "replay of shuffled files": ("four-files", {}, "replay"),
}


class Answers(NamedTuple):
    """Each job after its run, how it ended, and what was to come out."""

    jobs: Mapping[str, Job]
    ends: Mapping[str, Finished]
    oracle: Oracle


def write(folder: Path, parts: list[list[Line]]) -> None:
    folder.mkdir(parents=True)
    for number, part in enumerate(parts):
        (folder / f"events-{number}.jsonl").write_bytes(b"".join(render(line, stamped=True) for line in part))


def put_bases(job: Job) -> None:
    """Two bases one after the other, and of the linear model one that a constant replaces."""
    for model, version, second, trained, fields in (
        ("model-0", "b1", 90, 0, {}),
        ("model-0", "b2", 120, 55, {}),
        ("model-1", "b1", 100, 20, {"kind": "linear"}),
        ("model-1", "c2", 140, 60, {"kind": "linear", "constant": 0.25}),
    ):
        put_base(
            job.store,
            version,
            model=model,
            active_from_ms=START_MS + second * 1000,
            trained_through_ms=START_MS + trained * 1000,
            **fields,
        )


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    folder = tmp_path_factory.mktemp("bases")
    lines = list(synthetic.event_lines(TRAFFIC, np.random.default_rng(12)))
    dice = random.Random(5)
    shuffled = dice.sample(lines, len(lines))
    write(folder / "events" / "in-order", [lines])
    jittered = sorted(lines, key=lambda line: line.arrival_ms + dice.uniform(0, 10_000))
    write(folder / "events" / "out-of-order", [jittered])
    write(folder / "events" / "four-files", [shuffled[part::4] for part in range(4)])
    jobs, ends = {}, {}
    for name, (events, stream, command) in RUNS.items():
        jobs[name] = Job(folder / name.replace(" ", "-"), folder / "events" / events, MODELS, stream)
        put_bases(jobs[name])
        ends[name] = jobs[name].run(command=command)
    first = jobs["thread mode"]
    return Answers(jobs, ends, replay([folder / "events" / "in-order"], first.settings, first.store))


@pytest.mark.parametrize("name", RUNS)
def test_entities_are_learned_over_the_bases_of_their_windows(answers: Answers, name: str) -> None:
    job = answers.jobs[name]
    assert answers.ends[name].code == 0, answers.ends[name].err[-6000:]
    found, expected = job.coefficients(), answers.oracle.coefficients
    assert_same_coefficients(found, expected)
    assert {key: each.base_version for key, each in found.items()} == {
        key: state.base_version for key, state in expected.items()
    }
    versions = {(model, each.base_version) for (model, _), each in found.items()}
    assert versions >= {("model-0", "b2"), ("model-1", "c2"), ("model-2", "")}


@pytest.mark.parametrize("name", RUNS)
def test_decisions_are_scored_by_base_alone_and_with_their_entity(answers: Answers, name: str) -> None:
    scores = answers.jobs[name].scores()
    assert_same_scores(scores, answers.oracle.scores)
    assert len({score["base"] for score in scores if score["model"] == "model-0"}) > 3
    assert_same_counters(answers.ends[name].summary, answers.oracle)
    progressive = answers.ends[name].summary["models"]["model-0"]["progressive"]
    assert progressive["auc_base"] not in (None, 0.5)


def test_runs_write_the_same_bytes(answers: Answers) -> None:
    jobs = answers.jobs
    assert jobs["thread mode"].objects() == jobs["process mode, parallelism 2"].objects()
    assert jobs["replay"].objects() == jobs["replay of shuffled files"].objects()


def test_a_ranker_of_the_bucket_adds_the_base_to_what_the_job_has_learned(answers: Answers) -> None:
    job = answers.jobs["thread mode"]
    item, context = {"genre": "rock", "tempo": 0.5}, {"user_id": "nobody", "hour": 3}
    ranker = Ranker(job.store, "model-1")
    assert ranker.scores([item], {"hour": 3}, explore=False) == [0.25]  # the constant, and no entity
    assert ranker.scores([item], context, explore=False) == [0.25]  # the prior's means are 0
    (entity, learned), *_ = ((key[1], each) for key, each in job.coefficients().items() if key[0] == "model-1")
    (user,) = json.loads(entity)
    (score,) = ranker.scores([{}], {"user_id": user}, explore=False)
    assert score == pytest.approx(0.25 + learned.mean[learned.names.index(INTERCEPT)])
