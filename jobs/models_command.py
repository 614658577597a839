"""`lambda-learner models`: what was published of a model, where it comes from, what was refused, and the way back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from config.load import load
from jobs.models_account import ModelAccount, account_of, listed
from lambda_learner.publish.model_keys import checked_model
from lambda_learner.publish.models import NoSuchModel, live_stem, roll_back, stem_before
from lambda_learner.publish.store import Store, open_store
from operators.clock import wall_clock_ms

__all__ = ["models"]

models = typer.Typer(no_args_is_help=True, help="List, show and roll back the models that clients load.")
Config = Annotated[Path, typer.Option(help="The YAML configuration file.")]
Model = Annotated[str, typer.Option(help="The model's name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
MOMENT_S = 1_000_000_000  # less is a span of time
_UNITS = {"ms": 1000, "s": 1}  # the ends of names of times


@models.command("list")
def list_models(
    config: Config,
    model: Model,
    *,
    last: Annotated[int, typer.Option(min=1, help="So many models, and requests that published none.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Print the archived models, newest first, `*` before the live one; then what was asked for and not published."""
    account = _account(config, model, last=last)
    if as_json:
        typer.echo(json.dumps(account.as_fields(), indent=2))
        return
    for line in listed(account):
        typer.echo(line)


@models.command()
def show(
    config: Config,
    model: Model,
    stem: Annotated[str | None, typer.Argument(help="As `list` shows it; default: the live model.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Print where a model comes from: data, rows, code version, settings, seeds, metrics, gate; or a request's end."""
    account = _account(config, model)
    wanted = stem or account.live
    if wanted is None:
        raise NoSuchModel(model, "live model")
    found = account.find(wanted)
    if found is None:
        raise NoSuchModel(model, wanted)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for name, value in _flat(found):
        typer.echo(f"{name:36} {value}")


@models.command()
def rollback(
    config: Config,
    model: Model,
    stem: Annotated[str | None, typer.Argument(help="As `list` shows it; default: the one before.")] = None,
    *,
    reason: Annotated[str, typer.Option(help="Why, for the history.")] = "",
) -> None:
    """Make an archived model the latest again. Running clients take it when they load next."""
    store = _models_bucket(config, model)
    before = live_stem(store, model)
    wanted = stem or stem_before(store, model)
    if wanted is None:
        raise NoSuchModel(model, "older model")
    roll_back(store, model, wanted, at_ms=wall_clock_ms(), reason=reason)
    typer.echo(f"the latest of {model} is {wanted} now, it was {before or 'not archived'}", err=True)


def _models_bucket(config: Path, model: str) -> Store:
    try:
        checked_model(model)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--model") from error
    return open_store(load(config).bucket.models)


def _account(config: Path, model: str, last: int | None = None) -> ModelAccount:
    store = _models_bucket(config, model)
    return account_of(store, open_store(load(config).bucket.train), model, last=last)


def _flat(value: Any, name: str = "") -> list[tuple[str, str]]:
    """The fields of an object by their dotted names; times in words."""
    if isinstance(value, dict) and value:
        return [pair for key, inner in value.items() for pair in _flat(inner, f"{name}.{key}" if name else key)]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [pair for place, inner in enumerate(value) for pair in _flat(inner, f"{name}[{place}]")]
    return [(name, _text(name, value))]


def _text(name: str, value: Any) -> str:
    unit = _UNITS.get(name.rpartition("_")[2])
    if unit is None or not isinstance(value, int) or value < MOMENT_S * unit:
        return "-" if value is None else str(value)
    return f"{datetime.fromtimestamp(value / unit, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"
