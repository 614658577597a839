"""The Gym's `training` section and ours beside it: for all models, and again within one.

What is None is not said here: a model's own section goes over the general one key by key (`merged`).
"""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Final, Literal, TypeVar

from pydantic import BeforeValidator, Field, InstanceOf, field_validator, model_validator

from config.durations import rate_ms
from config.kinds import AtLeastOne, NonNegative, Positive, Text, TickMs, VolumeGb
from config.sections import Section
from lambda_learner.retrain.schedule import Cron, Every
from lambda_learner.retrain.settings import TrainingSettings, parse_hyperparameters

__all__ = ["HYPERPARAMETERS", "Drift", "Gate", "Training", "merged"]

AnySection = TypeVar("AnySection", bound=Section)

HYPERPARAMETERS = (
    "max_decision_records",
    "max_trees",
    "max_features",
    "max_strings_per_feature",
    "tree_depth",
    "explore",
    "normalize_rewards",
    "binary_rewards",
    "max_checkpoint_age",
)
MIN_INTERVAL_MS: Final = 60_000
_MEMORY: Final = re.compile(r"(\d{1,7}) ?([MG])i?B", re.ASCII)
_UNIT_BYTES: Final = {"M": 1 << 20, "G": 1 << 30}


def _schedule(value: object) -> object:
    if not isinstance(value, str):
        message = "no text"
        raise ValueError(message)
    if not value.startswith("rate("):
        return _cron(value)
    interval_ms = rate_ms(value)
    if interval_ms < MIN_INTERVAL_MS:
        message = "less than a minute"
        raise ValueError(message)
    return Every(interval_ms)


def _cron(text: str) -> Cron:
    try:
        return Cron(text)
    except ValueError as error:  # without what the description says too
        raise ValueError(str(error).rpartition(f"got {text!r}: ")[2]) from error


def _memory(value: object) -> int:
    match = _MEMORY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        message = "not of the form 2 GB"
        raise ValueError(message)
    return int(match[1]) * _UNIT_BYTES[match[2]]


def _no_is_a_word(value: object) -> object:
    return "no" if value is False else value  # as YAML reads it


class Gate(Section):
    """When a new model may take the place of the latest one; the words are those of `GateSettings`."""

    margin: NonNegative | None = None
    margin_share: NonNegative | None = None
    min_effective_size: Positive | None = None
    on_undecided: Annotated[Literal["publish", "keep"], Field(description="publish or keep")] | None = None
    held_out_share: Annotated[float, Field(gt=0, le=0.5, description="a number > 0 and ≤ 0.5, such as 0.1")] | None = (
        None
    )


class Drift(Section):
    """How much the progressive loss must rise to ask for a retraining; the words are those of `DriftSettings`."""

    enabled: Annotated[bool, Field(description="true or false")] | None = None
    allowance: NonNegative | None = None
    threshold: Positive | None = None
    warm_up_records: AtLeastOne | None = None

    @model_validator(mode="before")
    @classmethod
    def _switch(cls, value: object) -> object:
        return {"enabled": value} if isinstance(value, bool) else value


class Training(Section):
    """When and with what a model is retrained."""

    schedule: (
        Annotated[
            InstanceOf[Every] | InstanceOf[Cron],
            BeforeValidator(_schedule),
            Field(
                description="rate(TIME), at least a minute: rate(4 hours), or cron(MINUTE HOUR DAY MONTH WEEKDAY YEAR)"
            ),
        ]
        | None
    ) = None
    new_decisions: AtLeastOne | None = None
    drift: Annotated[Drift, Field(description="true, false or {allowance: NUMBER, threshold: NUMBER}")] = Drift()
    gate: Gate = Gate()
    late_rewards: Annotated[Literal["include", "exclude"], Field(description="include or exclude")] | None = None
    compatible: (
        Annotated[Literal["no", "gym"], BeforeValidator(_no_is_a_word), Field(description="no or gym")] | None
    ) = None
    max_memory_bytes: Annotated[
        Annotated[int, BeforeValidator(_memory), Field(ge=1 << 20, description='memory such as "2 GB" or "512 MB"')]
        | None,
        Field(alias="max_memory"),
    ] = None
    base: Annotated[bool, Field(description="true or false")] | None = None
    coreml: Annotated[bool, Field(description="true or false")] | None = None
    instance_type: Text | None = None
    instance_count: AtLeastOne | None = None
    max_runtime_ms: TickMs | None = None
    volume_size_gb: VolumeGb | None = None
    hyperparameters: Annotated[
        dict[str, bool | int | float | str],
        Field(description="a mapping of " + ", ".join(HYPERPARAMETERS) + " to numbers, texts or true and false"),
    ] = {}

    @field_validator("hyperparameters", mode="before")
    @classmethod
    def _known(cls, value: object) -> object:
        for name, setting in value.items() if isinstance(value, dict) else ():
            if name not in HYPERPARAMETERS:
                close = difflib.get_close_matches(name, HYPERPARAMETERS, n=1)
                hint = f"; did you mean {close[0]}?" if close else ""
                message = f"unknown hyperparameter {name!r}{hint}"
                raise ValueError(message)
            if not isinstance(setting, bool | int | float | str):
                message = f"{name} must be a number, a text, true or false"
                raise ValueError(message)
        if isinstance(value, dict):
            TrainingSettings(**parse_hyperparameters(value))
        return {} if value is None else value


def merged(general: AnySection, own: AnySection) -> AnySection:
    """The general section with what a model's own one says, key by key; so are the sections and mappings in it."""
    said = {}
    for name in type(own).model_fields:
        before, value = getattr(general, name), getattr(own, name)
        if isinstance(value, Section):
            said[name] = merged(before, value)
        elif isinstance(value, dict):
            said[name] = {**before, **value}
        elif value is not None:
            said[name] = value
    return general.model_copy(update=said)
