"""A model's live generation: generation.json, all that a reader must know to use the coefficients."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, get_args

import orjson

from lambda_learner.join import RewardFunction, RewardPolicy
from lambda_learner.learn.state import ESTIMATE, CoefficientPrior, NoiseVariance
from lambda_learner.publish import keys, owner
from lambda_learner.publish.document import Document, to_text
from lambda_learner.publish.errors import DamagedGeneration, PreconditionFailed
from lambda_learner.publish.keys import shard_of
from lambda_learner.publish.store import Store

__all__ = [
    "DamagedGeneration",
    "Generation",
    "Kind",
    "PosteriorForm",
    "VersionedGeneration",
    "dumps",
    "fresh_generation_id",
    "generation_id",
    "loads",
    "publish_generation",
    "read_generation",
    "shard_of",
]

FORMAT_VERSION = 2
_ESTIMATE_VERSION = 2  # the first in which noise_variance may be "estimate"
ID_DIGITS = 12  # hex digits: 48 bits, ample for the few generations of one model

Kind = Literal["logistic", "linear"]
PosteriorForm = Literal["diagonal", "full"]
_KINDS: dict[str, Kind] = {"logistic": "logistic", "linear": "linear"}
_FUNCTIONS: dict[str, RewardFunction] = {name: name for name in get_args(RewardFunction)}
_FORMS: dict[str, PosteriorForm] = {"diagonal": "diagonal", "full": "full"}


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation and how its coefficients were learned; the number of shards is fixed within it."""

    generation: str
    kind: Kind
    entity_paths: tuple[str, ...]
    features: tuple[str, ...]
    reward: RewardPolicy
    posterior: PosteriorForm = "diagonal"
    prior: CoefficientPrior = CoefficientPrior()
    noise_variance: NoiseVariance = 1.0
    shards: int = 4


class VersionedGeneration(NamedTuple):
    """A generation and the etag of its generation.json."""

    generation: Generation
    etag: str


def generation_id(  # noqa: PLR0913 - the settings that are hashed
    *,
    kind: str,
    entity_paths: Sequence[str],
    features: Sequence[str],
    reward: RewardPolicy,
    posterior: str,
    noise_variance: NoiseVariance = 1.0,
    prior: CoefficientPrior | None = None,
) -> str:
    """Give the id of what can be learned on together: 12 hex digits of the hash of these settings.

    Forgetting, exploration, the prior and a given noise variance are not part of it: changing those keeps the
    learned state, whose evidence has the weight that it was learned with. An estimated noise variance is, and its
    `prior` (None: the default one) with it: the estimate goes back to what each window has said, which a state
    learned under a number does not have, and which is told from the prior only by knowing that prior.
    """
    parts: dict[str, Any] = {
        "kind": kind,
        "entity_paths": list(entity_paths),
        "features": list(features),
        "reward": _reward_fields(reward),
        "posterior": posterior,
    }
    if noise_variance == ESTIMATE:
        numbers = [float(number) for number in prior or CoefficientPrior()]
        parts |= {"noise_variance": ESTIMATE, "prior": numbers}
    text = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:ID_DIGITS]


def fresh_generation_id(generation: str) -> str:
    """Give the id of the next fresh start of the same settings: `…`, `…-2`, `…-3`."""
    stem, _, counter = generation.partition("-")
    return f"{stem}-{int(counter) + 1 if counter else 2}"


def dumps(generation: Generation) -> bytes:
    """Give generation.json's text: the same for the same generation, in the oldest format that can hold it."""
    fields = asdict(generation) | {
        "reward": _reward_fields(generation.reward),
        "prior": generation.prior._asdict(),
    }
    return to_text(fields, format_version=_ESTIMATE_VERSION if generation.noise_variance == ESTIMATE else 1)


def loads(data: bytes, key: str) -> Generation:
    """Read generation.json's text; DamagedGeneration or NewerFormat name the key."""
    document = Document.parse(data, key, DamagedGeneration, format_version=FORMAT_VERSION)
    reward, prior = document.child("reward"), document.child("prior")
    return Generation(
        generation=document.text("generation"),
        kind=_KINDS[document.text("kind", among=tuple(_KINDS))],
        entity_paths=document.texts("entity_paths"),
        features=document.texts("features"),
        reward=RewardPolicy(
            window_ms=reward.integer("window_ms", minimum=0),
            function=_FUNCTIONS[reward.text("function", among=tuple(_FUNCTIONS))],
            default=reward.number("default"),
            max_rewards=reward.integer("max_rewards", minimum=1),
        ),
        posterior=_FORMS[document.text("posterior", among=tuple(_FORMS))],
        prior=CoefficientPrior(
            mean=prior.number("mean"),
            precision=prior.number("precision", positive=True),
            intercept_mean=prior.number("intercept_mean"),
            intercept_precision=prior.number("intercept_precision", positive=True),
        ),
        noise_variance=document.positive_or("noise_variance", ESTIMATE),
        shards=document.integer("shards", minimum=1),
    )


def read_generation(store: Store, model: str) -> VersionedGeneration | None:
    """Give the model's live generation and its etag, None before the first publish."""
    key = keys.generation_key(model)
    found = store.get(key)
    return None if found is None else VersionedGeneration(loads(found.data, key), found.etag)


def publish_generation(store: Store, model: str, generation: Generation, *, epoch: int) -> bool:
    """Make the generation the model's live one; False if it is already.

    Raises Fenced if a newer epoch owns the bucket.
    """
    key = keys.generation_key(model)
    text = dumps(generation)
    while True:
        owner.refuse_if_fenced(store, key, epoch)
        found = store.get(key)
        if found is not None and found.data == text:
            return False
        try:
            store.put_if(key, text, found.etag if found else None)
        except PreconditionFailed:
            continue
        return True


def _reward_fields(reward: RewardPolicy) -> dict[str, Any]:
    return {
        "window_ms": reward.window_ms,
        "function": reward.function,
        "default": float(reward.default),
        "max_rewards": reward.max_rewards,
    }
