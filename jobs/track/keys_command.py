"""`lambda-learner keys`: makes, lists and removes the API keys of the track endpoint, also while it runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import ValidationError

from config.durations import duration_ms
from jobs.track.key_file import editing, read_keys, write_keys
from jobs.track.keys import ApiKey, KeyRing, KeysError, new_key, sha256_of
from operators.clock import wall_clock_ms

__all__ = ["keys"]

keys = typer.Typer(no_args_is_help=True, help="Make, list and remove the API keys of the track endpoint.")
File = Annotated[Path, typer.Option(help="The file of the keys: `track.keys` in the configuration.")]
OPTIONS: Final = {"project": "--project", "requests_per_second": "--rate"}  # by field; any other is of --burst


@keys.command()
def add(
    file: File,
    project: Annotated[str, typer.Option(help="Whose key it is; a project may have several.")],
    *,
    rate: Annotated[float | None, typer.Option(help="Requests a second; without it, any number.")] = None,
    burst: Annotated[int | None, typer.Option(help="Requests at once after a pause; without it, a second's.")] = None,
    expires: Annotated[str | None, typer.Option(help='How long it is valid, such as "90 days".')] = None,
) -> None:
    """Make a key and print it, this once: the file keeps its hash only. A running endpoint takes it within seconds."""
    now, text = datetime.fromtimestamp(wall_clock_ms() // 1000, UTC), new_key()
    try:
        key = ApiKey(
            project=project,
            sha256=sha256_of(text.encode()),
            created_at=now,
            expires_at=None if expires is None else now + _duration(expires),
            requests_per_second=rate,
            burst=burst,
        )
    except ValidationError as error:
        raise _wrong_option(error) from error
    with editing(file):
        kept = read_keys(file).keys if file.exists() else ()
        write_keys(file, KeyRing((*kept, key)))
    typer.echo(f"the key {key.id} of {project} is valid now; it is shown this once:", err=True)
    typer.echo(text)


@keys.command("list")
def list_keys(file: File) -> None:
    """Print the keys of the file: id, project, limit, and when each was made and ends."""
    for key in read_keys(file).keys:
        limit = f"{key.limit.per_second:g}/s, {key.limit.burst} at once" if key.limit else "no limit"
        ends = f"until {key.expires_at:%Y-%m-%dT%H:%M:%SZ}" if key.expires_at else "for ever"
        typer.echo(f"{key.id}\t{key.project}\t{limit}\tsince {key.created_at:%Y-%m-%dT%H:%M:%SZ}\t{ends}")


@keys.command()
def remove(
    name: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `list` shows it.")], file: File
) -> None:
    """Remove a key. A running endpoint refuses it within seconds."""
    with editing(file):
        ring = read_keys(file)
        left = [key for key in ring.keys if key.id != name]
        if len(left) == len(ring.keys):
            message = f"{file}: there is no key {name[:80]!r}: `lambda-learner keys list` shows those there are"
            raise KeysError(message)
        write_keys(file, KeyRing(left))
    typer.echo(f"the key {name} is no longer valid", err=True)


def _duration(text: str) -> timedelta:
    try:
        duration = timedelta(milliseconds=duration_ms(text))
    except ValueError as error:
        message = f'must be a duration such as "90 days", got {text!r}: {error}'
        raise typer.BadParameter(message, param_hint="--expires") from error
    if not duration:
        message = f"must be more than nothing, got {text!r}"
        raise typer.BadParameter(message, param_hint="--expires")
    return duration


def _wrong_option(error: ValidationError) -> typer.BadParameter:
    first = error.errors(include_url=False)[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    got = f", got {first['input']!r}" if field else ": give --rate too"
    return typer.BadParameter(first["msg"] + got, param_hint=OPTIONS.get(field, "--burst"))
