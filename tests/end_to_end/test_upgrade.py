"""This release goes on from the state of each released format, windows open, and at another parallelism; and one would
that keeps its open windows in another form (DESIGN §7: it reads again what is in them).

The state is that of a job that was killed; what it learned before, and what comes after, is one stream for the oracle.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest

from jobs.summary import summarise
from lambda_learner.publish.store import FolderStore
from lambda_learner.retrain.requests import records
from tests.end_to_end.upgrade_story import (
    DECISIONS,
    GOLDEN,
    MODELS,
    NEW_DECISIONS,
    PART_MS,
    PLACE,
    QUIET_MS,
    START_MS,
    job,
    learned,
    parts,
    place,
    rest,
)
from tests.harness.compare import assert_same_coefficients, assert_same_counters
from tests.harness.feed import Folder, heartbeat, text
from tests.harness.job import Coefficients
from tests.harness.oracle import Oracle, replay

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

RELEASES = {"this": "jobs.cli", "with_other_windows": "tests.harness.other_windows"}
STATES = sorted(path.name for path in GOLDEN.glob("state_version*.zip"))
READERS = 2


class After(NamedTuple):
    """What was published before the upgrade and after it, what else came, and what was to come out."""

    before: Coefficients
    coefficients: Coefficients
    asked: list[tuple[str, str]]
    archived: list[str]  # the ids of all rows that are decisions
    summary: dict[str, Any]
    oracle: Oracle


@pytest.fixture(scope="module", params=[(state, release) for state in STATES for release in RELEASES], ids="-".join)
def after(request: pytest.FixtureRequest) -> Iterator[After]:
    state, release = request.param
    with place():
        zipfile.ZipFile(GOLDEN / state).extractall(PLACE)
        upgraded, folder, (first, second) = job(READERS), Folder(PLACE / "events"), parts()
        before = upgraded.coefficients()
        folder.put(text(first))  # as it was: it must not count again
        with upgraded.start(program=RELEASES[release]) as running:
            folder.put(text(second))
            for _ in range(READERS):
                folder.put(text([heartbeat(START_MS + 2 * PART_MS + QUIET_MS)]))
            running.until(lambda: learned(upgraded) == 2 * DECISIONS, "all learned")
            rest(upgraded, running, 2)
            running.kill()
        asked = [(each.request.model, each.request.cause) for each in records(FolderStore(PLACE / "train"))]
        oracle = replay([folder.path], upgraded.settings, upgraded.store)
        summary = summarise(upgraded.state / "outputs", seconds=0, scores=None, ended=False)
        yield After(before, upgraded.coefficients(), sorted(asked), _archived(), summary, oracle)


def _archived() -> list[str]:
    files = sorted((PLACE / "train").rglob("*.parquet"))
    rows = [row for file in files for row in pq.read_table(file, columns=["decision_id", "count"]).to_pylist()]
    return [row["decision_id"] for row in rows if row["count"] is not None]


def test_there_is_a_state_of_every_released_format() -> None:
    assert STATES == [f"state_version{number + 1}.zip" for number in range(len(STATES))] != []


def test_it_was_kept_with_windows_open(after: After) -> None:
    assert DECISIONS // 2 < sum(entity.count for entity in after.before.values()) < DECISIONS


def test_the_coefficients_are_those_of_one_run_over_all(after: After) -> None:
    assert_same_coefficients(after.coefficients, after.oracle.coefficients)


def test_every_line_counts_once(after: After) -> None:
    assert_same_counters(after.summary, after.oracle)


def test_every_decision_is_archived_once(after: After) -> None:
    assert len(set(after.archived)) == len(after.archived) == 2 * DECISIONS


def test_each_retraining_is_asked_for_once(after: After) -> None:
    times = 2 * DECISIONS // len(MODELS) // NEW_DECISIONS
    assert after.asked == sorted((model, "decisions") for model in MODELS for _ in range(times))
