from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from jobs import job_state
from jobs.checkpoint_place import Place, folder_place
from jobs.job_state import Beginning, JobState, StateError
from lambda_learner.publish import FileEntry
from lambda_learner.publish.errors import StoreError
from operators.files import FileChunk
from tests.harness.s3 import S3

CHUNKS = [FileChunk("a/b é", 0, 10, 7), FileChunk("a/b é", 10, 12, 7)]
PINNED = {("m", "g", 3): [FileEntry("coefficients/m/g/03/x-base.parquet", 5, "base", 10_000, "ff")]}
BEGINNING = Beginning(CHUNKS, {"m": "g", "n": "h-2"}, PINNED)


@pytest.fixture
def state(tmp_path: Path) -> JobState:
    folder = tmp_path / "state"
    folder.mkdir()
    return JobState(folder)


def checkpoint(state: JobState, name: str, *, seconds: int, complete: bool = True) -> Path:
    folder = state.folder / "checkpoints" / name
    folder.mkdir(parents=True)
    (folder / "state").touch()
    if complete:
        (folder / "_metadata").touch()
        os.utime(folder / "_metadata", (seconds, seconds))
    return folder


# The lock.


def test_a_folder_is_held_by_one_run_at_a_time(state: JobState) -> None:
    with state.locked(), pytest.raises(StateError, match=r"another run is using .*stream\.state"), state.locked():
        pass
    with state.locked():
        pass


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    with JobState(tmp_path / "a" / "b").locked():
        assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(StateError, match="cannot write to the state folder .*file"),
        JobState(tmp_path / "file").locked(),
    ):
        pass


@pytest.mark.parametrize("error", [PermissionError("the bucket"), BlockingIOError("a pipe")])
def test_what_goes_wrong_while_it_is_held_is_told_as_it_is(state: JobState, error: OSError) -> None:
    with pytest.raises(type(error)), state.locked():
        raise error


# Who the job is.


def test_the_owner_id_is_made_once_and_kept(state: JobState) -> None:
    assert state.known_owner_id() is None
    owner_id = state.owner_id()
    assert len(owner_id) == 32
    assert JobState(state.folder).owner_id() == owner_id
    assert state.known_owner_id() == owner_id


def test_the_owner_stays_the_same_from_run_to_run(state: JobState) -> None:
    owner_id = state.owner_id()
    state.begin(BEGINNING)
    assert state.owner_id() == owner_id
    state.finish()
    assert state.owner_id() == owner_id


# A run and its restart.


def test_a_run_that_is_not_finished_is_resumed_as_it_began(state: JobState) -> None:
    assert state.beginning() is None
    state.begin(BEGINNING)
    assert JobState(state.folder).beginning() == BEGINNING


def test_a_run_over_a_followed_folder_has_no_plan_and_is_resumed_all_the_same(state: JobState) -> None:
    state.begin(Beginning([], {}))
    assert state.beginning() == Beginning([], {})


def test_a_file_whose_name_is_not_utf_8_keeps_its_name(state: JobState) -> None:
    name = b"a/\xff".decode("utf-8", "surrogateescape")
    state.begin(Beginning([FileChunk(name, 0, 1, 1)], {}))
    found = state.beginning()
    assert found is not None
    assert found.chunks[0].path == name


def test_a_run_that_is_finished_is_not_resumed(state: JobState) -> None:
    state.begin(BEGINNING)
    checkpoint(state, "j/chk-1", seconds=1)
    state.finish()
    assert state.beginning() is None
    assert state.newest_checkpoint() is None


def test_a_finished_run_leaves_its_outputs_and_summary(state: JobState) -> None:
    state.begin(BEGINNING)
    state.outputs.mkdir()
    state.summary.touch()
    state.finish()
    assert state.outputs.is_dir()
    assert state.summary.exists()


def test_a_beginning_forgets_what_runs_before_have_left(state: JobState) -> None:
    checkpoint(state, "j/chk-1", seconds=1)
    (state.outputs / "counts").mkdir(parents=True)
    state.summary.touch()
    state.begin(BEGINNING)
    assert state.newest_checkpoint() is None
    assert not state.outputs.exists()
    assert not state.summary.exists()


def test_the_outputs_of_the_run_before_stay_until_the_next_but_one(state: JobState) -> None:
    for text in ("first", "second"):
        state.begin(BEGINNING)
        state.outputs.mkdir(parents=True)
        (state.outputs / "dead_letters").write_text(text)
        state.summary.touch()
        state.finish()
    for _ in range(2):  # the second finds a run that was killed
        state.begin(BEGINNING)
        assert not state.outputs.exists()
        state.outputs.mkdir()
    state.begin(BEGINNING)
    assert not state.outputs.exists()
    assert (state.folder / "outputs.before" / "dead_letters").read_text() == "second"


def test_going_on_keeps_checkpoints_and_outputs(state: JobState) -> None:
    state.begin(BEGINNING)
    state.outputs.mkdir()
    checkpoint(state, "j/chk-1", seconds=1)
    state.keep(Beginning(CHUNKS, {"m": "other"}))
    assert state.beginning() == Beginning(CHUNKS, {"m": "other"})
    assert state.newest_checkpoint() is not None
    assert state.outputs.is_dir()


# Checkpoints.


def test_the_newest_checkpoint_is_the_one_completed_last_whatever_its_number(state: JobState) -> None:
    checkpoint(state, "first/chk-9", seconds=100)
    newest = checkpoint(state, "second/chk-2", seconds=200)
    assert state.newest_checkpoint() == f"file://{newest.resolve()}"


def test_attempts_without_one_of_the_three_newest_checkpoints_are_forgotten(state: JobState) -> None:
    older = checkpoint(state, "first/chk-9", seconds=100)
    kept = [checkpoint(state, f"{name}/chk-{name}", seconds=seconds) for name, seconds in (("2", 200), ("3", 300))]
    state.forget_older_attempts()
    assert older.exists()
    kept.append(checkpoint(state, "3/chk-4", seconds=400))
    state.forget_older_attempts()
    assert not older.exists()
    assert all(each.exists() for each in kept)


def test_checkpoints_are_given_newest_first(state: JobState) -> None:
    older, newest = (checkpoint(state, f"j/chk-{n}", seconds=n) for n in (1, 2))
    assert state.checkpoints() == [f"file://{newest.resolve()}", f"file://{older.resolve()}"]


def test_a_checkpoint_that_was_cut_short_does_not_count(state: JobState) -> None:
    whole = checkpoint(state, "j/chk-1", seconds=100)
    checkpoint(state, "j/chk-2", seconds=200, complete=False)
    assert state.newest_checkpoint() == f"file://{whole.resolve()}"


def test_a_checkpoint_is_named_as_flink_reads_it_whatever_is_in_its_path(tmp_path: Path) -> None:
    state = JobState(tmp_path / "my state é%20")
    found = checkpoint(state, "j/chk-1", seconds=1)
    assert state.newest_checkpoint() == f"file://{found.resolve()}"


# Checkpoints in S3.


def test_checkpoints_in_s3_have_a_folder_of_the_job_there(tmp_path: Path) -> None:
    state = JobState(tmp_path, "s3://bucket/p?endpoint=http://h:1")
    owner_id = state.owner_id()
    assert [place.directory for place in state.places()] == [
        f"s3://bucket/p/{owner_id}",
        f"file://{tmp_path}/checkpoints",
    ]


@pytest.mark.services
def test_the_newest_checkpoint_may_be_in_s3_or_still_in_the_folder(state: JobState, s3: S3) -> None:
    here = checkpoint(state, "j/chk-1", seconds=100)
    moved = JobState(state.folder, s3.new_url())
    assert moved.newest_checkpoint() == f"file://{here.resolve()}"
    place = moved.places()[0]
    for number in (2, 3, 4):
        place.store.put(f"k/chk-{number}/_metadata", b"")
    assert moved.newest_checkpoint() == f"{place.directory}/k/chk-4"
    moved.forget_older_attempts()
    assert not here.exists()
    moved.begin(BEGINNING)
    assert moved.checkpoints() == []


@pytest.mark.services
def test_a_run_that_is_finished_leaves_none_in_s3(state: JobState, s3: S3) -> None:
    state = JobState(state.folder, s3.new_url())
    state.begin(BEGINNING)
    place = state.places()[0]
    place.store.put("k/chk-1/_metadata", b"")
    state.finish()
    assert place.files() == {}


def test_a_run_is_finished_though_its_checkpoints_cannot_be_removed(
    state: JobState, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    state.begin(BEGINNING)

    def refused(*_: object) -> None:
        message = "cannot remove"
        raise StoreError(message)

    monkeypatch.setattr(Place, "keep_only", refused)
    state.finish()
    assert state.beginning() is None
    assert "checkpoints stay: cannot remove" in caplog.text


def test_a_run_whose_checkpoints_are_in_s3_is_not_begun_again_elsewhere(
    state: JobState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_state, "s3_place", lambda *_: folder_place(state.folder / "s3"))
    JobState(state.folder, "s3://bucket/p?region=eu-west-1").begin(BEGINNING)
    JobState(state.folder, "s3://bucket/p?endpoint=http://h:1").refuse_elsewhere()
    for url, now in ((None, "got none"), ("s3://bucket/q", "got s3://bucket/q")):
        with pytest.raises(
            StateError, match=rf"stream.checkpoints: .* at s3://bucket/p, {now}: put it back .* --fresh"
        ):
            JobState(state.folder, url).refuse_elsewhere()


def test_a_run_with_its_checkpoints_in_the_folder_may_go_on_with_them_in_s3(state: JobState) -> None:
    state.begin(BEGINNING)
    JobState(state.folder, "s3://bucket/p").refuse_elsewhere()


# Damage.


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '"x"', '{"chunks": [], "pinned": []}', '{"chunks": [7], "generations": {}}']
)
def test_a_damaged_document_is_an_error_that_says_what_to_do(state: JobState, text: str) -> None:
    (state.folder / "job.json").write_text(text)
    with pytest.raises(
        StateError, match=r"job.json is damaged .*restore it .*remove .*state and start with --take-over"
    ):
        state.beginning()


def test_a_write_that_is_cut_short_leaves_the_document_before(state: JobState) -> None:
    state.begin(BEGINNING)
    (state.folder / "job.partial").write_text("{")
    assert state.beginning() == BEGINNING
    assert json.loads((state.folder / "job.json").read_text())["generations"] == {"m": "g", "n": "h-2"}
