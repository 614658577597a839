"""Fields of a decision that no Improve AI client sends; with them policies can be evaluated off policy.

    candidates     all that could be chosen, `count` of them, the item too
    propensity     how likely the item was to be chosen: over 0, at most 1
    model_version  what made the choice: a text of 1 to 256 characters

Null is absent. They are the same in version 7, whose wrapping of primitives they do not have.
"""

from __future__ import annotations

from typing import Any, Final

from lambda_learner.events.bad_record import BadRecord, Reason, show

__all__ = ["MAX_VERSION_CHARACTERS", "OPTIONAL", "check_item", "optional"]

OPTIONAL: Final = ("candidates", "model_version", "propensity")
MAX_VERSION_CHARACTERS: Final = 256  # a generation or an archived model's name takes about 130


def optional(name: str, value: Any, *, count: int) -> Any:
    """The value of an optional field that is there; raises BadRecord. The item is checked by `check_item`."""
    if name == "candidates":
        return _candidates(value, count)
    return _propensity(value) if name == "propensity" else _model_version(value)


def check_item(candidates: list[Any], item: Any) -> None:
    """Raise BadRecord unless the item equals a candidate; 1 equals 1.0, as writers of JSON do not tell them apart.

    To be called for values that are known not to nest too deep to be compared.
    """
    if item not in candidates:
        rule = f"must hold the item {show(item)}"
        raise _bad(reason="bad_candidates", field="candidates", value=candidates, rule=rule)


def _candidates(value: Any, count: int) -> list[Any]:
    if isinstance(value, list) and len(value) == count:
        return value
    rule = f"must be a list of count = {count} candidates, or not be there"
    raise _bad(reason="bad_candidates", field="candidates", value=value, rule=rule)


def _propensity(value: Any) -> float:
    if type(value) in (int, float) and 0 < value <= 1:  # true is no probability
        return value  # type: ignore[no-any-return]
    rule = "must be a number over 0 and at most 1, or not be there"
    raise _bad(reason="bad_propensity", field="propensity", value=value, rule=rule)


def _model_version(value: Any) -> str:
    if isinstance(value, str) and 0 < len(value) <= MAX_VERSION_CHARACTERS:
        return value
    rule = f"must be a text of 1 to {MAX_VERSION_CHARACTERS} characters, or not be there"
    raise _bad(reason="bad_model_version", field="model_version", value=value, rule=rule)


def _bad(*, reason: Reason, field: str, value: object, rule: str) -> BadRecord:
    return BadRecord(reason=reason, field=field, value=show(value), rule=rule)
