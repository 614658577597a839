"""The base that comes out of a retraining too."""

from __future__ import annotations

import numpy as np
import pytest

from config.load import load
from config.settings import Settings
from jobs.retrain.command import surroundings
from lambda_learner.events import Decision
from lambda_learner.publish.bases import read_base_log
from lambda_learner.retrain.activation import lead_ms
from lambda_learner.retrain.offset_model import load_offset_model
from lambda_learner.retrain.request_record import RetrainRequest
from operators.archive import Archive
from operators.clock import wall_clock_ms
from tests.harness.retraining import GENRES, MODEL, START_S, Shop, event, liking, listened


@pytest.fixture
def shop(shop: Shop) -> Shop:
    """It wants a base."""
    shop.training["base"] = True
    return shop


def test_a_published_model_comes_with_an_activated_base(shop: Shop) -> None:
    shop.archive(3000)
    began_ms = wall_clock_ms()
    base = shop.retrained("r1")["base"]
    (entry,) = read_base_log(shop.models, MODEL).entries
    assert base == entry._asdict()
    assert (entry.version, entry.kind) == ("r1", "logistic")
    lead = lead_ms(reward_window_ms=600_000, update_interval_ms=10_000, max_clock_skew_ms=900_000)
    assert entry.active_from_ms >= began_ms + lead
    assert entry.trained_through_ms == (START_S + 2999) * 1000


def test_its_offsets_are_the_log_odds_of_a_reward(shop: Shop) -> None:
    shop.archive(6000)
    shop.retrained("r1")
    (entry,) = read_base_log(shop.models, MODEL).entries
    model, errors = load_offset_model(shop.models, entry), []
    for hour in range(24):
        offsets = model.offsets([{"genre": genre, "tempo": 0.5} for genre in GENRES], [{"hour": hour}] * 3)
        errors += [
            1 / (1 + np.exp(-offset)) - liking(genre, hour) for offset, genre in zip(offsets, GENRES, strict=True)
        ]
    assert np.abs(errors).mean() < 0.1


def test_a_model_that_is_refused_makes_none(running_shop: Shop) -> None:
    before = read_base_log(running_shop.models, MODEL)
    running_shop.training = {"base": True, "hyperparameters": {"max_trees": 1, "tree_depth": 1}}
    assert running_shop.retrained("worse")["stem"] is None
    assert read_base_log(running_shop.models, MODEL) == before


def test_settings_may_want_none(shop: Shop) -> None:
    shop.training["base"] = False
    shop.archive(300)
    assert shop.retrained("r1")["base"] is None
    assert read_base_log(shop.models, MODEL).entries == ()


def test_a_model_that_is_not_learned_has_none() -> None:
    around = surroundings(Settings.model_validate({"unknown_models": "archive", "models": {"songs": None}}))
    orders = [around.order_of(RetrainRequest(name, "r", "manual", 0)) for name in ("songs", "others")]
    assert [order.base is None for order in orders] == [False, True]


def test_what_the_learner_tells_apart_is_left_out_of_it(shop: Shop) -> None:
    shop.config.write_text(
        shop.config.read_text() + "models: {songs: {learner: {entity: context.user_id, kind: linear}}}"
    )
    order = surroundings(load(shop.folder / "config.yaml")).order_of(shop.ask())
    assert order.base is not None
    assert (order.base.kind, order.base.entity_paths) == ("linear", ("context.user_id",))


def test_no_later_decision_to_calibrate_on_is_told_and_no_failure(shop: Shop) -> None:
    decision = event(0, item={"genre": "rock"}, count=3, sample={"genre": "pop"})
    Archive(shop.train).write([decision])
    result = shop.retrained("r1")
    assert result["stem"]
    assert "no decision to train on" in result["base"]["reason"]


def test_equal_rewards_make_the_constant_base(shop: Shop) -> None:
    Archive(shop.train).write(one for one in listened(300) if isinstance(one, Decision))
    base = shop.retrained("r1")["base"]
    assert (base["key"], base["slope"]) == ("", 0.0)
