"""Training records: the Lambda Learner name-term-value form, a kind of line of our own."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from lambda_learner.events.bad_record import BadRecord, show
from lambda_learner.events.fields import Fields, canonical_json, missing
from lambda_learner.events.schema import Record
from lambda_learner.features.entity import entity_key

__all__ = ["training_record"]

_Feature: TypeAlias = tuple[str, str, float]

_FEATURES: Final = 'a list of {"name", "term", "value"}'


def training_record(fields: Fields, *, model: str, record_ms: int, arrival_ms: int) -> Record:
    """The training record of a line of that type; its id and model are checked already."""
    entity, values = _entity(fields.get("entity"))
    label = _number(fields, "label")
    weight = _number(fields, "weight", default=1.0)
    offset = _number(fields, "offset", default=0.0)
    if weight < 0:
        raise _bad(field="weight", value=weight, rule="must be ≥ 0")
    features = _features(fields)
    message_id: str = fields["message_id"]
    payload = {
        "entity": values,
        "features": [{"name": name, "term": term, "value": value} for name, term, value in features],
        "label": label,
        "message_id": message_id,
        "model": model,
        "offset": offset,
        "type": "record",
        "weight": weight,
    }
    text, event_ms = canonical_json(payload), min(record_ms, arrival_ms)
    return Record(message_id, model, entity, label, weight, offset, features, arrival_ms, event_ms, text)


def _entity(value: Any) -> tuple[str | None, list[Any] | None]:
    """The key of the entity that a decision with these values has, and the values."""
    if value is None:
        return None, None
    values = value if isinstance(value, list) else [value]
    key = entity_key(values) if values else None
    if key is None:
        raise _bad(field="entity", value=value, rule="must be a text, a number, a boolean, or a list of those")
    return key, values


def _features(fields: Fields) -> tuple[_Feature, ...]:
    values = fields.get("features")
    if not isinstance(values, list):
        if "features" not in fields:
            raise missing(field="features", accepted=_FEATURES)
        raise _bad(field="features", value=values, rule=f"must be {_FEATURES}")
    return tuple(_feature(value, f"features[{index}]") for index, value in enumerate(values))


def _feature(value: Any, place: str) -> _Feature:
    if not isinstance(value, dict):
        raise _bad(field=place, value=value, rule='must be an object {"name", "term", "value"}')
    name, term, number = value.get("name"), value.get("term"), value.get("value")
    if term is None:
        term = ""
    if not isinstance(name, str):
        raise _bad(field=f"{place}.name", value=name, rule="must be a text")
    if not isinstance(term, str):
        raise _bad(field=f"{place}.term", value=term, rule="must be a text")
    if not isinstance(number, (int, float)):
        raise _bad(field=f"{place}.value", value=number, rule="must be a number")
    return name, term, float(number)


def _number(fields: Fields, name: str, *, default: float | None = None) -> float:
    value = fields.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, (int, float)):
        if name not in fields:
            raise missing(field=name, accepted="a number")
        raise _bad(field=name, value=value, rule="must be a number")
    return float(value)


def _bad(*, field: str, value: object, rule: str) -> BadRecord:
    return BadRecord(reason="bad_record", field=field, value=show(value), rule=rule)
