"""What was started ends with the process that started it, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.harness.job import PATIENCE_SECONDS, ROOT

# A service with a child of its own and a part of the demo; then a service that is not ended by being asked. Prints ids.
PROGRAM = """
import signal, sys, threading, time
from pathlib import Path
from deploy.services.process import Process
from jobs.demo_kafka.parts import Part

CHILD = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
LASTS = "import time; print('ready', flush=True); time.sleep(600)"

def service(name, lines):
    folder = Path(sys.argv[1]) / name
    folder.mkdir()
    return Process([sys.executable, "-c", lines], folder, ready=lambda log: "ready" in log, environ={})

waits = sys.argv[3] == "killed"
services = [service("parent", CHILD + chr(10) + LASTS)]
services += [service("deaf", DEAF + chr(10) + LASTS)] * waits
# As a cluster's: by threads that end then.
starting = [threading.Thread(target=each.start) for each in services]
[each.start() for each in starting], [each.join() for each in starting]
gone = service("gone", LASTS)
gone.start()
gone.stop()
with Part("track", ("track", "--config", sys.argv[2]), Path(sys.argv[1])) as part:
    print(*(each.pid for each in services), part.pid, flush=True)
    if waits:
        time.sleep(600)
    services = []  # forgotten, not stopped
"""


def there(group: int) -> bool:
    """Whether a process group has a process that lives; one that has ended may wait for its parent's look."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue  # it has just ended
        if int(its_group) == group and state != "Z":
            return True
    return False


@pytest.mark.parametrize("ending", ["killed", "ends"])
def test_all_that_was_started_ends_with_the_process_that_started_it(tmp_path: Path, ending: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"track: {{port: 0, sink: {{kind: files, folder: {tmp_path / 'events'}}}}}\n")
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(config), ending]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        groups = [int(group) for group in process.stdout.readline().split()]
        assert len(groups) == (3 if ending == "killed" else 2)
        if ending == "killed":
            assert all(there(group) for group in groups)
            os.killpg(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := [group for group in groups if there(group)]:
        assert time.monotonic() < deadline, f"process groups {left} are left"
        time.sleep(0.1)
