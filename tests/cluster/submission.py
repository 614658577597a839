"""The job on a cluster, as its users submit, watch and stop it: by the command `flink`, from another folder."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.cluster import SessionCluster
from jobs.summary import LATE_CLASSES, not_given_back, summarise
from tests.harness.job import LOOK_SECONDS, PATIENCE_SECONDS, Finished, Job


@dataclass
class Submission:
    """A job, the cluster for it, the wheel, and the folder from which it is submitted."""

    job: Job
    cluster: SessionCluster
    wheel: Path
    folder: Path
    job_id: str = ""

    def run(self, *options: str, arguments: tuple[str, ...] = ()) -> Finished:
        """`flink run` of the wheel, to the end of the command."""
        python = str(self.cluster.home.python)
        fixed = ["-pyfs", str(self.wheel), "-pym", "jobs.stream", "-pyexec", python, "-pyclientexec", python]
        command = ["run", "-d", *options, *fixed, "--config", str(self.job.config), *arguments]
        done = self.cluster.flink(*command, folder=self.folder)
        return Finished(done.returncode, done.stdout, done.stderr)

    def submit(self, *options: str, arguments: tuple[str, ...] = ()) -> Finished:
        """`flink run` that must go well; what it said."""
        done = self.run(*options, arguments=arguments)
        assert done.code == 0, f"{done.out}\n{done.err}"
        found = re.search(r"submitted job (\w+)", done.out + done.err)
        assert found, done
        self.job_id = found[1]
        return done

    def stop(self, savepoints: Path) -> str:
        """`flink stop`: the path of the savepoint."""
        done = self.cluster.flink("stop", "--savepointPath", str(savepoints), self.job_id, folder=self.folder)
        found = re.search(r"Savepoint completed\. Path: (\S+)", done.stdout)
        assert found, f"{done.stdout}\n{done.stderr}"
        return found[1]

    def look(self, path: str = "") -> Any:
        """What the cluster tells of the job."""
        with urllib.request.urlopen(f"{self.cluster.home.address}/jobs/{self.job_id}{path}", timeout=30) as answer:
            return json.load(answer)

    def state(self) -> str:
        return str(self.look()["state"])

    def restarts(self) -> int:
        """How often the job has failed and gone on."""
        return len(self.look("/exceptions")["exceptionHistory"]["entries"])

    def until(self, true: Callable[[], object], what: str) -> None:
        """Wait until something is true; a job that fails for good before it fails the test."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not true():
            late = time.monotonic() > deadline
            if late or self.state() in ("FAILED", "FINISHED", "CANCELED"):
                message = f"no {what}: {self.state()} {str(self.look('/exceptions'))[:4000]}"
                raise AssertionError(message)
            time.sleep(4 * LOOK_SECONDS)

    def until_finished(self) -> None:
        """Wait until the job has read all of its input; one that fails before it fails the test."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (state := self.state()) != "FINISHED":
            late = time.monotonic() > deadline
            assert not late and state not in ("FAILED", "CANCELED"), f"{state} {str(self.look('/exceptions'))[:4000]}"
            time.sleep(4 * LOOK_SECONDS)

    def learned(self) -> int:
        """The records in all that is published."""
        return sum(entity.count for entity in self.job.coefficients().values())

    def counters(self) -> dict[str, Any]:
        """The counters of a job whose windows have all closed: what came and was not given back is late."""
        found = summarise(self.job.state / "outputs", seconds=0, scores=None, ended=False)
        found.pop("in_open_windows")
        return found | {name: not_given_back(found)[name] for name in LATE_CLASSES.values()}
