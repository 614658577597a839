"""Decisions of protocol 7 in the words of version 8: variant is the item, givens the context.

The original takes them as version 8 and stores null items. Here a line with a variant and no item is
version 7. Primitives come wrapped as {"$value": x}, null as {}; what is not wrapped is taken as it is.
"""

from __future__ import annotations

from typing import Any

from lambda_learner.events.bad_record import BadRecord, show
from lambda_learner.events.fields import Fields

__all__ = ["is_version_7", "translate"]


def is_version_7(fields: Fields) -> bool:
    """Whether a decision is version 7."""
    return "variant" in fields and "item" not in fields


def translate(fields: Fields, count: int) -> tuple[Fields, list[Any]]:
    """The fields under their names of version 8, and the runners-up, unwrapped.

    The sample was drawn from the `count - 1 - len(runners_up)` candidates that are neither.
    """
    translated = {**fields, "item": _unwrap(fields["variant"]), "context": _unwrap(fields.get("givens"))}
    if "sample" in fields:
        translated["sample"] = _unwrap(fields["sample"])
    return translated, _runners_up(fields.get("runners_up"), count)


def _runners_up(value: object, count: int) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list) or not 0 < len(value) < count:
        rule = f"must be a list of 1 to count - 1 = {count - 1} candidates, or not be there"
        raise BadRecord(reason="bad_runners_up", field="runners_up", value=show(value), rule=rule)
    return [_unwrap(candidate) for candidate in value]


def _unwrap(value: object) -> object:
    if not isinstance(value, dict) or len(value) > 1:
        return value
    return value.get("$value", value) if value else None
