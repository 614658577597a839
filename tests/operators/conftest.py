"""Policies and lines for the operators' tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lambda_learner.events.ksuid import encode
from lambda_learner.features.spec import FeatureSpec
from lambda_learner.join import RewardPolicy
from lambda_learner.learn.state import LearnerSettings
from lambda_learner.policy import ModelPolicy

T0_S = 1_700_000_000 - 1_700_000_000 % 60
T0_MS = T0_S * 1000  # the start of a minute

MakePolicy = Callable[..., ModelPolicy]

POLICY = ModelPolicy(
    reward=RewardPolicy(window_ms=20_000),
    update_interval_ms=10_000,
    entity_paths=("context.user",),
    features=FeatureSpec.parse(["item"], entity_paths=["context.user"]),
    learner=LearnerSettings(),
    generation="0123456789ab",
    shards=2,
)


def ksuid(second: int, number: int = 0) -> str:
    """The id of a second after T0."""
    return encode(T0_S + second, number.to_bytes(16, "big"))


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


@pytest.fixture(scope="session")
def policy() -> MakePolicy:
    """A model of one entity a user, with a window of 20 s and an interval of 10 s, unless told otherwise."""

    def make(**changes: Any) -> ModelPolicy:
        return replace(POLICY, **changes)

    return make
