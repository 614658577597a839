"""Which base scores which rows: a model's activation log, append-only, by compare-and-set (DESIGN §6).

A base is the batch layer's model as the speed layer uses it: its calibrated score is the offset that an entity's
coefficients add to. A row uses the newest base that is active by the end of its window and was trained on nothing as
late as its decision. Both are event times, so that a replay uses the same bases, and no base scores rows that trained
it. An entry is written ahead of its time: who has read the log a moment ago knows all that will count in that moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from lambda_learner.learn.losses import Kind
from lambda_learner.publish.document import Document, to_text
from lambda_learner.publish.errors import DamagedObject, PreconditionFailed
from lambda_learner.publish.model_keys import base_log_key
from lambda_learner.publish.store import Store

__all__ = ["MIN_LEAD_MS", "READ_AHEAD_MS", "BaseEntry", "BaseLog", "DamagedBaseLog", "activate", "read_base_log"]

FORMAT_VERSION: Final = 1
MIN_LEAD_MS: Final = 300_000  # from the writer's now to active_from
# So far ahead of its reading a log is complete. The rest of the lead is for a writer that was held up between looking
# at its clock and writing, and for clocks that differ.
READ_AHEAD_MS: Final = 60_000
_KINDS: Final[dict[str, Kind]] = {"logistic": "logistic", "linear": "linear"}


class DamagedBaseLog(DamagedObject):
    """A model's activation log cannot be read back."""

    remedy = "restore it from a copy: without it a replay would not use the bases that the rows were learned with"


class BaseEntry(NamedTuple):
    """A base and the event times that say where it counts.

    `key` is that of its object; empty for the constant base, whose score is 0. Its offset is intercept + slope · score:
    log-odds (logistic) or the reward (linear). No decision later than `trained_through_ms` has trained it, nor has any
    calibrated it.
    """

    version: str
    key: str
    kind: Kind
    active_from_ms: int
    trained_through_ms: int
    intercept: float
    slope: float


class BaseLog(NamedTuple):
    """The entries of a log, oldest first, and the etag that a compare-and-set over it expects."""

    entries: tuple[BaseEntry, ...] = ()
    etag: str | None = None

    def of_kind(self, kind: Kind) -> BaseLog:
        """The log without the bases of another kind, whose offsets would be in another unit."""
        return self._replace(entries=tuple(entry for entry in self.entries if entry.kind == kind))

    def base_for(self, window_end_ms: int, decision_ms: int) -> BaseEntry | None:
        """The newest base with active_from ≤ the window's end and trained_through < the decision's time, or None."""
        return _first(
            entry
            for entry in reversed(self.entries)
            if entry.active_from_ms <= window_end_ms and entry.trained_through_ms < decision_ms
        )

    def active_at(self, time_ms: int) -> BaseEntry | None:
        """The newest active base: a reader ranks with it, and an entity's posterior goes by its version."""
        return _first(entry for entry in reversed(self.entries) if entry.active_from_ms <= time_ms)


def read_base_log(store: Store, model: str) -> BaseLog:
    """Give a model's activation log; it is complete for windows that end until READ_AHEAD_MS after the reading."""
    key = base_log_key(model)
    found = store.get(key)
    if found is None:
        return BaseLog()
    document = Document.parse(found.data, key, DamagedBaseLog, format_version=FORMAT_VERSION)
    return BaseLog(tuple(map(_entry, document.children("entries"))), found.etag)


def activate(store: Store, model: str, entry: BaseEntry, *, now_ms: int, min_lead_ms: int = MIN_LEAD_MS) -> BaseLog:
    """Append a base to the log; a version that is there already stays as it is.

    now_ms: the time up to which windows may have been learned, the wall clock's for a live stream. ValueError unless
    active_from is at least `min_lead_ms` after it, after the last entry's and after trained_through, and
    trained_through is not before the last entry's.
    """
    while True:
        log = read_base_log(store, model)
        if any(held.version == entry.version for held in log.entries):
            return log
        _check(entry, log, earliest_ms=now_ms + min_lead_ms)
        entries = (*log.entries, entry)
        text = to_text({"entries": [held._asdict() for held in entries]}, format_version=FORMAT_VERSION)
        try:
            return BaseLog(entries, store.put_if(base_log_key(model), text, log.etag))
        except PreconditionFailed:
            continue


def _check(entry: BaseEntry, log: BaseLog, *, earliest_ms: int) -> None:
    """Refuse an entry that would change which base a row has already been scored with."""
    active_from, trained_through = [earliest_ms, entry.trained_through_ms + 1], [-1]
    if log.entries:
        active_from.append(log.entries[-1].active_from_ms + 1)
        trained_through.append(log.entries[-1].trained_through_ms)
    for name, value, least in (
        ("active_from_ms", entry.active_from_ms, max(active_from)),
        ("trained_through_ms", entry.trained_through_ms, max(trained_through)),
    ):
        if value < least:
            advice = "activate it later, or train on newer decisions"
            message = f"{name} must be ≥ {least}, got {value} (base {entry.version!r}): {advice}"
            raise ValueError(message)


def _entry(fields: Document) -> BaseEntry:
    return BaseEntry(
        fields.text("version"),
        fields.text("key"),
        _KINDS[fields.text("kind", among=tuple(_KINDS))],
        fields.integer("active_from_ms", minimum=0),
        fields.integer("trained_through_ms", minimum=-1),
        fields.number("intercept"),
        fields.number("slope"),
    )


def _first(entries: Iterable[BaseEntry]) -> BaseEntry | None:
    return next(iter(entries), None)
