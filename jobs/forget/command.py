"""`lambda-learner forget`: a person or item leaves the job's state, the coefficients and the archive."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from config.load import load
from config.settings import Settings
from jobs.forget.steps import Forgotten, Order, carry_out
from lambda_learner.events.forgets import entity_values
from lambda_learner.features.entity import entity_key
from lambda_learner.publish.model_keys import checked_model
from operators.clock import wall_clock_ms

__all__ = ["forget"]


def forget(
    config: Annotated[Path, typer.Option(help="The YAML configuration file.")],
    model: Annotated[str, typer.Option(help="The model's name.")],
    entity: Annotated[
        str,
        typer.Option(
            help="Whom to forget: the value at the entity path, as JSON or as it is (u7, 7; '\"7\"' is a text); "
            "for several paths a JSON array."
        ),
    ],
) -> None:
    """Take an entity out of state, coefficients and archive, with a record of it; prints one JSON line.

    A running job drops it a minute or two later, one that does not run when it goes on. What was decided up to a
    minute from now counts no more; what comes later begins anew.
    """
    settings = load(config)
    values = _values(settings, model, entity)
    order = Order(model, values, wall_clock_ms(), os.urandom(16))
    done = carry_out(settings, order, sleep=time.sleep, say=_say)
    for text in _notes(done):
        _say(text)
    typer.echo(json.dumps(done.as_fields()))


def _values(settings: Settings, model: str, text: str) -> list[Any]:
    """The values of the entity; BadParameter where the model has none such."""
    try:
        checked_model(model)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--model") from error
    if settings.unknown_models == "reject" and model not in settings.models:
        message = f"must be one that the configuration names, got {model!r}"
        raise typer.BadParameter(message, param_hint="--model")
    values, paths = entity_values(_json_or_text(text)), settings.model_for(model).learner.entity
    if not paths:
        message = f"model {model!r} has no entities (learner.entity is not set): there is nobody to forget"
        raise typer.BadParameter(message, param_hint="--entity")
    if len(values) != len(paths) or entity_key(values) is None:
        message = f"must be a text, number or boolean for each entity path ({', '.join(paths)}), got {text[:200]!r}"
        raise typer.BadParameter(message, param_hint="--entity")
    return values


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _notes(done: Forgotten) -> list[str]:
    """What the user should know besides."""
    notes = []
    if not done.shards and not done.record.rows_removed:
        notes.append(
            f"nothing of {done.entity} was found in the buckets: is that the entity? "
            "a number and a text are two (--entity 7, --entity '\"7\"')"
        )
    if done.told is not None:
        notes.append(f"the job is told by {done.told}: it forgets within {done.within_ms / 1000:g} s of reading it")
    if done.record.unexamined:
        notes.append(f"files that nobody can read may hold rows still: {', '.join(done.record.unexamined)}")
    return notes


def _say(text: str) -> None:
    typer.echo(text, err=True)
