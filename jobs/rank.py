"""`lambda-learner rank`: rank candidates by the published coefficients, as JSON in and out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from config.load import load
from lambda_learner.publish.keys import generation_key
from lambda_learner.serve.ranker import Ranker


def rank(  # noqa: PLR0913 - one parameter an option
    config: Annotated[Path, typer.Option(help="The YAML configuration file.")],
    model: Annotated[str, typer.Option(help="The model's name.")],
    items: Annotated[str, typer.Option(help="The candidates: a JSON array, or - for standard input.")] = "-",
    *,
    context: Annotated[str, typer.Option(help="The context of the decision, as JSON.")] = "null",
    explore: Annotated[bool, typer.Option(help="Draw from the posterior (Thompson sampling), or use its mean.")] = True,
    seed: Annotated[int | None, typer.Option(min=0, help="Make the draw repeatable.")] = None,
) -> None:
    """Print the candidates best first, a JSON line each: {"item": …, "score": …}."""
    candidates = _json("--items", typer.get_text_stream("stdin").read() if items == "-" else items)
    if not isinstance(candidates, list) or not candidates:
        message = f"must be a JSON array of at least one candidate, got {json.dumps(candidates)[:200]}"
        raise typer.BadParameter(message, param_hint="--items")
    settings = load(config)
    try:
        generation_key(model)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--model") from error
    learner = settings.model_for(model).learner
    ranker = Ranker(settings.bucket.models, model, alpha=learner.exploration, rng=np.random.default_rng(seed))
    for ranked in ranker.rank(candidates, _json("--context", context), explore=explore):
        typer.echo(json.dumps(ranked._asdict()))


def _json(option: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        message = f"must be JSON ({error}), got {text[:200]!r}"
        raise typer.BadParameter(message, param_hint=option) from error
