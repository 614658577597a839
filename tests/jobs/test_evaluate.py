from __future__ import annotations

from pathlib import Path

import pytest

from jobs import cli, evaluate
from lambda_learner.evaluation.movielens import ROWS
from lambda_learner.simulate import movielens
from lambda_learner.simulate.movielens import DataSetError

MEASURED = [row.expected + 0.001 for row in ROWS]


def ended_with(*arguments: str) -> int:
    with pytest.raises(SystemExit) as raised:
        cli.main(["evaluate", "movielens", *arguments])
    return int(str(raised.value.code))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "_measured", lambda _rows: MEASURED)


@pytest.mark.usefixtures("measured")
def test_each_row_is_printed_with_what_was_published_specified_and_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended_with("--output", str(tmp_path / "new" / "picture.png")) == 0
    out = capsys.readouterr().out
    lines = [[cell.strip() for cell in line.split("│")] for line in out.splitlines() if "│" in line]
    assert ["", "T1", "batch, global model", "0.6237", "0.6273", "0.6283", "+0.0010", ""] in lines
    assert ["", "T3", "per user, stale", "–", "0.6125", "0.6135", "+0.0010", ""] in lines
    assert len(lines) == len(ROWS)
    assert out.rstrip().endswith("picture.png")


def test_a_number_out_of_its_tolerance_is_named_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    off = [row.expected + (0.0031 if row.target == "T3" else 0.0) for row in ROWS]
    monkeypatch.setattr(evaluate, "_measured", lambda _rows: off)
    assert ended_with("--output", str(tmp_path / "picture.png")) == 1
    assert capsys.readouterr().err.endswith("evaluate: out of tolerance: T3 (per user, stale)\n")


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize(("name", "magic"), [("p.png", b"\x89PNG"), ("p.svg", b"<?xml")])
def test_the_picture_is_of_the_kind_that_its_name_says(tmp_path: Path, name: str, magic: bytes) -> None:
    assert ended_with("--output", str(tmp_path / name)) == 0
    assert (tmp_path / name).read_bytes().startswith(magic)


def test_another_kind_of_picture_is_refused_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "_measured", lambda _rows: pytest.fail("measured"))
    assert ended_with("--output", str(tmp_path / "picture.bmp")) == 2
    assert "must end in .png or .svg, got 'picture.bmp'" in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_a_missing_data_set_is_told_in_a_message(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> Path:
        message = "recbole is not installed here"
        raise DataSetError(message)

    monkeypatch.setattr(movielens, "find_folder", missing)
    assert ended_with() == 1
    assert capsys.readouterr().err == "evaluate: recbole is not installed here\n"
