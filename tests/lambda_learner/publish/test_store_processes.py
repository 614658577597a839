"""Real processes on one folder and on one bucket of S3: races and a kill -9."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lambda_learner.publish.store import open_store

ROOT = Path(__file__).parents[3]

START = """
import sys, time
from pathlib import Path
from lambda_learner.publish import *
root, me = Path(sys.argv[1]), sys.argv[2]
store = open_store(sys.argv[3])
(root / f"ready-{me}").touch()
while not (root / "go").exists():
    time.sleep(0.001)
"""


def _start(script: str, root: Path, url: str, me: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", START + script, str(root), me, url], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


def _race(script: str, root: Path, url: str, racers: int) -> list[str]:
    """Start the script in several processes at the same moment and give what each has printed."""
    started = [_start(script, root, url, str(number)) for number in range(racers)]
    _wait_for(lambda: all((root / f"ready-{number}").exists() for number in range(racers)))
    (root / "go").touch()
    outputs = [process.communicate(timeout=60)[0].strip() for process in started]
    assert [process.returncode for process in started] == [0] * racers
    return outputs


def _wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_of_processes_that_write_over_the_same_object_exactly_one_wins_each_round(
    tmp_path: Path, bucket_url: str
) -> None:
    script = """
wins = 0
for number in range(100):
    try:
        store.put_if(f"round/{number}", me.encode(), None)
        wins += 1
    except PreconditionFailed:
        pass
print(wins)
"""
    wins = [int(output) for output in _race(script, tmp_path, bucket_url, 3)]
    assert sum(wins) == 100


def test_no_increment_by_compare_and_set_is_lost_between_processes(tmp_path: Path, bucket_url: str) -> None:
    script = """
done = 0
while done < 50:
    found = store.get("counter")
    value = int(found.data) if found else 0
    try:
        store.put_if("counter", str(value + 1).encode(), found.etag if found else None)
        done += 1
    except PreconditionFailed:
        pass
"""
    _race(script, tmp_path, bucket_url, 3)
    found = open_store(bucket_url).get("counter")
    assert found is not None
    assert found.data == b"150"


def test_of_two_writers_of_one_window_exactly_one_commits_and_the_shard_is_its_content(
    tmp_path: Path, bucket_url: str
) -> None:
    script = """
import numpy as np
writer = ShardWriter(store, "movies", "g", 0, 1)
for close_ms in range(1000, 41_000, 1000):
    mine = EntityCoefficients("e", close_ms, int(me), (("a", ""),), np.zeros(1), np.ones(1))
    if writer.publish(close_ms, [mine]) is not None:
        print(close_ms)
"""
    outputs = _race(script, tmp_path, bucket_url, 2)
    committed = [set(map(int, output.split())) for output in outputs]
    assert committed[0] | committed[1] >= {40_000}
    assert not committed[0] & committed[1]
    check = """
held = read_shard(store, "movies", "g", 0)
print(held["e"].close_ms, held["e"].count, read_manifest(store, "movies", "g", 0).manifest.committed_close_ms)
"""
    winner = 0 if 40_000 in committed[0] else 1
    assert _race(check, tmp_path, bucket_url, 1) == [f"40000 {winner} 40000"]


def test_of_two_jobs_that_claim_a_new_bucket_exactly_one_owns_it(tmp_path: Path, bucket_url: str) -> None:
    script = """
try:
    print(claim(store, f"job-{me}", take_over=False))
except OwnedByAnother:
    print("refused")
"""
    assert sorted(_race(script, tmp_path, bucket_url, 2)) == ["1", "refused"]


@pytest.mark.timeout(120)
def test_a_writer_killed_at_any_moment_leaves_a_whole_object(tmp_path: Path, bucket_url: str) -> None:
    script = """
number = 0
while True:
    number += 1
    store.put("folder/object", bytes([number % 256]) * 300_000)
"""
    store = open_store(bucket_url)
    (tmp_path / "go").touch()
    for number in range(4):
        store.delete("folder/object")
        process = _start(script, tmp_path, bucket_url, str(number))
        _wait_for(lambda: store.get("folder/object") is not None)
        time.sleep(0.01 * number)
        process.kill()
        process.communicate()
        found = store.get("folder/object")
        assert found is not None
        assert len(found.data) == 300_000
        assert len(set(found.data)) == 1
        assert [info.key for info in store.list("")] == ["folder/object"]
    etag = store.put_if("folder/other", b"x", None)
    assert store.put_if("folder/other", b"x", etag) == etag
    assert not (tmp_path / "bucket" / "folder" / ".tmp").exists()
