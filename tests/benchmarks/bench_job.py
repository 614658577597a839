"""Events/s and CPU per event of the main job over synthetic traffic, whole process tree; start-up is taken off.

`make bench`, or with other sizes: BENCH_DECISIONS=70000 make bench. On a machine with other work only the CPU figures
mean something.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.harness.process_tree import Ran, run_measured

DECISIONS = int(os.environ.get("BENCH_DECISIONS", "677000"))  # about 960,000 events
FEW = 1_400  # decisions of a run that is nearly start-up alone
WINDOW = "1 minute"  # of eight minutes of events: so that windows close while others open, as in a stream
TRAFFIC = ["--dataset", "synthetic", "--rate", "2000", "--entities", "1000", "--seed", "1", "--reward-window", WINDOW]
CONFIG = """
stream: {{source: {{path: {events}}}, state: {folder}/state, python_mode: {mode}}}
bucket: {{models: "file:{folder}/models", train: "file:{folder}/train"}}
models:
  model-0: {{reward: {{window: {window}}}, learner: {{entity: context.user_id, prior_precision: 4, forgetting: 0.95}}}}
"""

TRIGGERS = "training: {schedule: rate(1 hour), new_decisions: 100000, drift: {threshold: 1000}}\n"
TURNS = 3  # of runs without and with triggers


@pytest.mark.timeout(3600)
def test_the_main_job(tmp_path: Path) -> None:
    few, many = _events(tmp_path / "few", FEW), _events(tmp_path / "many", DECISIONS)
    start, _ = _run(tmp_path / "warm", few)
    ran, summary = _run(tmp_path / "run", many)
    events = summary["lines"]
    cpu_us = (ran.cpu_seconds - start.cpu_seconds) / events * 1e6
    print(f"\n{events:,} events, thread mode, checkpoints each 10 s")
    print(f"  {events / (ran.wall_seconds - start.wall_seconds):10,.0f} events/s (wall less start-up)")
    print(f"  {summary['events_per_second']:10,} events/s (with start of the job)")
    print(f"  {cpu_us:10.1f} µs of CPU an event (less start-up), whole process tree")
    print(f"  {start.cpu_seconds:10.1f} s of CPU and {start.wall_seconds:.1f} s to start and stop")
    print(f"  {ran.peak_mib:10,.0f} MiB at most")
    assert summary["joined"] == DECISIONS


@pytest.mark.timeout(3600)
def test_what_triggers_cost(tmp_path: Path) -> None:
    """Runs without and with triggers in turn: what the machine does otherwise falls on both."""
    few, many = _events(tmp_path / "few", FEW), _events(tmp_path / "many", DECISIONS)
    start, events = {"": 0.0, TRIGGERS: 0.0}, {"": 0.0, TRIGGERS: 0.0}
    for turn in range(TURNS):
        for number, training in enumerate(events):
            started, _ = _run(tmp_path / f"few-{turn}-{number}", few, training)
            ran, summary = _run(tmp_path / f"many-{turn}-{number}", many, training)
            start[training] += started.cpu_seconds / TURNS
            events[training] += (ran.cpu_seconds - started.cpu_seconds) / summary["lines"] / TURNS * 1e6
    print("\nwith schedule, number of decisions and drift, what is more:")
    print(f"  {events[TRIGGERS] - events['']:10.2f} µs of CPU an event, {events[TRIGGERS] / events['']:.3f} times")
    print(f"  {start[TRIGGERS] - start['']:10.2f} s of CPU to start")


def _events(folder: Path, decisions: int) -> Path:
    command = [sys.executable, "-m", "jobs.cli", "simulate", *TRAFFIC, "--decisions", str(decisions)]
    run_measured([*command, "--output", str(folder)])
    return folder


def _run(folder: Path, events: Path, training: str = "") -> tuple[Ran, dict[str, Any]]:
    folder.mkdir()
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(events=events, folder=folder, mode="thread", window=WINDOW) + training)
    ran = run_measured([sys.executable, "-m", "jobs.cli", "run", "--config", str(config), "--no-progress"])
    return ran, json.loads(ran.output.splitlines()[-1])
