"""`lambda-learner simulate`: writes a log of real ratings or of synthetic traffic, and the truth about it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated, Final, NamedTuple

import numpy as np
import orjson
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn

from config.durations import duration_ms
from jobs.event_files import FilesInTheWayError, Sink, clear_folder, write_files
from jobs.live import write_live
from lambda_learner.events.ksuid import EPOCH_S
from lambda_learner.simulate import movielens, synthetic
from lambda_learner.simulate.lines import MS, Line
from lambda_learner.simulate.movielens import DataSetError
from lambda_learner.simulate.traffic import Traffic
from lambda_learner.simulate.truth import Rules, Truth
from operators.clock import wall_clock_ms

__all__ = ["Dataset", "simulate"]

DEFAULT_START: Final = "2024-01-01T00:00:00Z"
DEFAULT_DECISIONS: Final = 10_000
_QUIET_S: Final = 1.0  # shorter work shows no progress
_LOOK_EVERY: Final = 5_000  # lines between two looks at the clock


class Dataset(StrEnum):
    """What can be simulated."""

    movielens = "movielens"
    synthetic = "synthetic"


def simulate(  # noqa: PLR0913  # one parameter an option
    *,
    dataset: Annotated[Dataset, typer.Option(help="MovieLens-100K ratings, or synthetic traffic")],
    output: Annotated[Path, typer.Option(help="folder for the event files")] = Path("data/events"),
    decisions: Annotated[
        int | None, typer.Option(min=1, help="how many (default: all ratings; synthetic: 10,000)")
    ] = None,
    models: Annotated[int, typer.Option(min=1)] = 1,
    entities: Annotated[int, typer.Option(min=1)] = 1000,
    reward_delay: Annotated[float, typer.Option(min=0.0, help="mean, in seconds")] = 60.0,
    duplicates: Annotated[float, typer.Option(min=0.0, max=1.0, help="share of lines sent twice")] = 0.0,
    late: Annotated[float, typer.Option(min=0.0, max=1.0, help="share that misses its window")] = 0.0,
    orphans: Annotated[float, typer.Option(min=0.0, max=1.0, help="decisions that never come")] = 0.0,
    bad: Annotated[float, typer.Option(min=0.0, max=1.0, help="bad lines for each decision")] = 0.0,
    clock_ahead: Annotated[float, typer.Option(min=0.0, max=1.0, help="share of fast clocks")] = 0.0,
    after_deadline: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="share of rewards earned after the window")
    ] = 0.002,
    records: Annotated[float, typer.Option(min=0.0, max=1.0, help="training records per decision")] = 0.0,
    rate: Annotated[float, typer.Option(min=0.001, help="lines a second of event time, about")] = 200.0,
    start: Annotated[str | None, typer.Option(help=f"ISO time (default {DEFAULT_START})")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    reward_window: Annotated[str, typer.Option(help="as the job's")] = "10 minutes",
    update_interval: Annotated[str, typer.Option(help="as the job's")] = "10 s",
    out_of_orderness: Annotated[str, typer.Option(help="as the job's")] = "30 s",
    received_at: Annotated[bool, typer.Option(help="stamp each line with its arrival")] = True,
    files: Annotated[int, typer.Option(min=1, help="split the log, in order of arrival")] = 1,
    gzip: Annotated[bool, typer.Option("--gzip", help="compress the files")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="remove older event files first")] = False,
    truth: Annotated[Path | None, typer.Option(help="file for what must come out")] = None,
    live: Annotated[float | None, typer.Option(min=0.001, help="write in real time, so many lines/s")] = None,
    seconds: Annotated[float | None, typer.Option(min=1.0, help="how long to write in real time")] = None,
) -> None:
    """Write events as a client would have sent them, in order of arrival."""
    rules = Rules(
        reward_window_ms=_duration(reward_window, "--reward-window"),
        update_interval_ms=_duration(update_interval, "--update-interval", at_least_ms=1),
        out_of_orderness_ms=_duration(out_of_orderness, "--out-of-orderness"),
        stamped=received_at,
    )
    _refuse_what_does_not_go_together(dataset, live, seconds=seconds, start=start, files=files)
    noise = (duplicates, late, orphans, bad, clock_ahead, records)
    if dataset is Dataset.movielens and (any(noise) or start is not None):
        message = "ratings are written as they are: shares of what goes wrong, and --start, need synthetic"
        raise typer.BadParameter(message, param_hint="--dataset")
    if clock_ahead and not received_at:
        message = "without received_at nobody can tell that a clock is ahead; leave --no-received-at out"
        raise typer.BadParameter(message, param_hint="--clock-ahead")
    traffic = Traffic(
        decisions=decisions or DEFAULT_DECISIONS,
        start_ms=wall_clock_ms() if live else _instant_ms(start or DEFAULT_START),
        models=models,
        entities=entities,
        rate=live or rate,
        reward_delay_s=reward_delay,
        duplicates=duplicates,
        late=late,
        orphans=orphans,
        bad=bad,
        clock_ahead=clock_ahead,
        after_deadline=after_deadline,
        records=records,
        rules=rules,
    )
    sink = Sink(output, stamped=received_at, compressed=gzip)
    order = _Order(dataset, traffic, sink, decisions, files, seed, live is not None, seconds, truth)
    try:
        clear_folder(output, overwrite=overwrite)
        number = _carry_out(order)
    except (DataSetError, FilesInTheWayError, OSError) as error:
        typer.echo(f"simulate: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{number} lines in {output}" + (f", the truth in {truth}" if truth else ""))


class _Order(NamedTuple):
    """What to write; `decisions` None: as many as there are."""

    dataset: Dataset
    traffic: Traffic
    sink: Sink
    decisions: int | None
    files: int
    seed: int
    live: bool
    seconds: float | None
    truth: Path | None


def _carry_out(order: _Order) -> int:
    """Write the log, then the truth; give the number of lines."""
    known, rng = Truth(order.traffic.rules), np.random.default_rng(order.seed)
    if order.live:
        number = _write_live(order.traffic, rng, order.sink, known, seconds=order.seconds)
    else:
        lines, total = _lines(order.dataset, order.traffic, rng, decisions=order.decisions)
        number = write_files(known.watch(_with_progress(lines, total)), order.sink, files=order.files)
    if order.truth is not None:
        order.truth.parent.mkdir(parents=True, exist_ok=True)
        order.truth.write_bytes(orjson.dumps(known.result(), option=orjson.OPT_APPEND_NEWLINE))
    return number


def _lines(
    dataset: Dataset, traffic: Traffic, rng: np.random.Generator, *, decisions: int | None
) -> tuple[Iterator[Line], int]:
    """Give the log and the number of its decisions."""
    if dataset is Dataset.synthetic:
        return synthetic.event_lines(traffic, rng), traffic.decisions
    data = movielens.read(movielens.find_folder())
    total = min(decisions or len(data.ratings), len(data.ratings))
    return movielens.event_lines(data, rng, decisions=total), total


def _write_live(traffic: Traffic, rng: np.random.Generator, sink: Sink, known: Truth, *, seconds: float | None) -> int:
    """Write until the end or the first SIGINT or SIGTERM; the heartbeats are the writer's."""
    lines = synthetic.event_lines(traffic, rng, heartbeat_every_ms=None)
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return write_live(lines, sink, known, stop=stop, seconds=seconds)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _with_progress(lines: Iterable[Line], total: int) -> Iterator[Line]:
    """Pass the lines on; a bar on stderr shows how many decisions have come, once it has taken a second."""
    columns = (SpinnerColumn(), *Progress.get_default_columns())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    task = progress.add_task("writing events", total=total)
    started_s = time.monotonic()
    decisions = 0
    try:
        for number, line in enumerate(lines):
            decisions += line.kind == "decision"
            seen = progress.console.is_terminal and number % _LOOK_EVERY == 0
            if seen and time.monotonic() - started_s > _QUIET_S:
                progress.start()  # starting twice is harmless
                progress.update(task, completed=min(decisions, total))
            yield line
    finally:
        if progress.live.is_started:
            progress.stop()


def _refuse_what_does_not_go_together(
    dataset: Dataset, live: float | None, *, seconds: float | None, start: str | None, files: int
) -> None:
    if live is None:
        if seconds is not None:
            message = "--seconds is for --live RATE"
            raise typer.BadParameter(message)
        return
    if dataset is not Dataset.synthetic:
        message = "only synthetic traffic can be written in real time: --dataset synthetic"
        raise typer.BadParameter(message, param_hint="--live")
    if start is not None or files != 1:
        message = "--live starts now and writes a file a second: leave --start and --files out"
        raise typer.BadParameter(message, param_hint="--live")


def _duration(text: str, option: str, *, at_least_ms: int = 0) -> int:
    accepted = 'must be a duration such as "10 s" or "10 minutes"'
    try:
        duration = duration_ms(text)
    except ValueError as error:
        message = f"{accepted}, got {text!r} ({error})"
        raise typer.BadParameter(message, param_hint=option) from error
    if duration < at_least_ms:
        message = f"{accepted} and more than 0, got {text!r}"
        raise typer.BadParameter(message, param_hint=option)
    return duration


def _instant_ms(text: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"must be an ISO time such as {DEFAULT_START}, got {text!r}"
        raise typer.BadParameter(message, param_hint="--start") from error
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    instant_ms = int(aware.timestamp() * MS)
    if not EPOCH_S * MS <= instant_ms <= wall_clock_ms():
        message = f"must be from 2014-05-13T16:53:20Z (the first KSUID) to now, got {text!r}"
        raise typer.BadParameter(message, param_hint="--start")
    return instant_ms
