"""`lambda-learner retrain`: a worker that trains models as requests ask for it, until SIGINT or SIGTERM."""

from __future__ import annotations

import json
import secrets
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from config.load import load
from config.policies import gate_settings, held_out_share, training_for, training_settings
from config.settings import Settings
from jobs.retrain.display import display
from jobs.retrain.errors import ExtraMissing, NoArchive
from lambda_learner.archive.partition import partitions
from lambda_learner.publish.model_keys import checked_model
from lambda_learner.publish.store import open_store
from lambda_learner.retrain.request_record import RetrainRequest
from operators.clock import wall_clock_ms

if TYPE_CHECKING:
    from jobs.retrain.order import BaseOrder, Buckets, Order
    from jobs.retrain.worker import Outcome, Surroundings

__all__ = ["retrain", "surroundings"]

EXTRA = {"xgboost", "xxhash"}  # its packages that are imported
SOME_FAILED = 1  # exit code


def retrain(  # noqa: PLR0913 - one parameter an option
    config: Annotated[Path, typer.Option(help="The YAML configuration file.")],
    *,
    model: Annotated[str | None, typer.Option(help="Work for this model only.")] = None,
    once: Annotated[bool, typer.Option("--once", help="End when no request is left.")] = False,
    now: Annotated[bool, typer.Option("--now", help="Train --model now, whether or not it was asked for.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Publish whatever the gate says.")] = False,
    worker: Annotated[str | None, typer.Option(help="A name that no other worker has; default: made up.")] = None,
) -> None:
    """Claim requests, train, and publish what passes the gate; a JSON line for each request."""
    settings = load(config)
    _check_options(model, now=now, once=once, force=force)
    try:
        from jobs.retrain.worker import Stopped, Worker  # noqa: PLC0415 - XGBoost, which other commands need not have
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        raise ExtraMissing(error.name) from error
    around = surroundings(settings, force=force)
    works = Worker(worker or f"{socket.gethostname()}-{secrets.token_hex(4)}", around)
    outcomes: list[Outcome] = []
    with _stopping(around):
        try:
            if now:
                outcomes = [works.run_new(_manual(around.buckets, str(model)))]
            elif once:
                outcomes = works.run_all(model)
            else:
                typer.echo("retrain: waiting for requests", err=True)
                works.run_for_ever(model)
        except Stopped:
            pass
    if around.stop.is_set():
        typer.echo("retrain: stopped; a request that was not finished is given back", err=True)
    if any(outcome.result is None for outcome in outcomes):
        raise typer.Exit(SOME_FAILED)


def surroundings(settings: Settings, *, force: bool = False) -> Surroundings:
    """What the worker of these settings has around it."""
    from jobs.retrain.order import Buckets, Order  # noqa: PLC0415 - as above
    from jobs.retrain.worker import Surroundings  # noqa: PLC0415

    def order_of(request: RetrainRequest) -> Order:
        name = request.model
        return Order(
            request,
            training_settings(settings, name),
            gate_settings(settings, name),
            held_out_share(settings, name),
            max_clock_skew_ms=settings.stream.max_clock_skew_ms,
            base=_base_order(settings, name),
            with_coreml=bool(training_for(settings, name).coreml),
            force=force,
        )

    return Surroundings(
        Buckets(open_store(settings.bucket.train), open_store(settings.bucket.models)),
        order_of,
        max_runtime_ms=lambda name: training_for(settings, name).max_runtime_ms,
        now_ms=wall_clock_ms,
        display=lambda: display(wall_clock_ms),
        tell=_tell,
    )


def _base_order(settings: Settings, model: str) -> BaseOrder | None:
    """How the base of a model is made; None where the settings want none, or nothing is learned on it."""
    from jobs.retrain.order import BaseOrder  # noqa: PLC0415 - as above
    from lambda_learner.retrain.activation import lead_ms  # noqa: PLC0415

    is_learned = model in settings.models or settings.unknown_models == "learn"
    if training_for(settings, model).base is False or not is_learned:
        return None
    section = settings.model_for(model)
    lead = lead_ms(
        reward_window_ms=section.reward.window_ms,
        update_interval_ms=section.learner.update_interval_ms,
        max_clock_skew_ms=settings.stream.max_clock_skew_ms,
    )
    return BaseOrder(section.learner.kind, section.learner.entity, lead)


def _check_options(model: str | None, *, now: bool, once: bool, force: bool) -> None:
    if model is not None:
        try:
            checked_model(model)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--model") from error
    if now and model is None:
        message = "needs --model NAME, the model to train"
        raise typer.BadParameter(message, param_hint="--now")
    if force and not (now or once):
        message = "is for one training, or those that are asked for now: give --now or --once too"
        raise typer.BadParameter(message, param_hint="--force")


def _manual(buckets: Buckets, model: str) -> RetrainRequest:
    """A request that nobody has made; NoArchive before one is made in vain."""
    if not partitions(buckets.train, model):
        raise NoArchive(model)
    now_ms = wall_clock_ms()
    moment = datetime.fromtimestamp(now_ms / 1000, tz=UTC)
    return RetrainRequest(model, f"manual-{moment:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}", "manual", now_ms)


def _tell(outcome: Outcome) -> None:
    """The outcome as a JSON line on stdout, and in words on stderr."""
    model, request_id, cause, _ = outcome.request
    line = {"model": model, "request_id": request_id, "cause": cause}
    if outcome.result is None:
        typer.echo(f"retrain: {model}: not trained: {outcome.reason}", err=True)
        typer.echo(json.dumps(line | {"stem": None, "reason": outcome.reason}))
        return
    gate, stem = outcome.result["gate"], outcome.result["stem"]
    for warning in outcome.result.get("warnings") or ():
        typer.echo(f"retrain: {model}: warning: {warning}", err=True)
    told = f"published {stem}" if stem else "not published, the latest stays (--force would publish it)"
    forced = ", forced" if gate["forced"] else ""
    typer.echo(f"retrain: {model}: {told}; gate: {gate['outcome']}{forced}: {gate['reason']}", err=True)
    typer.echo(json.dumps(line | dict(outcome.result)))


@contextmanager
def _stopping(around: Surroundings) -> Iterator[None]:
    """SIGINT and SIGTERM stop the worker at its next step, which a tree or a file is."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        around.stop.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
