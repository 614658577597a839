"""A session cluster: a JobManager that takes jobs, and TaskManagers of one slot each."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self

from deploy.cluster.home import Home
from deploy.services.process import Process

__all__ = ["SessionCluster", "start_all", "task_manager"]

LISTENS: Final = "Rest endpoint listening at"
REGISTERED: Final = "Successful registration at resource manager"


class SessionCluster:
    """A cluster of processes; each is ended by its own id, and may be killed and replaced."""

    def __init__(self, home: Home, *, task_managers: int = 2) -> None:
        """Take a home and how many TaskManagers to start with."""
        self.home, self._number = home, task_managers
        self.job_manager = _process(home, "jobmanager", LISTENS)
        self.task_managers: list[Process] = []

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.stop()

    def start(self) -> None:
        """Start all of it; ServiceError when a process does not come up, and then none is left."""
        self.task_managers = [task_manager(self.home, number) for number in range(self._number)]
        start_all([self.job_manager, *self.task_managers])

    def add_task_manager(self) -> Process:
        """Start one more TaskManager; its slot is there when this returns."""
        added = task_manager(self.home, len(self.task_managers))
        self.task_managers.append(added)
        added.start()
        return added

    def stop(self) -> None:
        """End every process, the TaskManagers first."""
        for each in (*self.task_managers, self.job_manager):
            each.stop()

    def flink(self, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run the command `flink` with these arguments in a folder, to its end."""
        command = [str(self.home.folder / "bin" / "flink"), *arguments]
        environ = os.environ | self.home.environ()
        return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)  # noqa: S603


def start_all(processes: Sequence[Process]) -> None:
    """Start them at once, as a TaskManager waits for its JobManager; if one fails, end them all."""
    with ThreadPoolExecutor(len(processes)) as pool:
        started = [pool.submit(each.start) for each in processes]
    failed = next((error for each in started if (error := each.exception())), None)
    if failed is not None:
        for each in processes:
            each.stop()
        raise failed


def task_manager(home: Home, number: int) -> Process:
    """A TaskManager, not yet started."""
    return _process(home, "taskmanager", REGISTERED, number)


def _process(home: Home, name: str, ready: str, number: int = 0) -> Process:
    folder = home.folder / "run" / f"{name}-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    # In the foreground the script becomes the JVM: the process id is the JVM's own.
    command = [str(home.folder / "bin" / f"{name}.sh"), "start-foreground"]
    return Process(command, folder, ready=lambda log: ready in log, environ=home.environ())
