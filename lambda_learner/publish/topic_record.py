"""A published change as the record of a compacted topic: the newest record of a key is the entity's state."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from lambda_learner.learn.posterior import GaussianPosterior
from lambda_learner.publish.coefficients import EntityCoefficients, Tombstone, Update

__all__ = ["TopicRecord", "topic_record"]


class TopicRecord(NamedTuple):
    """A key, `MODEL|ENTITY`, and a JSON text; None for an entity that is dropped."""

    key: str
    value: str | None


def topic_record(model: str, generation: str, update: Update, *, max_bytes: int) -> TopicRecord:
    """The record of an update. What is longer than `max_bytes` has no coefficients: they are in the bucket.

    The value has model, generation, entity, close_ms, count, base_version, bytes (null, or how many it would have had)
    and coefficients: [name, term, mean, marginal variance] of each, by name and term; null where there are too many.
    """
    key = f"{model}|{update.entity}"
    if isinstance(update, Tombstone):
        return TopicRecord(key, None)
    head = {"model": model, "generation": generation, "entity": update.entity, "close_ms": update.close_ms}
    head |= {"count": update.count, "base_version": update.base_version}
    whole = orjson.dumps(head | {"bytes": None, "coefficients": _coefficients(update)})
    size = len(whole) + len(key.encode())
    if size > max_bytes:
        whole = orjson.dumps(head | {"bytes": size, "coefficients": None})
    return TopicRecord(key, whole.decode())


def _coefficients(update: EntityCoefficients) -> list[tuple[Any, ...]]:
    variance = GaussianPosterior(update.mean, update.precision).marginal_variance()
    numbers = zip(update.names, update.mean.tolist(), variance.tolist(), strict=True)
    return sorted((name, term, mean, of_mean) for (name, term), mean, of_mean in numbers)
