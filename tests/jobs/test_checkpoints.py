"""Which checkpoint is used, and what becomes of part files; that a real one is found damaged: `test_live_stream.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs import checkpoints
from jobs.checkpoint_place import Place, folder_place
from jobs.checkpoints import reopen_parts, whole_checkpoint
from jobs.job_state import StateError

PART = "part-0a1b2c3d-0000-4000-8000-0123456789ab-3"
MARK = "9f9f9f9f-1111-4222-8333-abcdefabcdef"


@pytest.fixture
def damaged(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of those that are."""
    names: set[str] = set()

    def problem_of(checkpoint: str, *_: object) -> str | None:
        return "half of it" if checkpoint.rpartition("/")[2] in names else None

    monkeypatch.setattr(checkpoints, "problem_of", problem_of)
    return names


PLACES = [folder_place(Path("/s"))]
FOUND = ["file:///s/chk-3", "file:///s/chk-2", "file:///s/chk-1"]


def test_the_newest_that_is_whole_is_used(damaged: set[str]) -> None:
    assert whole_checkpoint(FOUND, PLACES, None) == ("file:///s/chk-3", [])
    damaged |= {"chk-3", "chk-1"}
    found, problems = whole_checkpoint(FOUND, PLACES, None)
    assert found == "file:///s/chk-2"
    assert problems == ["checkpoint file:///s/chk-3 is damaged: half of it"]


def test_where_none_is_whole_each_is_named_and_what_to_do(damaged: set[str]) -> None:
    damaged |= {"chk-1", "chk-2", "chk-3"}
    with pytest.raises(StateError, match=r"(?s)chk-3 is damaged.*chk-2.*chk-1.*--fresh"):
        whole_checkpoint(FOUND, PLACES, None)


def checkpoint(folder: Path, place: Place) -> str:
    """A checkpoint with the state of a sink that had this part open."""
    outputs = folder / "outputs" / "counts" / "2026-11-23--20"
    outputs.mkdir(parents=True)
    text = f"\0\7{outputs}/{PART}{outputs}/.{PART}.inprogress.{MARK}0\0\1"
    place.store.put("0a1b/chk-2/_metadata", text.encode())
    return f"{place.directory}/0a1b/chk-2"


def test_a_part_that_was_completed_since_is_open_again(place: Place, tmp_path: Path) -> None:
    state = checkpoint(tmp_path, place)
    outputs = tmp_path / "outputs" / "counts" / "2026-11-23--20"
    (outputs / PART).write_text("told\n")
    (outputs / PART.replace("-3", "-2")).write_text("told before\n")
    assert reopen_parts(state, place, tmp_path / "outputs") == 1
    assert (outputs / f".{PART}.inprogress.{MARK}").read_text() == "told\n"
    assert {path.name for path in outputs.iterdir()} == {f".{PART}.inprogress.{MARK}", PART.replace("-3", "-2")}


def test_a_part_that_is_open_still_stays_as_it_is(place: Place, tmp_path: Path) -> None:
    state = checkpoint(tmp_path, place)
    hidden = tmp_path / "outputs" / "counts" / "2026-11-23--20" / f".{PART}.inprogress.{MARK}"
    hidden.write_text("told\n")
    assert reopen_parts(state, place, tmp_path / "outputs") == 0
    assert hidden.read_text() == "told\n"
