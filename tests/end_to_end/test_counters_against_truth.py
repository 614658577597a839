"""Every line of a noisy log is counted in its class, as the truth file has it."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from operators.counts import read_sums
from tests.end_to_end.noisy import DECISIONS, Noise
from tests.harness.compare import assert_identities
from tests.harness.job import Finished, Job

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

Undisturbed = tuple[Job, Finished]
LATE = {"D": "late_decisions", "R": "late_rewards", "T": "late_records"}


def test_every_counter_is_the_truth(noise: Noise, undisturbed: Undisturbed) -> None:
    _, end = undisturbed
    truth = noise.truth["counters"]
    assert truth["decisions"] > DECISIONS
    assert all(truth[name] > 0 for name in truth if name != "excess_rewards")
    assert {name: end.summary[name] for name in truth} == truth
    assert_identities(end.summary)


def test_every_counter_is_the_truth_in_each_minute(noise: Noise, undisturbed: Undisturbed) -> None:
    job, _ = undisturbed
    sums: Counter[tuple[int, str]] = Counter()
    for (minute_ms, _, name), n in read_sums(job.state / "outputs" / "counts").items():
        sums[minute_ms, name] += n
    apart = {"lines", "dead_lettered", *LATE.values()}  # by arrival; by difference
    for minute, classes in noise.truth["by_minute"].items():
        expected = {name: n for name, n in classes.items() if name not in apart}
        assert {name: sums[int(minute), name] for name in expected} == expected


def test_every_dead_letter_has_its_reason(noise: Noise, undisturbed: Undisturbed) -> None:
    assert undisturbed[0].reasons() == noise.truth["dead_letters"]


def test_every_late_row_is_told(noise: Noise, undisturbed: Undisturbed) -> None:
    rows = [json.loads(line) for line in undisturbed[0].lines("late")]
    kinds = Counter(LATE[row["kind"]] for row in rows)
    assert kinds == {name: noise.truth["counters"][name] for name in LATE.values()}


def test_every_orphan_is_told(noise: Noise, undisturbed: Undisturbed) -> None:
    told = [json.loads(line) for line in undisturbed[0].lines("orphans")]
    assert sum(len(orphan["rewards"]) for orphan in told) == noise.truth["counters"]["orphan_rewards"]


def test_every_label_is_the_truth(noise: Noise, undisturbed: Undisturbed) -> None:
    labels = {(row["model"], row["decision_id"]): row["label"] for row in undisturbed[0].scores()}
    rewards = noise.truth["rewards"]
    learned_records = noise.truth["counters"]["learned_records"]
    assert len(labels) == noise.truth["counters"]["joined"] + learned_records
    for decision_id, reward in rewards["model-0"].items():
        assert labels["model-0", decision_id] == (1 if reward > 0 else -1)
    for decision_id, reward in rewards["model-1"].items():
        assert labels["model-1", decision_id] == pytest.approx(reward, abs=1e-12)
