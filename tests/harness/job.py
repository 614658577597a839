"""The job as its users start it: the command line as a process group of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import yaml

from config.load import load
from config.settings import Settings
from lambda_learner.publish.coefficients import EntityCoefficients
from lambda_learner.publish.generation import read_generation
from lambda_learner.publish.keys import OWNER_KEY
from lambda_learner.publish.reader import read_shard
from lambda_learner.publish.store import FolderStore, Store
from operators.part_files import part_lines
from tests.harness.host import run_in_host
from tests.harness.jvm import jvm_args

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 300.0  # for whatever must come some time; a loaded machine is slow, and no test is about speed
LOOK_SECONDS = 0.05
REST = 9  # times as long as a look took: one may read all that is published, and the job wants the processor

Key = tuple[str, str]  # model, entity
Coefficients = dict[Key, EntityCoefficients]


class Finished(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """The last line of a run that went well."""
        assert self.code == 0, f"exit code {self.code}\n{self.err[-6000:]}"
        summary: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return summary

    @property
    def result(self) -> dict[str, Any]:
        """The summary without what depends on how fast the machine is."""
        return {name: value for name, value in self.summary.items() if name not in ("seconds", "events_per_second")}


@dataclass
class Running:
    """A started command; it leads a process group, which the JVM and its workers are in too."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def members(self) -> list[int]:
        """The ids of the live processes of the group."""
        return [pid for pid, state, group in _processes() if group == self.process.pid and state != "Z"]

    def send(self, number: signal.Signals) -> None:
        """Send a signal to every process of the group."""
        for pid in self.members():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def interrupt(self, number: signal.Signals) -> None:
        """Send a signal to the command itself, as a supervisor would."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill -9 every process of the group, and wait until none is left."""
        while self.members():
            self.send(signal.SIGKILL)
            self.process.poll()
            time.sleep(LOOK_SECONDS)
        self.process.wait()

    def wait(self, seconds: float = PATIENCE_SECONDS) -> Finished:
        """Wait until the command ends by itself."""
        self.process.wait(seconds)
        return Finished(self.process.returncode, self.out.read_text(), self.err.read_text())

    def until(self, true: Callable[[], object], what: str) -> None:
        """Wait until something is true; a command that ends before it fails the test."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        began = time.thread_time()
        while not true():
            assert self.process.poll() is None, f"ended before {what}:\n{self.err.read_text()[-6000:]}"
            assert time.monotonic() < deadline, f"no {what} in {PATIENCE_SECONDS} s"
            time.sleep(max(LOOK_SECONDS, REST * (time.thread_time() - began)))
            began = time.thread_time()


@dataclass
class Job:
    """One configuration, with state, bucket and outputs in one folder."""

    folder: Path
    events: Path
    models: Mapping[str, Any]
    stream: Mapping[str, Any] = field(default_factory=dict)
    follow: bool = False
    bucket: Path | None = None
    source: Mapping[str, Any] = field(default_factory=dict)  # instead of the events as files

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.bucket = self.bucket or self.folder / "bucket"
        stream = {
            "source": dict(self.source) or {"kind": "files", "path": str(self.events), "follow": self.follow},
            "checkpoint_interval": "1 s",
            "publish_interval": "60 s",
            "state": str(self.state),
        }
        document = {
            "stream": stream | dict(self.stream),
            "bucket": {"models": f"file:{self.bucket}", "train": f"file:{self.folder / 'train'}"},
            "models": dict(self.models),
        }
        self.config.write_text(yaml.safe_dump(document, allow_unicode=True))

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def scores_path(self) -> Path:
        return self.folder / "scores.jsonl"

    @property
    def settings(self) -> Settings:
        return load(self.config)

    @property
    def store(self) -> FolderStore:
        assert self.bucket is not None
        return FolderStore(self.bucket)

    def start(self, *options: str, command: str = "run", program: str = "jobs.cli") -> Running:
        """Start the command, with scores; the caller kills it, or uses it as a context."""
        return start(self._arguments(command, options), self.folder, program)

    def run(self, *options: str, command: str = "run") -> Finished:
        """Run the command to its end."""
        out, err = _outputs(self.folder)
        code = run_in_host(self._arguments(command, options), os.environ, out, err)
        return Finished(code, out.read_text(), err.read_text())

    def _arguments(self, command: str, options: Sequence[str]) -> list[str]:
        fixed = ["--config", str(self.config), "--scores", str(self.scores_path), "--no-progress"]
        return [command, *fixed, *options]

    def lines(self, output: str, *, with_open: bool = False) -> list[str]:
        """The lines of the part files of one output, in order of the text; the committed ones, or all."""
        return sorted(part_lines(self.state / "outputs" / output, with_open=with_open))

    def dead_letters(self, *, with_open: bool = False) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines("dead_letters", with_open=with_open)]

    def reasons(self) -> Counter[str]:
        """How many dead letters there are for each reason."""
        return Counter(letter["reason"] for letter in self.dead_letters())

    def scores(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.scores_path.read_text().splitlines()]

    def coefficients(self) -> Coefficients:
        """All that is published in the live generation of each model."""
        return coefficients(self.store)

    def committed_ms(self) -> int:
        """The newest close that is committed in any shard; 0 before the first."""
        return max(committed(self.store).values(), default=0)

    def checkpoints(self) -> int:
        """The number of the newest complete checkpoint; 0 before the first."""
        found = self.state.glob("checkpoints/*/chk-*/_metadata")
        return max((int(path.parent.name.removeprefix("chk-")) for path in found), default=0)

    def objects(self) -> dict[str, bytes]:
        """The bucket's objects by key, without the owner, whose id is random."""
        assert self.bucket is not None
        objects = _objects(self.bucket)
        objects.pop(OWNER_KEY, None)
        return objects

    def archive(self) -> dict[str, bytes]:
        """The train bucket's objects by key."""
        return _objects(self.folder / "train")


def start(arguments: Sequence[str], folder: Path, program: str = "jobs.cli") -> Running:
    """Start `lambda-learner` with these arguments; its output goes to files in the folder."""
    out, err = _outputs(folder)
    command = [sys.executable, "-m", program, *arguments]
    with out.open("wb") as out_file, err.open("wb") as err_file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={"JVM_ARGS": jvm_args()} | os.environ,
            stdin=subprocess.DEVNULL,
            stdout=out_file,
            stderr=err_file,
            start_new_session=True,
        )
    return Running(process, out, err)


def _outputs(folder: Path) -> tuple[Path, Path]:
    """New files for what a command prints."""
    number = len(list(folder.glob("*.out")))
    return folder / f"{number}.out", folder / f"{number}.err"


def _objects(bucket: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(bucket)): path.read_bytes()
        for path in sorted(bucket.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def coefficients(store: Store) -> Coefficients:
    """All that is published in the live generation of each model."""
    found: Coefficients = {}
    for info in store.list("coefficients/"):
        if not info.key.endswith("/generation.json"):
            continue
        model = info.key.split("/")[1]
        version = read_generation(store, model)
        assert version is not None
        for shard in range(version.generation.shards):
            entities = read_shard(store, model, version.generation.generation, shard)
            found |= {(model, entity): value for entity, value in entities.items()}
    return found


def committed(store: Store) -> dict[str, int]:
    """The committed close of each shard that has a manifest, in ms, by the manifest's key."""
    found = {}
    for info in store.list("coefficients/"):
        manifest = store.get(info.key) if info.key.endswith("/manifest.json") else None
        if manifest is not None:
            found[info.key] = int(json.loads(manifest.data)["committed_close_ms"])
    return found


def _processes() -> list[tuple[int, str, int]]:
    """Id, state and process group of each process of this machine."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, _, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            except (FileNotFoundError, ProcessLookupError):
                continue
            found.append((int(folder.name), state, int(group)))
    return found
