"""`lambda-learner retrain` as its users start it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from queue import SimpleQueue
from typing import Any

import pytest

from jobs import cli
from jobs.retrain.worker import Outcome, Worker
from lambda_learner.publish.errors import StoreError
from lambda_learner.publish.models import live_stem
from lambda_learner.publish.store import FolderStore
from lambda_learner.retrain.requests import records
from tests.harness.job import PATIENCE_SECONDS, ROOT
from tests.harness.retraining import MODEL, Shop

LONG = {"hyperparameters": {"max_trees": 100_000}, "max_memory": "64 MB"}


def ended(shop: Shop, *arguments: str) -> int:
    """The exit code of the command."""
    with pytest.raises(SystemExit) as raised:
        cli.main(["retrain", "--config", str(shop.config), *arguments])
    assert isinstance(raised.value.code, int)
    return raised.value.code


def lines(capsys: pytest.CaptureFixture[str]) -> tuple[list[dict[str, Any]], str]:
    """The JSON lines on stdout, and stderr, where no traceback is."""
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return [json.loads(line) for line in out.splitlines()], err


def test_once_ends_when_nothing_is_asked_for(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(shop, "--once") == 0
    assert lines(capsys)[0] == []


def test_now_trains_a_model_that_nobody_asked_for(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.archive(300)
    assert ended(shop, "--now", "--model", MODEL) == 0
    (line,), err = lines(capsys)
    assert (line["cause"], line["stem"]) == ("manual", live_stem(shop.models, MODEL))
    assert f"retrain: songs: published {line['stem']}; gate: publish: there is no incumbent" in err
    assert "training: decision 20 of 20" in err  # progress, in lines where there is no terminal


def test_now_does_not_wait_for_what_others_have_asked(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.archive(300)
    shop.ask("r1")
    assert ended(shop, "--now", "--model", MODEL) == 0
    (line,), _ = lines(capsys)
    assert line["request_id"].startswith("manual-")
    assert shop.record("r1").state == "open"


def test_a_refusal_is_told_and_force_publishes(running_shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    running_shop.training = {"hyperparameters": {"max_trees": 1, "tree_depth": 1}}
    assert ended(running_shop, "--now", "--model", MODEL) == 0
    (line,), err = lines(capsys)
    assert (line["stem"], line["gate"]["outcome"]) == (None, "refuse")
    assert "not published, the latest stays (--force would publish it); gate: refuse: weighted_squared_error" in err
    assert ended(running_shop, "--now", "--model", MODEL, "--force") == 0
    (line,), err = lines(capsys)
    assert line["stem"] == live_stem(running_shop.models, MODEL)
    assert "gate: refuse, forced" in err


def test_only_the_requests_of_the_named_model_are_worked_on(shop: Shop) -> None:
    shop.archive(200)
    shop.ask("r1")
    assert ended(shop, "--once", "--model", "films") == 0
    assert shop.record("r1").state == "open"


def test_what_cannot_be_trained_ends_with_1_and_the_next_request_is_not_lost(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.ask("r1")
    assert ended(shop, "--once") == 1
    (line,), err = lines(capsys)
    assert "nothing is archived of model 'songs' in bucket.train" in line["reason"]
    assert "retrain: songs: not trained: nothing is archived" in err
    assert shop.record("r1").state == "failed"


def test_now_without_an_archive_is_a_message_and_makes_no_request(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(shop, "--now", "--model", MODEL) == 2
    assert "check the model's name" in lines(capsys)[1]
    assert records(shop.train) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--now"], "needs --model NAME"),
        (["--once", "--model", "../x"], "model must be 1–64 ASCII letters"),
        (["--force"], "give --now or --once"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: list[str], message: str, shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(shop, *arguments) == 2
    assert message.split(maxsplit=1)[0] in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_and_gives_the_request_back(shop: Shop, number: signal.Signals) -> None:
    shop.training = LONG
    shop.archive(200)
    shop.ask("r1")
    command = [sys.executable, "-m", "jobs.cli", "retrain", "--config", str(shop.config)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stderr is not None
        for line in worker.stderr:
            if "training: weights" in line:  # then come the trees, of which there are many
                break
        assert shop.record("r1").state == "claimed"
        worker.send_signal(number)
        out, err = worker.communicate(timeout=PATIENCE_SECONDS)
    assert (worker.returncode, out) == (0, "")
    assert err.splitlines()[-1] == "retrain: stopped; a request that was not finished is given back"
    assert (shop.record("r1").state, shop.record("r1").attempts) == ("open", 0)


def test_a_worker_waits_for_requests_until_it_is_stopped(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.retrain.worker.POLL_SECONDS", 0.02)
    shop.archive(200)
    stop, told = threading.Event(), SimpleQueue[Outcome]()
    worker = Worker("w", shop.around(stop=stop, tell=told.put))
    thread = threading.Thread(target=worker.run_for_ever)
    thread.start()
    for request_id in ("r1", "r2"):
        shop.ask(request_id)
        assert told.get(timeout=PATIENCE_SECONDS).request.request_id == request_id
    stop.set()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


def test_a_worker_outlives_a_bucket_that_does_not_answer(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.retrain.worker.POLL_SECONDS", 0.02)
    shop.archive(200)
    shop.ask("r1")
    stop, told, around = threading.Event(), SimpleQueue[Outcome](), shop.around()
    buckets = replace(around.buckets, models=Moody(shop.folder / "models"))
    worker = Worker("w", shop.around(stop=stop, tell=told.put, buckets=buckets))
    thread = threading.Thread(target=worker.run_for_ever)
    thread.start()
    assert told.get(timeout=PATIENCE_SECONDS).result is not None
    stop.set()
    thread.join(PATIENCE_SECONDS)
    assert shop.record("r1").attempts == 1  # what is given back is not counted


class Moody(FolderStore):
    """A store whose first two writes fail."""

    failures = 2

    def put(self, key: str, data: bytes) -> None:
        if self.failures:
            self.failures -= 1
            message = f"cannot write {key}: no answer"
            raise StoreError(message)
        super().put(key, data)
