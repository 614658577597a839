"""A worker killed at any stage: the next one finishes, and the latest is a whole model all the time."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from jobs.retrain.worker import LEASE_MS, Outcome
from lambda_learner.publish.bases import read_base_log
from lambda_learner.publish.models import archived_models, live_stem
from lambda_learner.retrain import DecisionModel
from lambda_learner.retrain.request_record import RetrainRequest
from lambda_learner.retrain.requests import claim_next, create
from tests.harness.job import PATIENCE_SECONDS, ROOT
from tests.harness.killed_worker import STAGES, WRITES
from tests.harness.retraining import HOUR_MS, MODEL, Shop

LIVE = ("latest copied", "base put", "base activated", "finished")
ARCHIVED = ("lineage archived", "in the history", *LIVE)  # no second training is needed after these


def killed(shop: Shop, stage: str) -> None:
    """Have a process of its own work until it comes to the stage, and dies."""
    settings = json.dumps(shop.training)
    command = [sys.executable, "-m", "tests.harness.killed_worker", str(shop.folder), stage, settings]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr


@pytest.mark.parametrize("stage", STAGES)
def test_the_next_worker_finishes_what_a_killed_one_has_left(running_shop: Shop, stage: str) -> None:
    shop, before = running_shop, running_shop.latest()
    with_base = stage.startswith("base")
    shop.training |= {"gate": {"margin": 1}, "base": with_base}  # no doubt that it is published
    shop.ask("r1")
    killed(shop, stage)
    latest = shop.latest()
    assert latest is not None
    assert DecisionModel.of_file(latest).score([{"genre": "rock"}], {"hour": 9}).shape == (1,)
    assert (latest == before) == (stage not in LIVE)
    assert shop.work("too early") == []

    shop.work("next", ahead_ms=LEASE_MS + 1)
    record = shop.record("r1")
    assert (record.state, record.result["stem"]) == ("done", live_stem(shop.models, MODEL))
    assert shop.latest() != before
    assert shop.share_right() > 0.9
    assert [entry.version for entry in read_base_log(shop.models, MODEL).entries] == ["r1"] * with_base
    if stage in ARCHIVED:
        assert len(archived_models(shop.models, MODEL)) == 2
        assert latest in (before, shop.latest())


def test_the_stages_are_those_that_a_worker_comes_to() -> None:
    assert len(STAGES) == len(set(STAGES)) > len(WRITES) == 9


def test_a_request_that_kills_every_worker_fails(shop: Shop) -> None:
    shop.archive(200)
    shop.ask("r1")
    for attempt in range(3):
        late = shop.around(ahead_ms=attempt * HOUR_MS)
        assert claim_next(shop.train, f"w{attempt}", now_ms=late.now_ms(), lease_ms=1) is not None
    assert shop.work("last", ahead_ms=3 * HOUR_MS) == []
    assert shop.record("r1").state == "failed"


def test_two_workers_at_once_do_each_request_once(shop: Shop) -> None:
    shop.archive(300)
    shop.training["gate"] = {"margin": 1}
    config = shop.config
    for number in range(6):
        assert create(shop.train, RetrainRequest(MODEL, f"r{number}", "decisions", number))
    command = [sys.executable, "-m", "jobs.cli", "retrain", "--config", str(config), "--once"]

    def run(_worker: int) -> list[str]:
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True)
        return ended.stdout.splitlines()

    with ThreadPoolExecutor(2) as pool:
        lines = [line for worker in pool.map(run, range(2)) for line in worker]
    assert len(lines) == 6
    assert {shop.record(f"r{number}").state for number in range(6)} == {"done"}
    assert {shop.record(f"r{number}").attempts for number in range(6)} == {1}
    assert len(archived_models(shop.models, MODEL)) == 6
    assert shop.share_right() > 0.5


def test_workers_in_threads_take_different_requests(shop: Shop) -> None:
    shop.archive(300)
    for number in range(4):
        assert create(shop.train, RetrainRequest(MODEL, f"r{number}", "decisions", number))

    def work(worker: int) -> list[Outcome]:
        return shop.work(f"w{worker}")

    shop.training["gate"] = {"margin": 1}
    with ThreadPoolExecutor(2) as pool:
        outcomes = [outcome for worker in pool.map(work, range(2)) for outcome in worker]
    assert sorted(outcome.request.request_id for outcome in outcomes) == ["r0", "r1", "r2", "r3"]
    assert all(outcome.result is not None for outcome in outcomes)
