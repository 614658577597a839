from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from jobs.beginning import begin, policies_of, resumed, shards_of
from jobs.job_state import Beginning, StateError
from lambda_learner.publish import FolderStore, ShardWriter, Store, Tombstone, publish_generation, read_manifest
from operators.files import FileChunk

CHUNKS = [FileChunk("f", 0, 10, 1)]
DEFAULTS: dict[str, Any] = {"learner": {"entity": "context.user"}}
OTHER: dict[str, Any] = {"learner": {"entity": "context.user", "kind": "linear"}}


def settings(models: Mapping[str, Any] | None = None, **fields: Any) -> Settings:
    return Settings.model_validate({"models": {"m": DEFAULTS} if models is None else dict(models)} | fields)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def first(store: Store, given: Settings, *, fresh: bool = False) -> Beginning:
    return begin(given, store, chunks=CHUNKS, fresh=fresh)


def go_live(store: Store, given: Settings, beginning: Beginning, model: str = "m") -> None:
    """Make what a run began with the live generation of a model."""
    policy = policies_of(given, beginning.generations, shards_of(store, beginning.generations)).of(model)
    assert policy is not None
    publish_generation(store, model, policy.as_generation(), epoch=1)


def write(store: Store, generation: str, *, model: str = "m", shard: int = 0, close_ms: int = 10_000) -> None:
    """Publish something of one shard."""
    ShardWriter(store, model, generation, shard, 1).publish(close_ms, [Tombstone("[1]", close_ms)])


# Generations.


def test_a_new_bucket_begins_with_the_generation_of_the_settings(store: FolderStore) -> None:
    beginning = first(store, settings({"m": DEFAULTS, "n": OTHER}))
    assert set(beginning.generations) == {"m", "n"}
    assert beginning.generations["m"] != beginning.generations["n"]
    assert beginning == first(store, settings({"m": DEFAULTS, "n": OTHER}))
    assert beginning.chunks == CHUNKS


def test_a_live_generation_is_kept(store: FolderStore) -> None:
    fresh = first(store, settings(), fresh=True)
    go_live(store, settings(), fresh)
    again = replace(fresh, generations={"m": fresh.generations["m"] + "-7"})
    go_live(store, settings(), again)
    assert first(store, settings()).generations == again.generations


@pytest.mark.parametrize(
    "change", [{"forgetting": 0.5}, {"prior_precision": 9}, {"exploration": 2}, {"update_interval": "1 minute"}]
)
def test_settings_that_what_was_learned_survives_keep_the_generation(
    store: FolderStore, change: dict[str, Any]
) -> None:
    go_live(store, settings(), first(store, settings()))
    changed = settings({"m": {"learner": DEFAULTS["learner"] | change}})
    assert first(store, changed).generations == first(store, settings()).generations


@pytest.mark.parametrize(
    "change",
    [
        {"learner": {"entity": "context.user", "kind": "linear"}},
        {"learner": {"entity": "context.device"}},
        {"learner": {"entity": "context.user", "features": ["item", "context"]}},
        {"learner": {"entity": "context.user", "posterior": "full"}},
        {"learner": {"entity": "context.user"}, "reward": {"window": "1 minute"}},
    ],
)
def test_settings_that_it_does_not_survive_start_a_new_one(store: FolderStore, change: dict[str, Any]) -> None:
    before = first(store, settings())
    go_live(store, settings(), before)
    assert first(store, settings({"m": change})).generations["m"] != before.generations["m"]


LINEAR = {"entity": "context.user", "kind": "linear"}
ESTIMATING = LINEAR | {"noise_variance": "estimate"}


@pytest.mark.parametrize(
    ("learner", "changed", "kept"),
    [
        (LINEAR, ESTIMATING, False),
        (ESTIMATING, LINEAR, False),
        (LINEAR, LINEAR | {"noise_variance": 3}, True),
        (ESTIMATING, ESTIMATING | {"prior_precision": 9}, False),
        (ESTIMATING, ESTIMATING | {"forgetting": 0.5}, True),
    ],
)
def test_an_estimated_noise_variance_goes_with_its_generation(
    store: FolderStore, learner: dict[str, Any], changed: dict[str, Any], *, kept: bool
) -> None:
    before = settings({"m": {"learner": learner}})
    go_live(store, before, first(store, before))
    found = first(store, settings({"m": {"learner": changed}})).generations
    assert (found == first(store, before).generations) == kept


def test_fresh_starts_a_new_generation_of_the_same_settings(store: FolderStore) -> None:
    for number in ("", "-2", "-3"):
        beginning = first(store, settings(), fresh=True)
        assert beginning.generations["m"] == f"{beginning.generations['m'].partition('-')[0]}{number}"
        go_live(store, settings(), beginning)


def test_fresh_starts_anew_for_every_model_in_the_bucket(store: FolderStore) -> None:
    given = settings({})
    begun = Beginning(CHUNKS, {"seen": first(store, settings({"seen": {}})).generations["seen"]})
    go_live(store, given, begun, "seen")
    assert first(store, given).generations == begun.generations
    assert first(store, given, fresh=True).generations == {"seen": f"{begun.generations['seen']}-2"}


def test_a_fresh_run_that_was_killed_before_it_went_live_leaves_no_generation_to_be_used_again(
    store: FolderStore,
) -> None:
    go_live(store, settings(), first(store, settings()))
    killed = first(store, settings(), fresh=True).generations["m"]
    write(store, killed)
    assert killed.endswith("-2")
    assert first(store, settings(), fresh=True).generations["m"] == killed.removesuffix("-2") + "-3"
    assert first(store, settings()).generations["m"] == killed.removesuffix("-2")


def test_a_first_run_that_was_killed_before_it_went_live_is_not_used_again_either(store: FolderStore) -> None:
    killed = first(store, settings()).generations["m"]
    write(store, killed)
    assert first(store, settings()).generations["m"] == f"{killed}-2"


def test_settings_that_are_put_back_do_not_go_on_with_the_old_files(store: FolderStore) -> None:
    one, other = settings(), settings({"m": OTHER})
    old = first(store, one)
    go_live(store, one, old)
    write(store, old.generations["m"])
    go_live(store, other, first(store, other))
    assert first(store, one).generations["m"] == f"{old.generations['m']}-2"


def test_generations_count_as_numbers(store: FolderStore) -> None:
    stem = first(store, settings()).generations["m"]
    for number in (2, 9, 10):
        write(store, f"{stem}-{number}")
    assert first(store, settings(), fresh=True).generations["m"] == f"{stem}-11"


def test_generations_of_other_settings_do_not_count(store: FolderStore) -> None:
    write(store, "ffffffffffff-7")
    assert "-" not in first(store, settings(), fresh=True).generations["m"]


# Pins.


def test_the_files_of_the_live_generation_are_pinned(store: FolderStore) -> None:
    beginning = first(store, settings())
    go_live(store, settings(), beginning)
    generation = beginning.generations["m"]
    for shard in (1, 3):
        write(store, generation, shard=shard)
    manifest = read_manifest(store, "m", generation, 3)
    assert manifest is not None
    pinned = first(store, settings()).pinned
    assert set(pinned) == {("m", generation, 1), ("m", generation, 3)}
    assert pinned["m", generation, 3] == manifest.manifest.files


@pytest.mark.parametrize("given", [settings({"m": OTHER}), settings()], ids=["changed", "fresh"])
def test_a_new_generation_has_nothing_pinned(store: FolderStore, given: Settings) -> None:
    beginning = first(store, settings())
    go_live(store, settings(), beginning)
    write(store, beginning.generations["m"])
    assert first(store, given, fresh=given == settings()).pinned == {}


# What a restart goes on with.


def test_a_restart_decides_as_the_first_start_did(store: FolderStore) -> None:
    beginning = first(store, settings())
    go_live(store, settings(), beginning)
    write(store, beginning.generations["m"])
    assert resumed(settings(), store, beginning) == beginning


def test_a_restart_goes_on_with_a_generation_that_is_not_live_yet(store: FolderStore) -> None:
    go_live(store, settings(), first(store, settings()))
    fresh = first(store, settings(), fresh=True)
    write(store, fresh.generations["m"])
    assert resumed(settings(), store, fresh).generations == fresh.generations


def test_a_restart_with_settings_of_another_generation_starts_it_for_that_model_only(store: FolderStore) -> None:
    beginning = first(store, settings({"m": DEFAULTS, "n": DEFAULTS}))
    found = resumed(settings({"m": OTHER, "n": DEFAULTS}), store, beginning)
    assert found.generations["n"] == beginning.generations["n"]
    assert found.generations["m"] == first(store, settings({"m": OTHER})).generations["m"]


def test_a_model_that_appeared_in_the_run_keeps_its_generation_and_its_number_of_shards(store: FolderStore) -> None:
    beginning = first(store, settings({}))
    during = Beginning(CHUNKS, first(store, settings({"seen": {}})).generations)
    go_live(store, settings({}), during, "seen")
    changed = settings({}, stream={"shards": 9})
    found = resumed(changed, store, beginning)
    policy = policies_of(changed, found.generations, shards_of(store, found.generations)).of("seen")
    assert policy is not None
    assert (policy.generation, policy.shards) == (during.generations["seen"], 4)


@pytest.mark.parametrize("follow", [True, False])
def test_a_restart_with_another_kind_of_input_is_refused(store: FolderStore, *, follow: bool) -> None:
    given = settings(stream={"source": {"follow": follow}})
    held = Beginning([] if not follow else CHUNKS, {})
    got = "one that has no end" if follow else "one that ends"
    with pytest.raises(StateError, match=rf"stream.source: .* got {got}.*--fresh"):
        resumed(given, store, held)


# Policies.


def test_the_number_of_shards_of_a_live_generation_wins_over_the_settings(store: FolderStore) -> None:
    given = settings(stream={"shards": 3})
    beginning = first(store, given)
    go_live(store, given, beginning)
    changed = settings(stream={"shards": 5})
    policy = policies_of(changed, beginning.generations, shards_of(store, beginning.generations)).of("m")
    assert policy is not None
    assert policy.shards == 3


def test_a_new_generation_has_the_number_of_shards_of_the_settings(store: FolderStore) -> None:
    go_live(store, settings(), first(store, settings()))
    changed = settings(stream={"shards": 5})
    fresh = first(store, changed, fresh=True)
    policy = policies_of(changed, fresh.generations, shards_of(store, fresh.generations)).of("m")
    assert policy is not None
    assert policy.shards == 5


def test_unknown_models_are_learned_archived_or_rejected_as_the_settings_say(store: FolderStore) -> None:
    def policy(unknown_models: str, model: str) -> Any:
        given = settings({"m": DEFAULTS}, unknown_models=unknown_models)
        return policies_of(given, {"seen": "ffffffffffff"}, {}).of(model)

    assert [policy("learn", model).learned for model in ("m", "seen", "new")] == [True, True, True]
    assert [policy("archive", model).learned for model in ("m", "seen", "new")] == [True, False, False]
    assert [policy("reject", model) is None for model in ("m", "seen", "new")] == [False, True, True]


def test_a_policy_has_what_the_settings_say_of_its_model(store: FolderStore) -> None:
    learner = {"entity": "context.user", "entity_ttl": "1 day", "update_interval": "5 s", "prior_precision": 4}
    given = settings({"m": {"learner": learner, "reward": {"window": "7 s", "function": "max"}}})
    policy = policies_of(given, {}, {}).of("m")
    assert policy is not None
    assert (policy.reward.window_ms, policy.reward.function) == (7_000, "max")
    assert (policy.update_interval_ms, policy.entity_ttl_ms, policy.entity_paths) == (
        5_000,
        86_400_000,
        ("context.user",),
    )
    assert policy.learner.prior_precision == 4
    assert policy.features.exclude == ("context.user",)


def test_what_else_lies_in_the_bucket_is_no_model(store: FolderStore) -> None:
    for key in ("coefficients/_owner.json", "coefficients/_doctor/probe", "coefficients/a copy/m/generation.json"):
        store.put(key, b"{}")
    assert set(first(store, settings()).generations) == {"m"}
