"""What surrounds the execution of the graph: Flink itself is replaced by a function here."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from jobs import run as run_module
from jobs.failure import JobFailed
from jobs.flink import Runtime
from jobs.job_state import KEPT_CHECKPOINTS, JobState, StateError
from jobs.local import Execution
from jobs.run import RunOptions, decide, run
from lambda_learner.publish import FolderStore, OwnedByAnother, ShardWriter, Tombstone, read_generation

OPTIONS = RunOptions(show_progress=False)


@dataclass
class Runs:
    """A job whose executions are played by `act`; what each was given is in `runtimes`."""

    folder: Path
    act: Callable[[], bool] = lambda: True  # gives whether the input has ended
    runtimes: list[Runtime] = field(default_factory=list)
    state_name: str = "state"
    follow: bool = False
    models: dict[str, Any] = field(default_factory=lambda: {"m": {}})

    @property
    def state(self) -> JobState:
        return JobState(self.folder / self.state_name)

    @property
    def store(self) -> FolderStore:
        return FolderStore(self.folder / "bucket")

    @property
    def settings(self) -> Settings:
        source = {"path": str(self.folder / "events"), "follow": self.follow}
        stream = {"source": source, "state": str(self.state.folder)}
        bucket = {"models": f"file:{self.folder / 'bucket'}"}
        return Settings.model_validate({"stream": stream, "bucket": bucket, "models": self.models})

    def execute(self, runtime: Runtime, build: Any, *, show_progress: bool) -> Execution:
        self.runtimes.append(runtime)
        return Execution(1.0, self.act())

    def __call__(self, **options: Any) -> dict[str, Any]:
        return run(self.settings, RunOptions(show_progress=False, **options))

    def publish(self, close_ms: int = 10_000) -> None:
        """What an execution leaves in the bucket."""
        beginning = self.state.beginning()
        assert beginning is not None
        writer = ShardWriter(self.store, "m", beginning.generations["m"], 0, 1)
        writer.publish(close_ms, [Tombstone("[1]", close_ms)])

    def checkpoint(self) -> None:
        folder = self.state.folder / "checkpoints" / "j" / "chk-1"
        folder.mkdir(parents=True)
        (folder / "_metadata").touch()


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "1").write_text("{}\n")
    made = Runs(tmp_path)
    monkeypatch.setattr(run_module, "execute", made.execute)
    return made


def interrupted(runs: Runs, **options: Any) -> None:
    """A run that is stopped after its first checkpoint."""

    def act() -> bool:
        runs.checkpoint()
        return False

    runs.act = act
    runs(**options)
    runs.act = lambda: True


def live(runs: Runs) -> str | None:
    found = read_generation(runs.store, "m")
    return None if found is None else found.generation.generation


def test_a_run_that_ends_leaves_its_summary_and_nothing_to_resume(runs: Runs) -> None:
    summary = runs()
    assert json.loads(runs.state.summary.read_text()) == summary
    assert runs.state.beginning() is None


def test_a_run_that_is_stopped_can_be_resumed_from_its_checkpoint(runs: Runs) -> None:
    interrupted(runs)
    assert not runs.state.summary.exists()
    checkpoint = runs.state.newest_checkpoint()
    assert checkpoint is not None
    runs()
    assert [runtime.restore_from for runtime in runs.runtimes] == [None, checkpoint]


def test_a_checkpoint_that_is_named_stays_though_there_are_newer_ones(runs: Runs) -> None:
    runs.follow = True
    interrupted(runs)
    named = runs.state.newest_checkpoint()
    newer = runs.state.folder / "checkpoints" / "newer"
    for number in range(KEPT_CHECKPOINTS):
        (newer / f"chk-{number}").mkdir(parents=True)
        (newer / f"chk-{number}" / "_metadata").touch()
        os.utime(newer / f"chk-{number}" / "_metadata", (2e9, 2e9))
    decide(runs.settings, RunOptions(restore_from=named), runs.state)
    assert named in runs.state.checkpoints()


def test_a_resumed_run_keeps_its_outputs(runs: Runs) -> None:
    interrupted(runs)
    (runs.state.outputs / "counts").mkdir(parents=True)
    runs()
    assert (runs.state.outputs / "counts").is_dir()


def test_the_speed_of_a_resumed_run_leaves_out_what_was_counted_before(runs: Runs) -> None:
    def counts(name: str, lines: int) -> None:
        folder = runs.state.outputs / "counts"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"+I[{lines}\x1f0\x1f\x1flines]\n")

    def act() -> bool:
        counts("part-1", 1_000)
        return True

    interrupted(runs)
    counts(".part-0.inprogress.1", 900)
    runs.act = act
    summary = runs()
    assert (summary["lines"], summary["events_per_second"]) == (1_000, 100)  # in one second
    assert runs()["events_per_second"] == 1_000  # another run, from the start


def test_a_resumed_run_reads_what_it_began_with(runs: Runs) -> None:
    interrupted(runs)
    began = runs.state.beginning()
    (runs.folder / "events" / "2").write_text("{}\n")
    went_on = []

    def act() -> bool:
        went_on.append(runs.state.beginning())
        return True

    runs.act = act
    runs()
    assert went_on == [began]
    assert [runtime.mode for runtime in runs.runtimes] == ["streaming", "streaming"]


def test_a_run_without_a_checkpoint_begins_again_without_what_it_left(runs: Runs) -> None:
    runs.act = lambda: False
    runs()
    (runs.state.outputs / "counts").mkdir(parents=True)
    runs()
    assert not runs.state.outputs.exists()


def test_a_fresh_run_forgets_what_was_unfinished(runs: Runs) -> None:
    interrupted(runs)
    runs(fresh=True)
    assert runs.runtimes[-1].restore_from is None


def test_a_run_that_fails_can_be_resumed(runs: Runs) -> None:
    def act() -> bool:
        runs.checkpoint()
        message = "x"
        raise JobFailed(message)

    runs.act = act
    with pytest.raises(JobFailed):
        runs()
    runs.act = lambda: True
    runs()
    assert runs.runtimes[-1].restore_from is not None


# Replay.


def test_many_files_are_read_in_batch_mode_and_go_live_at_the_end(runs: Runs) -> None:
    (runs.folder / "events" / "2").write_text("{}\n")

    def act() -> bool:
        runs.publish()
        assert live(runs) is None
        return True

    runs.act = act
    runs()
    assert runs.runtimes[-1].mode == "batch"
    assert live(runs) is not None


def test_a_replay_starts_again_without_what_it_left(runs: Runs) -> None:
    interrupted(runs, batch=True)
    (runs.state.outputs / "dead_letters").mkdir(parents=True)
    runs(batch=True)
    assert runs.runtimes[-1].restore_from is None
    assert not runs.state.outputs.exists()


def test_a_replay_that_was_killed_before_it_went_live_goes_live_when_it_is_started_again(runs: Runs) -> None:
    def act() -> bool:
        runs.publish()
        raise KeyboardInterrupt  # or a kill -9: the shards are written, the generation is not live

    runs.act = act
    with pytest.raises(KeyboardInterrupt):
        runs(batch=True)
    assert live(runs) is None
    runs.act = lambda: True  # publishes nothing: all is there
    runs(batch=True)
    assert live(runs) is not None


def test_a_replay_that_is_stopped_does_not_go_live(runs: Runs) -> None:
    def act() -> bool:
        runs.publish()
        return False

    runs.act = act
    runs(batch=True)
    assert live(runs) is None


def test_a_run_after_an_unfinished_replay_begins_from_the_start(runs: Runs) -> None:
    runs.act = lambda: False
    runs(batch=True)
    (runs.state.outputs / "counts").mkdir(parents=True)
    runs()
    assert runs.runtimes[-1].mode == "streaming"
    assert not runs.state.outputs.exists()


# What is refused.


def test_an_input_without_events_is_refused(runs: Runs) -> None:
    shutil.rmtree(runs.folder / "events")
    with pytest.raises(StateError, match="stream.source.path: no events in .*events"):
        runs()
    assert runs.runtimes == []


def test_an_input_without_events_does_not_take_the_bucket(runs: Runs) -> None:
    (runs.folder / "events" / "1").unlink()
    for options in ({}, {"take_over": True}):
        with pytest.raises(StateError, match="no events"):
            runs(**options)
    assert list(runs.store.list("")) == []


def test_a_followed_folder_is_made(runs: Runs) -> None:
    shutil.rmtree(runs.folder / "events")
    runs.follow = True
    runs()
    assert (runs.folder / "events").is_dir()


def test_another_job_on_the_bucket_is_refused_unless_it_takes_over(runs: Runs) -> None:
    runs()
    runs.state_name = "another"
    with pytest.raises(OwnedByAnother, match="--take-over"):
        runs()
    runs(take_over=True)
    assert len(runs.runtimes) == 2


def test_the_same_command_twice_at_once_is_refused(runs: Runs) -> None:
    @contextmanager
    def refused() -> Iterator[None]:
        with pytest.raises(StateError, match="another run"):
            yield

    with runs.state.locked(), refused():
        runs()


def test_a_run_whose_checkpoints_would_not_be_found_is_refused_unless_it_begins_afresh(runs: Runs) -> None:
    interrupted(runs)
    path = runs.state.folder / "job.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"checkpoints": "s3://bucket/p"}))
    with pytest.raises(StateError, match="stream.checkpoints"):
        runs()
    runs(fresh=True)
    assert [runtime.restore_from for runtime in runs.runtimes] == [None, None]


def test_scores_that_cannot_be_written_are_refused_before_the_run(runs: Runs) -> None:
    (runs.folder / "file").touch()
    with pytest.raises(StateError, match="--scores: cannot write .*file"):
        runs(scores=runs.folder / "file" / "scores.jsonl")
    assert runs.runtimes == []


def test_scores_are_gathered_at_the_end(runs: Runs) -> None:
    def act() -> bool:
        folder = runs.state.outputs / "scores"
        folder.mkdir(parents=True)
        (folder / "part-0").write_text('["m","[1]","d",1.0,0.0,0.5]\n')
        return True

    runs.act = act
    path = runs.folder / "new" / "scores.jsonl"
    assert runs(scores=path)["auc_last_50000"] is None
    assert [json.loads(line)["decision_id"] for line in path.read_text().splitlines()] == ["d"]
