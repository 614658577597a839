"""A small job that is stopped with windows open; its state is kept in `tests/golden` for later releases to go on from.

Made anew only with a new format of the state, under a new number: python -m tests.end_to_end.upgrade_story NUMBER
"""

from __future__ import annotations

import fcntl
import shutil
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.harness.feed import Folder, Maker, heartbeat, text
from tests.harness.job import ROOT, Job, Running

# Flink's sinks keep whole paths in their state, so the job is always in this folder.
PLACE = Path("/tmp/lambda-learner-upgrade")  # noqa: S108 - of the same name on every machine
GOLDEN = ROOT / "tests" / "golden"
START_MS = 1_704_067_200_000
STEP_MS, PART_MS, WINDOW_MS, QUIET_MS = 2_000, 240_000, 60_000, 600_000
USERS, NEW_DECISIONS = 5, 50
LEARNERS: Mapping[str, Mapping[str, Any]] = {
    "diagonal": {"forgetting": 0.99},
    "full": {"posterior": "full", "kind": "linear", "noise_variance": "estimate"},
}
MODELS: Mapping[str, Any] = {
    name: {
        "reward": {"window": "60 s"},
        "learner": {"entity": "context.user_id", "update_interval": "10 s", **learner},
        "training": {"new_decisions": NEW_DECISIONS},
    }
    for name, learner in LEARNERS.items()
}
STREAM: Mapping[str, Any] = {"publish_interval": "10 s", "shards": 1}
DECISIONS = len(MODELS) * PART_MS // STEP_MS  # of each part

Line = dict[str, Any]


def parts() -> tuple[list[Line], list[Line]]:
    """The lines before the stop and after it; some of the second reward decisions of the first."""
    maker, lines = Maker(), list[Line]()
    for number in range(2 * PART_MS // STEP_MS):
        at_ms = START_MS + number * STEP_MS
        user = maker.dice.randrange(USERS)
        for model in MODELS:
            item, context = {"genre": ("rock", "jazz")[number % 2]}, {"user_id": f"u{user}"}
            decision = maker.decision(at_ms, model, item=item, context=context)
            lines.append(decision)
            if maker.dice.random() < 0.1 + 0.2 * user:
                lines.append(maker.reward(decision, at_ms + maker.dice.randrange(0, WINDOW_MS, 1_000)))
    lines.sort(key=lambda line: int(line["received_at"]))
    cut_ms = START_MS + PART_MS
    first = [line for line in lines if line["received_at"] < cut_ms]
    return [*first, heartbeat(cut_ms)], lines[len(first) :]


def job(parallelism: int = 1) -> Job:
    """The job in its place."""
    return Job(PLACE, PLACE / "events", MODELS, {**STREAM, "parallelism": parallelism}, follow=True)


def learned(of: Job) -> int:
    """The decisions in all that is published."""
    return sum(entity.count for entity in of.coefficients().values())


@contextmanager
def place() -> Iterator[None]:
    """Have the place alone and empty."""
    with PLACE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(PLACE, ignore_errors=True)
        try:
            yield
        finally:
            shutil.rmtree(PLACE, ignore_errors=True)


def rest(of: Job, running: Running, number: int) -> None:
    """Wait until so many checkpoints have followed what was learned."""
    before = of.checkpoints()
    running.until(lambda: of.checkpoints() >= before + number, "checkpoints")


def _make(path: Path) -> None:
    made, checkpoints = job(), PLACE / "state" / "checkpoints"
    Folder(PLACE / "events").put(text(parts()[0]))
    with made.start() as running:
        running.until(lambda: learned(made) > DECISIONS // 2, "learned")
        rest(made, running, 5)
        running.kill()
    newest = max(checkpoints.glob("*/chk-*/_metadata"), key=lambda found: found.stat().st_mtime_ns).parent
    kept = [made.state / "job.json", *_files(newest), *_files(made.state / "outputs")]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in [*kept, *_files(PLACE / "bucket"), *_files(PLACE / "train")]:
            archive.writestr(zipfile.ZipInfo(str(file.relative_to(PLACE))), file.read_bytes(), zipfile.ZIP_DEFLATED)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    with place():
        _make(GOLDEN / f"state_version{int(sys.argv[1])}.zip")
