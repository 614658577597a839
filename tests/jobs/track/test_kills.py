"""A writer that is killed again and again, wherever it is: each line it had confirmed is visible exactly once."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from jobs.track.event_folder import EventFolder, Rotation
from operators.files import plan_folder, read_chunk

KILLS = 12
WRITER = """
import sys, time
from pathlib import Path
from jobs.track.event_folder import EventFolder, Rotation

folder, life = EventFolder(Path(sys.argv[1]), Rotation(after_ms=3)), sys.argv[2]
now_ms = lambda: time.time_ns() // 1_000_000
folder.open(now_ms())
for number in range(1_000_000):
    line = f"{life}-{number}"
    folder.write(line.encode() + b"\\n", now_ms())
    print(line, flush=True)
    folder.beat(now_ms())
"""


def test_a_writer_killed_anywhere_loses_and_doubles_nothing(tmp_path: Path) -> None:
    dice, confirmed = random.Random(5), list[str]()
    for life in range(KILLS):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(life)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            first = writer.stdout.readline()
            time.sleep(dice.uniform(0, 0.05))
            writer.kill()
            whole, _, _ = writer.stdout.read().rpartition("\n")
        confirmed += [first.strip(), *whole.split()]
    last = EventFolder(tmp_path, Rotation())
    last.open(0)
    last.close(0)
    lines = [line.data.decode() for chunk in plan_folder(str(tmp_path)) for line in read_chunk(chunk)]
    counts = Counter(line for line in lines if "heartbeat" not in line)
    assert len(confirmed) >= KILLS
    assert {line: counts[line] for line in confirmed} == dict.fromkeys(confirmed, 1)
    assert max(counts.values()) == 1
    assert len(counts) <= len(confirmed) + KILLS
