from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from config.problems import ConfigError, Problem
from jobs import cli
from jobs.failure import JobFailed
from jobs.java import JavaNotFound
from jobs.job_state import StateError
from jobs.run import RunOptions
from lambda_learner.publish import NotPublished, OwnedByAnother, StoreError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(f"stream: {{state: {tmp_path / 'state'}}}\nbucket: {{models: 'file:{tmp_path / 'bucket'}'}}\n")
    return path


def ended(*arguments: str) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as raised:
        cli.main(list(arguments))
    assert isinstance(raised.value.code, int)
    return raised.value.code


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """What stands on stderr; there is nothing on stdout and no traceback."""
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize("command", ["run", "replay", "report", "doctor"])
def test_a_wrong_configuration_ends_with_2_and_a_message(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("stream:\n  shards: 0\n")
    assert ended(command, "--config", str(path)) == 2
    err = told(capsys)
    assert err.startswith(f"lambda-learner: {path}: 1 problem")
    assert "line 2: stream.shards: got 0; accepted: an integer from 1 to 256" in err


def test_a_configuration_that_is_not_there_ends_with_2_and_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended("run", "--config", str(tmp_path / "none.yaml")) == 2
    assert "there is no such file" in told(capsys)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("f", [Problem((), "wrong")]), 2),
        (StateError("another run"), 2),
        (OwnedByAnother(owner_id="a", wanted_by="b"), 2),
        (StoreError("cannot write"), 2),
        (NotPublished("m", "k"), 2),
        (JavaNotFound("none"), 2),
        (JobFailed("the job failed: Fenced"), 1),
    ],
)
def test_what_a_user_can_mend_is_told_without_a_traceback(
    error: Exception, code: int, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*_: Any) -> None:
        raise error

    monkeypatch.setattr(cli, "run", run)
    assert ended("run", "--config", str(config)) == code
    assert told(capsys) == f"lambda-learner: {error}\n"


def test_a_bug_is_not_hidden(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: Any) -> None:
        raise KeyError

    monkeypatch.setattr(cli, "run", run)
    with pytest.raises(KeyError):
        cli.main(["run", "--config", str(config)])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run"], RunOptions()),
        (
            ["run", "--fresh", "--take-over", "--no-progress"],
            RunOptions(fresh=True, take_over=True, show_progress=False),
        ),
        (["run", "--scores", "s.jsonl"], RunOptions(scores=Path("s.jsonl"))),
        (["replay"], RunOptions(batch=True)),
        (["replay", "--fresh", "--scores", "s.jsonl"], RunOptions(Path("s.jsonl"), fresh=True, batch=True)),
    ],
)
def test_options_reach_the_run(
    arguments: list[str],
    expected: RunOptions,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = []

    def run(_: Any, options: RunOptions) -> dict[str, int]:
        given.append(options)
        return {"lines": 0}

    monkeypatch.setattr(cli, "run", run)
    assert ended(*arguments, "--config", str(config)) == 0
    assert given == [expected]
    assert json.loads(capsys.readouterr().out) == {"lines": 0}


def test_warnings_go_to_stderr_and_the_summary_alone_to_stdout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("models: {m: {learner: {features: [context.hour]}}}\n")
    monkeypatch.setattr(cli, "run", lambda *_: {"lines": 7})
    assert ended("run", "--config", str(path)) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"lines": 7}
    assert err.startswith("warning: models.m.learner.features: context.hour is of the context only")


@pytest.mark.parametrize(("summary", "warned"), [({"already_learned": 5, "updates": 0}, True), ({"updates": 3}, False)])
def test_a_run_in_which_nothing_was_new_says_so(
    summary: dict[str, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    warned: bool,
) -> None:
    (tmp_path / "c.yaml").write_text("{}")
    monkeypatch.setattr(cli, "run", lambda *_: summary)
    assert ended("run", "--config", str(tmp_path / "c.yaml")) == 0
    assert ("--fresh learns it anew" in capsys.readouterr().err) == warned


@pytest.mark.parametrize("arguments", [["fly"], ["run"], ["run", "--config"], ["run", "--nope"]])
def test_a_command_line_that_makes_no_sense_ends_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(*arguments) == 2
    told(capsys)


@pytest.mark.parametrize("command", ["run", "replay", "simulate", "rank", "report", "doctor", "demo"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(command, "--help") == 0
    assert "Usage" in capsys.readouterr().out


# report


def test_a_report_of_scores_that_are_not_there_is_refused(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("report", "--config", str(config), "--scores", "/nowhere/scores.jsonl") == 2
    assert "does not exist" in told(capsys)


def test_a_job_that_has_not_run_yet_has_a_report_too(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "new" / "report.html"
    assert ended("report", "--config", str(config), "--output", str(page)) == 0
    assert page.exists()
    assert str(page) in capsys.readouterr().out


def sections_of_report(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the report is made of, gathered instead of drawn."""
    given: list[Any] = []

    def write_report(page: Path, sections: list[Any]) -> Path:
        given.extend(sections)
        return page

    monkeypatch.setattr("jobs.report.write_report", write_report)
    return given


def test_the_report_of_a_finished_run_is_made_from_its_summary(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = sections_of_report(monkeypatch)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "summary.json").write_text('{"lines": 7}')
    assert ended("report", "--config", str(config)) == 0
    assert [section.summary for section in given] == [{"lines": 7}]


def test_the_report_of_a_run_that_was_interrupted_is_made_from_its_outputs(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = sections_of_report(monkeypatch)
    counts = tmp_path / "state" / "outputs" / "counts"
    counts.mkdir(parents=True)
    (counts / ".part-0.inprogress.1").write_text("+I[9\x1f0\x1f\x1flines]\n")
    assert ended("report", "--config", str(config)) == 0
    assert [section.summary["lines"] for section in given] == [9]
