from __future__ import annotations

from dataclasses import replace

import pytest

from lambda_learner.join import RewardPolicy
from lambda_learner.learn.state import CoefficientPrior
from lambda_learner.publish import generation as generations
from lambda_learner.publish import owner
from lambda_learner.publish.errors import DamagedGeneration, Fenced, NewerFormat
from lambda_learner.publish.generation import Generation, fresh_generation_id, generation_id
from lambda_learner.publish.store import Store

KEY = "coefficients/movies/generation.json"
GENERATION = Generation(
    generation="0123456789ab",
    kind="linear",
    entity_paths=("context.user_id",),
    features=("item", "item.genre × context.hour"),
    reward=RewardPolicy(60_000, "mean", 0.5, 10),
    posterior="full",
    prior=CoefficientPrior(0.1, 4.0, -1.0, 0.25),
    noise_variance=2.0,
    shards=8,
)


def _id(generation: Generation) -> str:
    return generation_id(
        kind=generation.kind,
        entity_paths=generation.entity_paths,
        features=generation.features,
        reward=generation.reward,
        posterior=generation.posterior,
        noise_variance=generation.noise_variance,
        prior=generation.prior,
    )


def test_a_generation_comes_back_and_gives_one_text() -> None:
    text = generations.dumps(GENERATION)
    assert generations.loads(text, KEY) == GENERATION
    assert generations.dumps(generations.loads(text, KEY)) == text


def test_a_generation_that_estimates_its_noise_comes_back_and_an_older_release_refuses_it() -> None:
    estimating = replace(GENERATION, noise_variance="estimate")
    text = generations.dumps(estimating)
    assert b'"noise_variance": "estimate"' in text
    assert b'"format_version": 2' in text
    assert generations.loads(text, KEY) == estimating


def test_a_generation_with_a_given_noise_variance_is_readable_for_older_releases() -> None:
    assert b'"format_version": 1' in generations.dumps(GENERATION)


def test_the_id_is_12_hex_digits_that_never_change_for_the_same_settings() -> None:
    # A changed value here would make every deployed job start afresh.
    assert _id(GENERATION) == "b0c25a769649"
    assert _id(replace(GENERATION, noise_variance="estimate")) == "65301f1eeb78"


def test_the_id_changes_with_each_setting_that_makes_the_learned_useless() -> None:
    others = [
        replace(GENERATION, kind="logistic"),
        replace(GENERATION, entity_paths=()),
        replace(GENERATION, features=("item",)),
        replace(GENERATION, reward=RewardPolicy(60_000, "sum", 0.5, 10)),
        replace(GENERATION, reward=RewardPolicy(60_001, "mean", 0.5, 10)),
        replace(GENERATION, posterior="diagonal"),
        replace(GENERATION, noise_variance="estimate"),
    ]
    assert len({_id(GENERATION), *map(_id, others)}) == 8


def test_the_id_stays_for_settings_that_learning_goes_on_with_and_for_0_written_0_0() -> None:
    same = replace(GENERATION, prior=CoefficientPrior(), noise_variance=1.0, shards=2)
    assert _id(same) == _id(GENERATION)
    zero = replace(GENERATION, reward=RewardPolicy(default=0))
    assert _id(zero) == _id(replace(GENERATION, reward=RewardPolicy(default=0.0)))


def test_the_prior_of_an_estimated_noise_variance_changes_the_id() -> None:
    # What a state has learned is its precision less the prior's: under another prior the estimate would go wrong.
    estimating = replace(GENERATION, noise_variance="estimate")
    priors = [GENERATION.prior._replace(**{field: 0.7}) for field in CoefficientPrior._fields]
    assert len({_id(replace(estimating, prior=prior)) for prior in [GENERATION.prior, *priors]}) == 5
    zero, whole = CoefficientPrior(0, 2, 0, 2), CoefficientPrior(0.0, 2.0, 0.0, 2.0)
    assert _id(replace(estimating, prior=zero)) == _id(replace(estimating, prior=whole))


def test_fresh_starts_are_counted() -> None:
    assert fresh_generation_id("0123456789ab") == "0123456789ab-2"
    assert fresh_generation_id("0123456789ab-2") == "0123456789ab-3"
    assert fresh_generation_id("0123456789ab-9") == "0123456789ab-10"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"linear"', b'"cubic"', "kind must be one of logistic, linear, got 'cubic'"),
        (b'"precision": 4.0', b'"precision": 0', "prior.precision must be a number > 0, got 0"),
        (b'"precision": 4.0', b'"precision": null', "prior.precision must be a finite number, got None"),
        (b'"mean",', b'"product",', "reward.function must be one of sum, mean"),
        (b'"noise_variance": 2.0', b'"noise_variance": 0', "noise_variance must be a number > 0 or estimate, got 0"),
        (b'"noise_variance": 2.0', b'"noise_variance": true', "must be a number > 0 or estimate, got True"),
        (b'"noise_variance": 2.0', b'"noise_variance": "guess"', "must be a number > 0 or estimate, got 'guess'"),
        (b'"noise_variance": 2.0', b'"noise_variance": 1e999', "it is not JSON"),
        (b'"shards": 8', b'"shards": 0', "shards must be an integer ≥ 1, got 0"),
        (b'"item",', b"7,", "features must be a list of texts"),
        (b"{", b"", "it is not JSON"),
    ],
)
def test_a_damaged_document_names_key_field_and_what_to_do(old: bytes, new: bytes, message: str) -> None:
    with pytest.raises(DamagedGeneration, match=message) as caught:
        generations.loads(generations.dumps(GENERATION).replace(old, new), KEY)
    assert KEY in str(caught.value)
    assert "delete it and restart the job" in str(caught.value)


def test_a_document_of_a_newer_format_is_refused() -> None:
    with pytest.raises(NewerFormat, match="upgrade this program"):
        generations.loads(b'{"format_version": 3}', KEY)


def test_publishing_a_generation_again_changes_nothing(store: Store) -> None:
    assert generations.read_generation(store, "movies") is None
    assert generations.publish_generation(store, "movies", GENERATION, epoch=1)
    found = generations.read_generation(store, "movies")
    assert found is not None
    assert found.generation == GENERATION
    assert not generations.publish_generation(store, "movies", GENERATION, epoch=1)
    assert generations.publish_generation(store, "movies", replace(GENERATION, shards=2), epoch=1)


def test_a_job_that_was_taken_over_cannot_switch_the_generation(store: Store) -> None:
    epoch = owner.claim(store, "old", take_over=False)
    owner.claim(store, "new", take_over=True)
    with pytest.raises(Fenced, match=r"generation.json belongs to epoch 2, this writer has epoch 1"):
        generations.publish_generation(store, "movies", GENERATION, epoch=epoch)
