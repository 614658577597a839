from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from jobs.checkpoint_place import folder_place, s3_place
from jobs.flink import Runtime, empty_folder, options, use_jvm_args
from jobs.ports import LOOPBACK

RUNTIME = Runtime(Path("/state"), rest_port=1)


def test_nothing_listens_but_on_loopback() -> None:
    hosts = {name: value for name, value in options(RUNTIME).items() if name.endswith(("address", "host"))}
    assert set(hosts.values()) == {LOOPBACK}
    assert {"rest.bind-address", "jobmanager.bind-host", "taskmanager.bind-host"} <= set(hosts)


def test_streaming_keeps_checkpoints_in_the_state_folder_and_resumes_from_the_one_given() -> None:
    found = options(replace(RUNTIME, checkpoint_interval_ms=1500, restore_from="file:///c"))
    assert found["execution.checkpointing.dir"] == "file:///state/checkpoints"
    assert found["execution.checkpointing.interval"] == "1500 ms"
    assert found["execution.state-recovery.path"] == "file:///c"
    assert "execution.state-recovery.path" not in options(RUNTIME)


def test_checkpoints_go_to_the_first_of_the_places_that_are_named() -> None:
    places = [s3_place("s3://bucket/p", "owner"), folder_place(Path("/state/checkpoints"))]
    assert options(replace(RUNTIME, places=places))["execution.checkpointing.dir"] == "s3://bucket/p/owner"


def test_the_state_of_an_operator_that_is_no_more_is_left_behind_only_when_told_so() -> None:
    name = "execution.state-recovery.ignore-unclaimed-state"
    assert name not in options(replace(RUNTIME, restore_from="file:///c"))
    assert options(replace(RUNTIME, restore_from="file:///c", leaves_state=True))[name] == "true"


def test_a_checkpoint_outlives_the_job_that_made_it() -> None:
    assert options(RUNTIME)["execution.checkpointing.externalized-checkpoint-retention"] == "RETAIN_ON_CANCELLATION"


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_batch_mode_is_in_threads_and_has_no_checkpoints(mode: Literal["thread", "process"]) -> None:
    found = options(replace(RUNTIME, mode="batch", python_mode=mode))
    assert found["python.execution-mode"] == "thread"
    assert found["execution.runtime-mode"] == "batch"
    assert not any(name.startswith("execution.checkpointing") for name in found)


def test_what_a_killed_run_has_left_is_gone_with_the_next(tmp_path: Path) -> None:
    left = tmp_path / "state" / "tmp" / "flink" / "left"
    left.mkdir(parents=True)
    assert list(empty_folder(tmp_path / "state" / "tmp").iterdir()) == []
    assert list(empty_folder(tmp_path / "other" / "tmp").iterdir()) == []


def test_temporary_files_stay_in_the_state_folder_where_the_jvm_can_be_told(tmp_path: Path) -> None:
    environ = {"JVM_ARGS": "-a -b"}
    use_jvm_args(environ, tmp_path / "tmp")
    assert environ["JVM_ARGS"].split() == ["-a", "-b", f"-Djava.io.tmpdir={tmp_path / 'tmp'}"]
    spaced = {"JVM_ARGS": "-a"}
    use_jvm_args(spaced, tmp_path / "my tmp")
    assert spaced == {"JVM_ARGS": "-a"}


def test_the_folder_of_a_jvm_that_runs_or_of_the_user_is_left_alone(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    use_jvm_args(environ, tmp_path / "tmp")
    (tmp_path / "tmp" / "in-use").touch()
    before = dict(environ)
    use_jvm_args(environ, tmp_path / "tmp")
    assert environ == before
    assert (tmp_path / "tmp" / "in-use").exists()
