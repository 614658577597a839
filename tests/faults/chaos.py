"""Does to a job what a schedule says, and waits until it has learned all that was put in."""

from __future__ import annotations

import random
import resource
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from deploy.services.kafka import Broker
from deploy.services.s3 import S3Server
from lambda_learner.publish.store import open_store
from tests.harness.damage import cut_newest_checkpoint
from tests.harness.fault_plan import Schedule, Strike
from tests.harness.feeder import Feeder, closing_beat
from tests.harness.flaky_proxy import FlakyProxy, Mode
from tests.harness.full_disk import SmallDisk
from tests.harness.job import Coefficients, Finished, Job, coefficients
from tests.harness.mangled import parts_of
from tests.harness.supervised import Supervised

PARSER = "multiprocessing.spawn"  # in the command line of the process that parses
REFUSED = 2  # exit code of a second job
SETTLE_SECONDS = 1.0  # until what was put in is in all partitions


@dataclass(frozen=True)
class Parts:
    """What the job is connected with, by the ways that a fault has to it; None: the job has none of it.

    `bucket` and `train` are the addresses without the road.
    """

    bucket: str
    train: str
    broker: Broker | None = None
    server: S3Server | None = None
    road: FlakyProxy | None = None
    disk: SmallDisk | None = None

    def published(self) -> Coefficients:
        """All that the job has published."""
        return coefficients(open_store(self.bucket))


@dataclass
class Chaos:
    """One story."""

    schedule: Schedule
    job: Job
    parts: Parts
    feeder: Feeder
    lines: list[bytes]

    def __post_init__(self) -> None:
        """Nothing has happened yet."""
        self.supervised = Supervised(self.job)
        self._seen = 0  # checkpoints when it was last struck
        self._held: list[bytes] = []  # lines that are to come while it is struck

    def run(self, learned: int) -> Finished:
        """The story, to the summary of the job that has learned so many decisions and records."""
        strikes, dice = self.schedule.strikes, random.Random(self.schedule.seed)
        *parts, rest = parts_of(self.lines, sorted(dice.uniform(0, 1) for _ in strikes))
        self.supervised.start()
        for part, strike in zip(parts, strikes, strict=True):
            self._strike(strike, part)
        self.feeder.put(rest)
        time.sleep(SETTLE_SECONDS)
        self.feeder.put([closing_beat(self.lines)])
        self.supervised.until(lambda: self._learned() >= learned, f"{learned} decisions and records")
        self._checkpoints(2)
        return self.supervised.terminate()

    def _learned(self) -> int:
        return sum(entity.count for entity in self.parts.published().values())

    def _checkpoints(self, more: int) -> None:
        before = self.job.checkpoints()
        self.supervised.until(lambda: self.job.checkpoints() >= before + more, f"{more} checkpoints")

    def _strike(self, strike: Strike, part: Sequence[bytes]) -> None:
        """Half of the lines come just before the fault; the others while it lasts, or else at its end."""
        if strike.calm:
            self.supervised.until(lambda: self.job.checkpoints() > self._seen, "checkpoint")
        self.feeder.put(part[: len(part) // 2])
        self._held = list(part[len(part) // 2 :])
        end = time.monotonic() + strike.delay_seconds
        self.supervised.until(lambda: time.monotonic() > end, "moment of a fault")
        self.supervised.told.append(f"{strike}, after checkpoint {self.job.checkpoints()}")
        getattr(self, f"_{strike.fault}")(strike)
        self._seen = self.job.checkpoints()
        self._feed()

    def _feed(self) -> None:
        self.feeder.put(self._held)
        self._held = []

    def _kill(self, _: Strike) -> None:
        self.supervised.kill()
        self.supervised.start()

    def _kill_parser(self, _: Strike) -> None:
        self.supervised.kill_one(PARSER)

    def _terminate(self, _: Strike) -> None:
        end = self.supervised.terminate()
        assert end.code in (0, -signal.SIGTERM), end.err[-6000:]  # the latter before it listens to signals
        self.supervised.start()

    def _damaged_checkpoint(self, strike: Strike) -> None:
        self._checkpoints(3)
        self.supervised.kill()
        self.supervised.told.append(cut_newest_checkpoint(self.job.state, strike.part))
        self.supervised.start()

    def _rival(self, _: Strike) -> None:
        self.supervised.until(lambda: self.job.checkpoints() > 0, "checkpoint")  # the bucket is the first job's
        rival = Job(self.job.folder / "rival", self.job.events, self.job.models, self.job.stream)
        rival.config.write_text(self.job.config.read_text().replace(str(self.job.state), str(rival.state)))
        assert yaml.safe_load(rival.config.read_text())["stream"]["state"] == str(rival.state)
        end = rival.run()
        assert (end.code, "owned by" in end.err) == (REFUSED, True), end.err[-6000:]

    def _broker_away(self, strike: Strike) -> None:
        broker = self.parts.broker
        assert broker is not None
        with self.supervised.without(strike.lasting_seconds):
            broker.kill()
        broker.start()

    def _s3_away(self, strike: Strike) -> None:
        server = self.parts.server
        assert server is not None
        with self.supervised.without(strike.lasting_seconds):
            server.kill()
            self._feed()
        server.start()

    def _s3_unavailable(self, strike: Strike) -> None:
        self._on_the_road("unavailable", strike)

    def _s3_slow(self, strike: Strike) -> None:
        self._on_the_road("slow", strike)

    def _on_the_road(self, mode: Mode, strike: Strike) -> None:
        road = self.parts.road
        assert road is not None
        with self.supervised.without(strike.lasting_seconds):
            road.be(mode)
            self._feed()
        road.be("pass")
        self.supervised.told.append(f"{road.refused} requests were answered 503 so far")

    def _full_disk(self, strike: Strike) -> None:
        disk = self.parts.disk
        with self.supervised.without(strike.lasting_seconds):
            if disk is None:
                self._no_room()
            else:
                disk.fill()
            self._feed()
        if disk is not None:
            disk.clear()

    def _no_room(self) -> None:
        """Where no disk can be mounted, the files that the process that parses writes cannot grow, until it ends."""
        self.supervised.until(lambda: self.supervised.pids(PARSER), PARSER)
        for pid in self.supervised.pids(PARSER):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def connect(job: Job, bucket: str, train: str, endpoint: str | None = None) -> None:
    """Give the job other buckets than the folders that it would have."""
    document = yaml.safe_load(job.config.read_text())
    document["bucket"] = {"models": bucket, "train": train}
    if endpoint is not None:
        document["bucket"] |= {"endpoint": endpoint, "region": "us-east-1"}
    job.config.write_text(yaml.safe_dump(document))


def folder_of(path: Path) -> str:
    """The address of a bucket in a folder."""
    return f"file:{path}"
