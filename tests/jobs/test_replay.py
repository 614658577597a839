from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jobs.job_state import StateError
from jobs.replay import go_live, is_replay
from lambda_learner.policy import Policies
from lambda_learner.publish import Fenced, FolderStore, ShardWriter, Tombstone, claim, read_generation
from operators.files import FileChunk
from tests.harness.cases import POLICY

ONE_FILE = [FileChunk("a", 0, 10, 1), FileChunk("a", 10, 20, 1)]
TWO_FILES = [FileChunk("a", 0, 10, 1), FileChunk("b", 0, 10, 1)]
G = POLICY.generation


@pytest.mark.parametrize(("chunks", "expected"), [(ONE_FILE, False), (TWO_FILES, True), ([], False)])
def test_a_bounded_input_of_more_than_one_file_is_replayed(chunks: list[FileChunk], *, expected: bool) -> None:
    assert is_replay(chunks, None) is expected


@pytest.mark.parametrize("chunks", [ONE_FILE, TWO_FILES])
@pytest.mark.parametrize("choice", [True, False])
def test_a_choice_is_respected(chunks: list[FileChunk], *, choice: bool) -> None:
    assert is_replay(chunks, choice) is choice


def test_a_followed_folder_cannot_be_replayed(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"stream.source: .*set follow: false"):
        is_replay([], True)


def write(store: FolderStore, model: str, generation: str = G) -> None:
    ShardWriter(store, model, generation, 0, 1).publish(10_000, [Tombstone("[1]", 10_000)])


def live(store: FolderStore, model: str) -> str | None:
    found = read_generation(store, model)
    return None if found is None else found.generation.generation


def test_what_was_published_goes_live(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    write(store, "m")
    write(store, "n", "ffffffffffff")
    go_live(store, Policies({"n": replace(POLICY, generation="ffffffffffff")}, POLICY), epoch=1)
    assert (live(store, "m"), live(store, "n")) == (G, "ffffffffffff")


def test_a_generation_of_other_settings_stays_as_it_is(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    write(store, "m", "ffffffffffff")
    go_live(store, Policies({}, POLICY), epoch=1)
    assert live(store, "m") is None


def test_a_model_that_is_rejected_stays_as_it_is(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    write(store, "m")
    go_live(store, Policies({}, None), epoch=1)
    assert live(store, "m") is None


def test_going_live_twice_is_the_same_as_once(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    write(store, "m")
    for _ in range(2):
        go_live(store, Policies({}, POLICY), epoch=1)
    assert live(store, "m") == G


def test_a_replay_that_was_taken_over_does_not_go_live(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    claim(store, "old", take_over=False)
    write(store, "m")
    claim(store, "new", take_over=True)
    with pytest.raises(Fenced):
        go_live(store, Policies({}, POLICY), epoch=1)
    assert live(store, "m") is None
