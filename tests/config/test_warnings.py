from __future__ import annotations

from pathlib import Path

import pytest

from config.load import load
from config.settings import Settings
from config.warnings import warnings_of


def warnings_for(tmp_path: Path, learner: str) -> list[str]:
    (tmp_path / "c.yaml").write_text("models: {m: {learner: {" + learner + "}}}\n", encoding="utf-8")
    return warnings_of(load(tmp_path / "c.yaml"))


@pytest.mark.parametrize("entity", ["context.user_id", "[]"])
def test_a_feature_of_the_context_alone_cannot_change_a_ranking(tmp_path: Path, entity: str) -> None:
    features = "[item, context.hour, context.day × context.hour]"
    hour, cross = warnings_for(tmp_path, f"entity: {entity}, features: {features}")
    assert hour.startswith("models.m.learner.features: context.hour is of the context only")
    assert cross.startswith("models.m.learner.features: context.day × context.hour is of the context only")


def test_a_cross_with_the_item_can_change_a_ranking(tmp_path: Path) -> None:
    assert warnings_for(tmp_path, "entity: context.user_id, features: [item.genre × context.hour]") == []


def test_with_an_entity_of_the_item_the_context_can_change_a_ranking(tmp_path: Path) -> None:
    assert warnings_for(tmp_path, "entity: [context.user_id, item.id], features: [context]") == []


def test_the_noise_variance_of_a_logistic_learner_is_unused(tmp_path: Path) -> None:
    assert warnings_for(tmp_path, "noise_variance: 2") == [
        "models.m.learner.noise_variance: is used by kind linear only"
    ]
    assert warnings_for(tmp_path, "kind: linear, noise_variance: 2") == []


def of_stream(tmp_path: Path, stream: str) -> list[str]:
    (tmp_path / "c.yaml").write_text("stream: {" + stream + "}\n", encoding="utf-8")
    return warnings_of(load(tmp_path / "c.yaml"))


def test_the_wall_clock_of_an_input_that_ends_is_unused(tmp_path: Path) -> None:
    (warning,) = of_stream(tmp_path, "clock: wall, source: {follow: false}")
    assert warning.startswith("stream.clock: wall is used with stream.source.follow: true only")
    assert of_stream(tmp_path, "clock: wall, idle_timeout: 5 s, source: {follow: true}") == []


def test_an_idle_timeout_without_the_wall_clock_is_unused(tmp_path: Path) -> None:
    assert of_stream(tmp_path, "idle_timeout: 5 s, source: {follow: true}") == [
        "stream.idle_timeout: is used by clock wall only"
    ]


def test_a_stream_of_which_nothing_is_learned_is_warned_of() -> None:
    (warning,) = warnings_of(Settings(unknown_models="archive"))
    assert "nothing is learned" in warning
    assert warnings_of(Settings()) == []
