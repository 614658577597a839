"""Requests/s, latency and memory of the track endpoint under `wrk` (Debian: apt-get install wrk), for each sink.

`make bench`, or this file alone by pytest -s. BENCH_SECONDS sets how long each part takes.
wrk is on the same cores as the endpoint. The overload offers as many requests as there are connections, each at once
again: far more than the endpoint takes.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.services.found import service
from operators.files import plan_folder, read_chunk
from tests.harness.endpoint import Endpoint
from tests.harness.feed import Maker, now_ms
from tests.harness.job import Running
from tests.harness.topic import TestTopic, make_topic

SECONDS = int(os.environ.get("BENCH_SECONDS", "10"))
OVERLOAD_SECONDS = int(os.environ.get("BENCH_SECONDS", "60"))
CONNECTIONS, MANY_CONNECTIONS = 64, 2_000
MAX_MIB = 600.0  # rooms of 64 MiB for bodies and for waiting events, connections, the interpreter
BODIES = 20_000
SCRIPT = """
local bodies, next = {}, 0
for line in io.lines(os.getenv("BODIES")) do bodies[#bodies + 1] = line end
request = function()
  next = next % #bodies + 1
  return wrk.format("POST", "/track", { ["Content-Type"] = "application/json" }, bodies[next])
end
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"us":%d,"p50":%d,"p99":%d,"refused":%d,"broken":%d}\\n', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99), e.status,
    e.connect + e.read + e.write + e.timeout))
end
"""


@dataclass
class Load:
    """What wrk did, and what the endpoint used meanwhile."""

    told: Mapping[str, Any]
    cpu_us: float
    peak_mib: float

    @property
    def stored(self) -> int:
        return int(self.told["requests"] - self.told["refused"])

    def __str__(self) -> str:
        told = self.told
        return (
            f"{told['requests'] / told['us'] * 1e6:8,.0f} requests/s, p50 {told['p50'] / 1e3:.1f} ms, "
            f"p99 {told['p99'] / 1e3:.1f} ms, {self.cpu_us:.0f} µs of CPU a request, {self.peak_mib:.0f} MiB at most, "
            f"{told['refused']:,} refused (503), {told['broken']} broken"
        )


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Decisions and rewards, a line each, and the script that sends them."""
    folder, maker = tmp_path_factory.mktemp("wrk"), Maker()
    decisions = [maker.decision(now_ms(), context={"user_id": number}) for number in range(BODIES // 2)]
    events = [event for decision in decisions for event in (decision, maker.reward(decision, now_ms()))]
    (folder / "bodies").write_text("".join(json.dumps(event) + "\n" for event in events))
    (folder / "send.lua").write_text(SCRIPT)
    return folder


@pytest.fixture(scope="module")
def topic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestTopic]:
    with service("kafka", tmp_path_factory.mktemp("kafka")) as servers:
        yield make_topic(servers, 3)


def test_files(bodies: Path, tmp_path: Path) -> None:
    endpoint = Endpoint(tmp_path, {"kind": "files"})
    stored = measure(endpoint, bodies, "files")
    lines = sum(1 for chunk in plan_folder(str(endpoint.events)) for _ in read_chunk(chunk))
    assert lines >= stored


def test_kafka(bodies: Path, topic: TestTopic, tmp_path: Path) -> None:
    connection = {"bootstrap_servers": topic.servers}
    endpoint = Endpoint(tmp_path, {"kind": "kafka", "topic": topic.name, "connection": connection})
    assert measure(endpoint, bodies, "Kafka") <= len(topic.events())


def measure(endpoint: Endpoint, bodies: Path, name: str) -> int:
    """Load, then overload; print both, give how many events were answered 200."""
    with endpoint.running() as running:
        load(endpoint, running, bodies, CONNECTIONS, 2)  # warm
        usual = load(endpoint, running, bodies, CONNECTIONS, SECONDS)
        most = load(endpoint, running, bodies, MANY_CONNECTIONS, OVERLOAD_SECONDS)
        running.interrupt(signal.SIGTERM)
        assert running.wait().code == 0
    print(f"\n{name}, {CONNECTIONS} connections:     {usual}")
    print(f"{name}, {MANY_CONNECTIONS:,} connections: {most}")
    assert most.peak_mib < MAX_MIB
    return usual.stored + most.stored


def load(endpoint: Endpoint, running: Running, bodies: Path, connections: int, seconds: int) -> Load:
    wrk = shutil.which("wrk")
    assert wrk, "wrk is not on PATH: apt-get install wrk"
    before = cpu_seconds(running.process.pid)
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(bodies / "send.lua")]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{endpoint.port}"],
        env={**os.environ, "BODIES": str(bodies / "bodies")},
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    used = cpu_seconds(running.process.pid) - before
    return Load(told, used / max(told["requests"], 1) * 1e6, peak_mib(running.process.pid))


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid: int) -> float:
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024
