"""History from a Gym user: firehose files for the job's file source, and a train bucket as events again.

Replay runs in batch mode, where no order of files or lines matters and nothing is late. What still matters is the
time of arrival, which bounds the clock rule: a line of ours carries it, a firehose line has its file's modification
time, which is that of the copy and so later than all its ids.
"""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import pyarrow as pa

from lambda_learner.archive.reader import ArchiveReader, ReaderSettings
from lambda_learner.events import ksuid
from lambda_learner.publish.store import Store

__all__ = ["Imported", "copy_firehose", "event_lines", "firehose_order", "write_events"]

_FIREHOSE: Final = re.compile(r"-(\d{4}(?:-\d{2}){5})-[^/-]+(?:-[^/-]+)*$")  # <stream>-<n>-YYYY-MM-DD-HH-MM-SS-<uuid>
_GZIP: Final = b"\x1f\x8b"
_GZIP_LEVEL: Final = 3  # a third of the time of the default for a tenth more bytes
_LINES_A_FILE: Final = 100_000  # about 20 MB unpacked: one is read in a second


class Imported(NamedTuple):
    """What was written, and what was left out by its reason."""

    files: tuple[Path, ...]
    decisions: int
    rewards: int
    skipped: Counter[str]


def firehose_order(names: Iterable[str]) -> list[str]:
    """Names of firehose objects, with their folders or without, the oldest first; others come last, by name."""
    return sorted(names, key=lambda name: (_time_of(name), name))


def copy_firehose(store: Store, folder: Path) -> list[Path]:
    """Copy a firehose bucket below a folder, names kept, for the job's file source; gives the files in order.

    The source goes by names: a gzip that isn't called .gz becomes .json.gz, and a hidden name (_ or . first) gets
    `hidden` before it. Idempotent; an empty object is left out.
    """
    copied: list[Path] = []
    for key in firehose_order(info.key for info in store.list("") if info.size):
        found = store.get(key)
        if found is not None:
            suffix = ".json.gz" if found.data.startswith(_GZIP) and not key.endswith(".gz") else ""
            path = folder.joinpath(*(_shown(part) for part in (key + suffix).split("/")))
            _put(path, found.data)
            copied.append(path)
    return copied


def write_events(
    store: Store, model: str, folder: Path, *, settings: ReaderSettings | None = None, lines_a_file: int = _LINES_A_FILE
) -> Imported:
    """Write a model's rows of a train bucket as event files; the same rows give the same files.

    Rows are merged first, so each decision and each reward is one line, however often the bucket has it; rewards
    without their decision are lines too. Memory is that of the reader and of one file.
    """
    reader = ArchiveReader(store, model, settings or ReaderSettings(partial_rows=True))
    counts: Counter[str] = Counter()
    lines = (line for rows in reader for line in event_lines(model, rows, counts))
    files: list[Path] = []
    while block := list(islice(lines, lines_a_file)):
        files.append(folder / f"events-{model}-{len(files):05d}.jsonl.gz")
        _put(files[-1], gzip.compress(b"".join(block), _GZIP_LEVEL, mtime=0))
    decisions, rewards = counts.pop("decisions", 0), counts.pop("rewards", 0)
    return Imported(tuple(files), decisions, rewards, counts + reader.skipped)


def event_lines(model: str, rows: pa.Table, counts: Counter[str] | None = None) -> Iterator[bytes]:
    """The decision and the rewards of each row as lines of the log; counts decisions, rewards and bad_rewards.

    A line arrives at the time of its id, a reward not before its decision: so the reward window holds as it did
    live, and no clock is ahead. A bad reward is one whose own id is no KSUID.
    """
    counts = Counter() if counts is None else counts
    for row in rows.to_pylist():
        decision_id, decision_s = row["decision_id"], ksuid.unix_seconds(row["decision_id"])
        if row["item"] is not None:
            counts["decisions"] += 1
            yield _decision_line(model, row, decision_s * 1000)
        for message_id, value in orjson.loads(row["rewards"]).items():
            if not ksuid.is_valid(message_id):
                counts["bad_rewards"] += 1
                continue
            counts["rewards"] += 1
            received_ms = max(ksuid.unix_seconds(message_id), decision_s) * 1000
            fields = {"message_id": message_id, "model": model, "decision_id": decision_id, "reward": value}
            yield orjson.dumps({**fields, "received_at": received_ms}, option=orjson.OPT_APPEND_NEWLINE)


def _decision_line(model: str, row: dict[str, Any], received_ms: int) -> bytes:
    names = ("item", "context", "sample", "candidates", "model_version", "propensity")
    fields = {name: row[name] for name in names if row[name] is not None}
    if row["runners_up"] is not None:
        fields = _as_version_7(fields, row["runners_up"])
    texts = "".join(f'"{name}":{text},' for name, text in fields.items())
    head = f'{{"message_id":"{row["decision_id"]}","model":"{model}","count":{int(row["count"])},'
    return f'{head}{texts}"received_at":{received_ms}}}\n'.encode()


def _as_version_7(fields: dict[str, str], runners_up: str) -> dict[str, str]:
    """Runners-up are words of version 7 only; wrapped, each value comes out as it is here."""
    wrapped = [{"$value": candidate} for candidate in orjson.loads(runners_up)]
    kept = {name: text for name, text in fields.items() if name not in {"item", "context", "sample"}}
    if "sample" in fields:
        kept["sample"] = _wrapped(fields["sample"])
    others = {"variant": _wrapped(fields["item"]), "givens": _wrapped(fields["context"])}
    return {**kept, **others, "runners_up": orjson.dumps(wrapped).decode()}


def _wrapped(text: str) -> str:
    return f'{{"$value":{text}}}'


def _shown(part: str) -> str:
    return f"hidden{part}" if part.startswith((".", "_")) else part


def _time_of(name: str) -> str:
    match = _FIREHOSE.search(name)
    return match[1] if match else "~"


def _put(path: Path, data: bytes) -> None:
    """Write a file that has its name only when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".{path.name}.part")
    try:
        hidden.write_bytes(data)
        hidden.replace(path)
    finally:
        hidden.unlink(missing_ok=True)
