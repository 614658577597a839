"""What a submitted job goes on from; that a real one goes back to an older checkpoint: `tests/cluster`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from config.settings import Settings
from jobs import checkpoints
from jobs.cluster_state import Chosen, newest_state
from jobs.job_state import Beginning, JobState, Rewound, StateError
from jobs.submitted import Submitted
from operators.files import FileChunk
from operators.rewind import WINDOWS


def unfinished(folder: Path, *metadata: str) -> JobState:
    """The state folder of job 1f2e3d4c, which has begun, with these checkpoints and savepoints in order of time."""
    state = JobState(folder)
    state.begin(Beginning([], {"m": "g"}))
    Submitted("1f2e3d4c", "http://flink:8081").write(folder)
    for second, name in enumerate(metadata):
        path = folder / name / "_metadata"
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (second, second))
    return state


FOLLOWED = Settings.model_validate({"stream": {"source": {"kind": "files", "follow": True}}})
BOUNDED = Settings()


def chosen(state: JobState, ended: str | None, settings: Settings = FOLLOWED) -> Chosen:
    return newest_state(state, settings, ended, None)


@pytest.fixture(autouse=True)
def damaged(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of checkpoints that are."""
    names: set[str] = set()
    monkeypatch.setattr(checkpoints, "problem_of", lambda each, *_: "half of it" if each[-5:] in names else None)
    return names


def test_a_submission_goes_on_from_the_newest_checkpoint(tmp_path: Path) -> None:
    state = unfinished(tmp_path, "savepoints/savepoint-1f2e3d-1", "checkpoints/1/chk-2", "checkpoints/1/chk-10")
    assert chosen(state, "CANCELED") == Chosen(f"file://{tmp_path}/checkpoints/1/chk-10")


def test_one_after_a_stop_goes_on_from_the_savepoint_of_that_job(tmp_path: Path) -> None:
    names = ["savepoint-1f2e3d-1", "savepoint-1f2e3d-0", "savepoint-aaaaaa-1"]
    state = unfinished(tmp_path, *(f"savepoints/{name}" for name in names))
    assert chosen(state, "FINISHED") == Chosen(f"file://{tmp_path}/savepoints/savepoint-1f2e3d-0")


def test_a_job_that_was_stopped_does_not_begin_again_unnoticed(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"-s PATH, or .* --fresh"):
        chosen(unfinished(tmp_path), "FINISHED")


@pytest.mark.parametrize("ended", ["FAILED", None])
def test_one_that_failed_before_its_first_checkpoint_begins_as_before(tmp_path: Path, ended: str | None) -> None:
    state = unfinished(tmp_path)
    assert chosen(state, ended) == Chosen(None)
    assert state.beginning() is not None


def test_after_the_end_of_a_bounded_input_the_next_run_begins_anew(tmp_path: Path) -> None:
    state = unfinished(tmp_path)
    assert chosen(state, "FINISHED", BOUNDED) == Chosen(None)
    assert state.beginning() is None


THREE = ("checkpoints/1/chk-1", "checkpoints/1/chk-2", "checkpoints/2/chk-3")


def test_where_the_newest_checkpoint_is_damaged_it_goes_on_from_the_one_before(
    tmp_path: Path, damaged: set[str]
) -> None:
    damaged |= {"chk-3"}
    found = chosen(unfinished(tmp_path, *THREE), "FAILED")
    problem = f"checkpoint file://{tmp_path}/checkpoints/2/chk-3 is damaged: half of it"
    assert found == Chosen(f"file://{tmp_path}/checkpoints/1/chk-2", (problem,))


def test_where_all_are_damaged_each_is_named_and_nothing_begins_unnoticed(tmp_path: Path, damaged: set[str]) -> None:
    damaged |= {"chk-1", "chk-2", "chk-3"}
    with pytest.raises(StateError, match=r"(?s)chk-3 is damaged.*chk-2.*chk-1.*--fresh"):
        chosen(unfinished(tmp_path, *THREE), "FAILED")


def test_a_run_that_was_rewound_goes_back_no_further_than_that(tmp_path: Path, damaged: set[str]) -> None:
    damaged |= {"chk-3"}
    state = unfinished(tmp_path, *THREE)
    held = state.beginning()
    assert held is not None
    state.keep(replace(held, rewound=Rewound(f"file://{tmp_path}/checkpoints/2/chk-3", 0)))
    with pytest.raises(StateError, match="chk-3 is damaged"):
        chosen(state, "FAILED")


def test_a_run_that_reads_its_input_from_the_start_again_goes_on_from_nothing(tmp_path: Path) -> None:
    state = unfinished(tmp_path, *THREE)
    state.keep(Beginning([FileChunk("events.jsonl", 0, 0, 1)], {"m": "g"}, windows=WINDOWS + 1))
    assert chosen(state, "FAILED", BOUNDED) == Chosen(None)
    assert state.beginning() is not None


@pytest.mark.parametrize("ended", ["FAILED", "CANCELED", None])
def test_one_that_failed_before_its_first_checkpoint_goes_on_from_what_it_went_on_from(
    tmp_path: Path, ended: str | None
) -> None:
    state = unfinished(tmp_path, "savepoints/savepoint-aaaaaa-1")
    savepoint = f"file://{tmp_path}/savepoints/savepoint-aaaaaa-1"
    Submitted("1f2e3d4c", "http://flink:8081", savepoint).write(tmp_path)
    assert chosen(state, ended) == Chosen(savepoint)
    with pytest.raises(StateError, match=r"-s PATH, or .* --fresh"):
        chosen(state, "FINISHED")  # it has a newer one, elsewhere
