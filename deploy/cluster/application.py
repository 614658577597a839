"""Application mode: a JobManager that runs one job's `main()` itself, and TaskManagers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from deploy.cluster.home import Home
from deploy.cluster.session import start_all, task_manager
from deploy.services.process import Process

__all__ = ["ApplicationCluster"]

DRIVER: Final = "org.apache.flink.client.python.PythonDriver"
LISTENS: Final = "Rest endpoint listening at"


class ApplicationCluster:
    """The cluster of one job; it ends when the job does."""

    def __init__(self, home: Home, wheel: Path, arguments: Sequence[str], *, task_managers: int = 1) -> None:
        """Take a home, this project's wheel, and the arguments of `jobs.stream`."""
        self.home = home
        python = ["-pyclientexec", str(home.python), "-pyfs", str(wheel), "-pym", "jobs.stream"]
        script = str(home.folder / "bin" / "standalone-job.sh")
        command = [script, "start-foreground", "--job-classname", DRIVER, *python, *arguments]
        folder = home.folder / "run" / "application"
        folder.mkdir(parents=True, exist_ok=True)
        self.job_manager = Process(command, folder, ready=lambda log: LISTENS in log, environ=home.environ())
        self.task_managers = [task_manager(home, number) for number in range(task_managers)]

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.stop()

    def start(self) -> None:
        """Start all of it; ServiceError when a process does not come up, and then none is left."""
        start_all([self.job_manager, *self.task_managers])

    def stop(self) -> None:
        """End every process, the TaskManagers first."""
        for each in (*self.task_managers, self.job_manager):
            each.stop()
