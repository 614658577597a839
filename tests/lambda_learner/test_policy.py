from __future__ import annotations

import pickle
from dataclasses import replace

from lambda_learner.features.spec import FeatureSpec
from lambda_learner.learn.state import LearnerSettings
from lambda_learner.policy import Policies
from lambda_learner.publish.generation import dumps, loads
from tests.harness.cases import POLICY


def test_a_model_that_is_named_has_its_own_policy_and_any_other_that_of_the_unknown() -> None:
    named = replace(POLICY, generation="ffffffffffff")
    policies = Policies({"a": named}, POLICY)
    assert policies.of("a") is named
    assert policies.of("b") is POLICY


def test_where_unknown_models_are_rejected_they_have_no_policy() -> None:
    assert Policies({"a": POLICY}, None).of("b") is None


def test_the_generation_tells_readers_all_that_they_must_know() -> None:
    policy = replace(
        POLICY,
        features=FeatureSpec.parse(["item", "item.genre × context.hour"], entity_paths=["context.user"]),
        learner=LearnerSettings(
            kind="linear", prior_precision=4.0, intercept_mean=0.5, noise_variance=2.0, posterior="full"
        ),
        shards=7,
    )
    generation = policy.as_generation()
    assert generation.features == ("item", "item.genre × context.hour")
    assert generation.entity_paths == ("context.user",)
    assert (generation.kind, generation.posterior, generation.noise_variance) == ("linear", "full", 2.0)
    assert generation.prior == policy.learner.prior
    assert (generation.generation, generation.shards, generation.reward) == (policy.generation, 7, policy.reward)
    assert loads(dumps(generation), "k") == generation


def test_a_generation_says_that_its_noise_is_estimated() -> None:
    learner = LearnerSettings(kind="linear", noise_variance="estimate")
    assert replace(POLICY, learner=learner).as_generation().noise_variance == "estimate"


def test_a_reader_makes_the_same_features_of_a_generation_as_the_learner_does() -> None:
    features = FeatureSpec.parse(["item", r"item.a\.b × context.hour"], entity_paths=["context.user"])
    generation = replace(POLICY, features=features).as_generation()
    assert FeatureSpec.parse(generation.features, generation.entity_paths) == features


def test_policies_travel_with_the_job() -> None:
    policies = Policies({"a": POLICY}, None)
    assert pickle.loads(pickle.dumps(policies)) == policies
