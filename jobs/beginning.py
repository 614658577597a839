"""Decides what a run begins with: its input plan, each model's generation, the published files to start from."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from config.policies import feature_spec, learner_settings, reward_policy
from config.settings import Settings
from jobs.job_state import Beginning, StateError
from lambda_learner.policy import ModelPolicy, Policies
from lambda_learner.publish.generation import Generation, fresh_generation_id, generation_id, read_generation
from lambda_learner.publish.keys import COEFFICIENTS, is_model
from lambda_learner.publish.manifest import FileEntry, read_manifest
from lambda_learner.publish.store import Store
from operators.files import FileChunk
from operators.warm_start import ShardKey


def begin(settings: Settings, store: Store, *, chunks: Sequence[FileChunk], fresh: bool) -> Beginning:
    """What a first start decides; `fresh` starts a new generation of every model, which knows nothing."""
    found = _found(store)
    live = _live_generations(store, found)
    kept = {} if fresh else {name: generation.generation for name, generation in live.items()}
    generations = _generations(settings, found, kept)
    return Beginning(chunks, generations, _pinned(store, live, generations), _new_origin())


def resumed(settings: Settings, store: Store, beginning: Beginning) -> Beginning:
    """What a restart goes on with: a model whose settings start a new generation gets one, the others keep theirs.

    StateError for another kind of input than the run began with, whose position no checkpoint holds.
    """
    had_end = bool(beginning.chunks)
    if settings.stream.source.has_end != had_end:
        message = (
            f"stream.source: the unfinished run began with an input that {_ends(had_end)}, "
            f"got one that {_ends(not had_end)}: put it back to finish that run, or start another with --fresh"
        )
        raise StateError(message)
    found = _found(store)
    live = {name: generation.generation for name, generation in _live_generations(store, found).items()}
    generations = _generations(settings, found, live | dict(beginning.generations))
    return replace(beginning, generations=generations, origin=beginning.origin or _new_origin())


def _new_origin() -> str:
    return uuid.uuid4().hex[:12]


def _ends(has_end: bool) -> str:
    return "ends" if has_end else "has no end (a followed folder, topics)"


def policies_of(settings: Settings, generations: Mapping[str, str], shards: Mapping[str, int]) -> Policies:
    """The policy of each model that the settings or the bucket name, and of those that neither does."""
    unknown = None if settings.unknown_models == "reject" else _policy(settings, "", generations, shards)
    named = {name: _policy(settings, name, generations, shards) for name in {*settings.models, *generations}}
    if settings.unknown_models == "reject":
        named = {name: policy for name, policy in named.items() if name in settings.models}
    return Policies(named, unknown)


def shards_of(store: Store, generations: Mapping[str, str]) -> dict[str, int]:
    """The number of shards of each generation that is in the bucket already: it never changes within one."""
    live = _live_generations(store, generations)
    return {
        name: live[name].shards for name in generations if name in live and live[name].generation == generations[name]
    }


def _policy(settings: Settings, name: str, generations: Mapping[str, str], shards: Mapping[str, int]) -> ModelPolicy:
    learner = settings.model_for(name).learner
    return ModelPolicy(
        reward=reward_policy(settings.model_for(name).reward),
        update_interval_ms=learner.update_interval_ms,
        entity_paths=learner.entity,
        features=feature_spec(learner),
        learner=learner_settings(learner),
        generation=generations.get(name) or _stem(settings, name),
        shards=shards.get(name, settings.stream.shards),
        entity_ttl_ms=learner.entity_ttl_ms,
        learned=name in settings.models or settings.unknown_models == "learn",
    )


def _stem(settings: Settings, name: str) -> str:
    learner = settings.model_for(name).learner
    return generation_id(
        kind=learner.kind,
        entity_paths=learner.entity,
        features=learner.features,
        reward=reward_policy(settings.model_for(name).reward),
        posterior=learner.posterior,
        noise_variance=learner.noise_variance,
        prior=learner_settings(learner).prior,
    )


def _is_of(generation: str, stem: str) -> bool:
    return generation.partition("-")[0] == stem


def _generations(settings: Settings, found: Mapping[str, Collection[str]], kept: Mapping[str, str]) -> dict[str, str]:
    """The generation of each model in the bucket or the settings: the one kept, if its settings still make it."""
    generations = {}
    for name in dict.fromkeys([*found, *kept, *settings.models]):
        stem = _stem(settings, name)
        held = kept.get(name)
        generations[name] = held if held and _is_of(held, stem) else _next_id(stem, found.get(name, ()))
    return generations


def _next_id(stem: str, found: Collection[str]) -> str:
    """The id of a new generation: past each that is in the bucket, even if its run was killed before it went live."""
    used = [generation for generation in found if _is_of(generation, stem)]
    return fresh_generation_id(max(used, key=_start_number)) if used else stem


def _start_number(generation: str) -> int:
    counter = generation.partition("-")[2]
    return int(counter) if counter.isdecimal() else 1


def _found(store: Store) -> dict[str, set[str]]:
    """The generations of each model in the bucket: the live one, and those that have any object."""
    found: dict[str, set[str]] = {}
    for info in store.list(COEFFICIENTS):
        model, *rest = info.key.removeprefix(COEFFICIENTS).split("/")
        if rest and is_model(model):
            found.setdefault(model, set()).update(rest[:-1][:1])
    for model, generation in _live_generations(store, found).items():
        found[model].add(generation.generation)
    return found


def _live_generations(store: Store, models: Iterable[str]) -> dict[str, Generation]:
    found = {model: read_generation(store, model) for model in models}
    return {model: version.generation for model, version in found.items() if version is not None}


def _pinned(
    store: Store, live: Mapping[str, Generation], generations: Mapping[str, str]
) -> dict[ShardKey, Sequence[FileEntry]]:
    pinned: dict[ShardKey, Sequence[FileEntry]] = {}
    for model, generation in live.items():
        if generations[model] != generation.generation:
            continue
        for shard in range(generation.shards):
            manifest = read_manifest(store, model, generation.generation, shard)
            if manifest is not None and manifest.manifest.files:
                pinned[model, generation.generation, shard] = manifest.manifest.files
    return pinned
