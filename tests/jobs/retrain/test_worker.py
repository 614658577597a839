"""From archived events to the model that clients load, and the gate before it."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest

from jobs.retrain.worker import Stopped
from lambda_learner.archive.partition import partitions
from lambda_learner.publish.model_file import LINEAGE, from_model_file, to_model_file
from lambda_learner.publish.model_keys import latest_key
from lambda_learner.publish.models import live_stem, read_lineage
from lambda_learner.retrain import DecisionModel
from lambda_learner.retrain.requests import Claim, claim_next
from operators.clock import wall_clock_ms
from tests.harness.retraining import HOUR_MS, MODEL, START_S, Shop

POOR = {"hyperparameters": {"max_trees": 1, "tree_depth": 1}}


def test_a_request_gives_a_model_that_ranks_far_better_than_chance(shop: Shop) -> None:
    shop.archive(3000)
    result = shop.retrained("r1")
    assert result["metrics"]["decisions"] == 3000
    assert shop.share_right() > 0.9
    assert shop.record("r1").state == "done"
    assert shop.record("r1").result == result


def test_the_model_is_archived_with_its_lineage_and_copied_to_latest(shop: Shop) -> None:
    shop.archive(500)
    result = shop.retrained("r1")
    archived = shop.models.get(result["keys"]["archive"])
    assert archived is not None
    assert shop.latest() == archived.data
    assert live_stem(shop.models, MODEL) == result["stem"]
    lineage = read_lineage(shop.models, MODEL, result["stem"])
    assert lineage is not None
    assert {"seeds", "settings", "metrics", "code_version", "gate", "archive", "cause"} <= lineage.fields.keys()
    assert lineage.fields["metrics"]["first_decision_s"] == START_S
    assert lineage.fields["metrics"]["last_decision_s"] == START_S + 499


def test_the_archive_is_compacted_first(shop: Shop) -> None:
    shop.archive(600, files=20)
    assert shop.retrained("r1")["archive"]["compaction"]["files_read"] == 20
    assert len(partitions(shop.train, MODEL)) == 1


def test_only_the_newest_decisions_are_trained_on_where_settings_say_so(shop: Shop) -> None:
    shop.training = {"hyperparameters": {"max_decision_records": 200, "max_trees": 5}}
    shop.archive(600)
    metrics = shop.retrained("r1")["metrics"]
    assert (metrics["decisions"], metrics["first_decision_s"]) == (200, START_S + 400)


def test_one_that_is_better_beyond_doubt_is_published(shop: Shop) -> None:
    shop.training = POOR
    shop.archive(1000)
    shop.retrained("poor")
    shop.training = {"hyperparameters": {"max_trees": 20}}
    shop.archive(4000, after=1000)
    result = shop.retrained("good")
    assert result["gate"]["outcome"] == "publish"
    assert live_stem(shop.models, MODEL) == result["stem"]
    assert all(each["low"] > 0 for each in result["gate"]["comparisons"])
    assert result["metrics"]["decisions"] == 5000  # it was fitted again to all of them


def test_a_worse_one_is_refused_and_the_reason_kept(running_shop: Shop) -> None:
    before = running_shop.latest()
    running_shop.training = POOR
    result = running_shop.retrained("worse")
    assert (result["stem"], result["gate"]["outcome"]) == (None, "refuse")
    assert "worse by more than the margin" in result["gate"]["reason"]
    assert running_shop.latest() == before
    assert running_shop.record("worse").result == result


def test_force_publishes_a_worse_one_and_says_so(running_shop: Shop) -> None:
    before = running_shop.latest()
    running_shop.training = POOR
    running_shop.ask("worse")
    around = running_shop.around()
    (outcome,) = running_shop.work(order_of=lambda request: _forced(around.order_of(request)))
    assert outcome.result is not None
    assert (outcome.result["gate"]["outcome"], outcome.result["gate"]["forced"]) == ("refuse", True)
    assert running_shop.latest() != before


def _forced(order: Any) -> Any:
    return replace(order, force=True)


def test_decisions_that_list_their_candidates_are_judged_by_all_of_them(running_shop: Shop) -> None:
    running_shop.training = POOR
    comparisons = running_shop.retrained("r")["gate"]["comparisons"]
    by_name = {each["name"]: each for each in comparisons}
    assert list(by_name) == ["weighted_squared_error", "two_candidate_value", "doubly_robust_value"]
    # The best of three songs is liked with 0.9, a random one with 0.383.
    assert by_name["doubly_robust_value"]["incumbent"] == pytest.approx(0.9, abs=0.12)
    assert by_name["two_candidate_value"]["incumbent"] < by_name["doubly_robust_value"]["incumbent"]


def test_nothing_is_compared_on_what_the_incumbent_has_seen(running_shop: Shop) -> None:
    gate = {"on_undecided": "publish", "margin": 10}
    running_shop.training = {"gate": gate, "hyperparameters": {"max_trees": 20}}
    assert running_shop.retrained("second")["stem"]
    result = running_shop.retrained("third")  # not a decision came since
    assert (result["gate"]["outcome"], result["gate"]["comparisons"]) == ("undecided", [])
    assert result["stem"]


def test_an_undecided_one_is_kept_back_where_settings_say_so(running_shop: Shop) -> None:
    before = running_shop.latest()
    running_shop.training = {"gate": {"on_undecided": "keep", "min_effective_size": 100_000}}
    result = running_shop.retrained("r")
    assert (result["stem"], result["gate"]["outcome"]) == (None, "undecided")
    assert running_shop.latest() == before


def test_the_slice_is_the_newest_share(running_shop: Shop) -> None:
    running_shop.training = {"gate": {"held_out_share": 0.2}, "hyperparameters": {"max_trees": 2}}
    comparison, *_ = running_shop.retrained("r")["gate"]["comparisons"]
    assert comparison["rows"] == 1200


def test_a_model_of_the_gym_is_an_incumbent_that_has_seen_what_was_before_it(running_shop: Shop) -> None:
    _as_the_gym_writes(running_shop, created_s=START_S + 5900)
    result = running_shop.retrained("r")
    comparison, *_ = result["gate"]["comparisons"]
    assert comparison["rows"] == 99
    assert comparison["incumbent"] == pytest.approx(0.1, abs=0.1)  # its scale is taken from the older rows
    assert result["incumbent"] == {"stem": "", "seen_through_ms": (START_S + 5900) * 1000}


def _as_the_gym_writes(shop: Shop, *, created_s: int) -> None:
    latest = shop.latest()
    assert latest is not None
    booster, metadata = from_model_file(latest)
    del metadata[LINEAGE]
    booster.set_attr(user_defined_metadata=None)
    metadata["ai.improve.created_at"] = (datetime(1970, 1, 1) + timedelta(seconds=created_s)).isoformat()  # noqa: DTZ001
    shop.models.put(latest_key(MODEL, ".xgb.gz"), to_model_file(booster, metadata))


def test_a_damaged_latest_is_replaced(running_shop: Shop) -> None:
    running_shop.models.put(latest_key(MODEL, ".xgb.gz"), b"not a model")
    result = running_shop.retrained("r")
    assert result["stem"]
    assert "is damaged" in result["incumbent"]["damaged"]
    assert running_shop.share_right() > 0.9


def test_a_request_worked_on_again_publishes_nothing_new(shop: Shop) -> None:
    shop.archive(500)
    first = shop.retrained("r1")
    before = shop.latest()
    shop.train.delete(f"retrain/finished/{MODEL}/r1.json")  # as if it had never been told
    assert shop.retrained("r1") == first
    assert shop.latest() == before


def test_two_trainings_of_the_same_rows_differ_and_each_can_be_made_again(shop: Shop) -> None:
    shop.archive(500)
    models = []
    for request_id in ("r1", "r2"):
        shop.retrained(request_id)
        latest = shop.latest()
        assert latest is not None
        models.append(DecisionModel.of_file(latest).encoder.seed)
    assert models[0] != models[1]


def test_a_worker_that_is_stopped_gives_the_request_back(shop: Shop) -> None:
    shop.archive(500)
    shop.ask()
    stop = threading.Event()

    def tell(stage: str, _done: int, _total: int | None) -> None:
        if stage == "training: propensity":
            stop.set()

    with pytest.raises(Stopped):
        shop.work(stop=stop, display=lambda: nullcontext(tell))
    assert (shop.record("r1").state, shop.record("r1").attempts) == ("open", 0)
    assert shop.latest() is None
    assert shop.work("another")[0].result is not None


def test_a_worker_whose_request_is_taken_publishes_nothing(shop: Shop) -> None:
    shop.archive(500)
    shop.ask()
    late_ms = wall_clock_ms() + HOUR_MS

    def steal(stage: str, _done: int, _total: int | None) -> None:
        if stage == "training: decision":
            claim_next(shop.train, "thief", now_ms=late_ms, lease_ms=HOUR_MS)

    (outcome,) = shop.work(display=lambda: nullcontext(steal))
    assert outcome.result is None
    assert "no longer claimed" in outcome.reason
    assert shop.latest() is None
    assert shop.record("r1").worker == "thief"


def test_a_claim_is_renewed_while_a_stage_takes_long(shop: Shop) -> None:
    shop.archive(200)
    shop.ask()
    stolen: list[Claim | None] = []

    def wait(stage: str, _done: int, _total: int | None) -> None:
        if stage == "training: decision" and not stolen:
            threading.Event().wait(1.0)  # five leases long
            stolen.append(claim_next(shop.train, "thief", now_ms=wall_clock_ms(), lease_ms=HOUR_MS))

    (outcome,) = shop.work(display=lambda: nullcontext(wait), lease_ms=200)
    assert stolen == [None]
    assert outcome.result is not None


def test_a_training_that_takes_longer_than_allowed_fails(shop: Shop) -> None:
    shop.archive(200)
    shop.training["max_runtime"] = "1 s"
    shop.ask()
    clock = iter(range(wall_clock_ms(), 10**15, 400))
    (outcome,) = shop.work(now_ms=lambda: next(clock))
    assert "training.max_runtime, 1 s" in outcome.reason
    assert shop.record("r1").state == "failed"


def test_a_coreml_file_comes_with_it_where_settings_say_so(shop: Shop) -> None:
    pytest.importorskip("coremltools")
    shop.training["coreml"] = True
    shop.archive(200)
    shop.retrained("r1")
    assert shop.models.get(latest_key(MODEL, ".mlmodel.gz")) is not None


def test_results_are_json(running_shop: Shop) -> None:
    assert orjson.loads(orjson.dumps(running_shop.retrained("r")))["gate"]["settings"]["margin_share"] == 0.05
