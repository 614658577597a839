"""The Gym's `training` section: read and checked here, for all models and again within one."""

from __future__ import annotations

import difflib
from typing import Annotated

from pydantic import Field, field_validator

from config.kinds import AtLeastOne, RateMs, Text, TickMs, VolumeGb
from config.sections import Section

__all__ = ["HYPERPARAMETERS", "Training"]

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


class Training(Section):
    """When and with what a model is retrained; what is None is not said here.

    A model's own section goes over the general one key by key, its hyperparameters one by one.
    """

    schedule_ms: RateMs | None = None
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
        return {} if value is None else value
