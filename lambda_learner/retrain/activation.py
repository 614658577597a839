"""Putting a base into the bucket and activating it: from when on it counts is decided here (DESIGN §6)."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from lambda_learner.publish.bases import MIN_LEAD_MS, BaseEntry, BaseLog, activate, read_base_log
from lambda_learner.publish.model_keys import base_key
from lambda_learner.publish.store import Store
from lambda_learner.retrain.base import TrainedBase

__all__ = ["activate_base", "lead_ms"]

_SHOWN_DIGITS: Final = 12  # of a file's checksum in its key


def lead_ms(*, reward_window_ms: int, update_interval_ms: int, max_clock_skew_ms: int) -> int:
    """How far ahead of now a base of a live model becomes active.

    A decision is scored when it is read, and its window ends a reward window and an interval later: every base of that
    time must be in the log by then. A decision's id may be the allowed skew ahead of its arrival, and its arrival as
    much ahead of the job's clock.
    """
    return reward_window_ms + update_interval_ms + 2 * max_clock_skew_ms + MIN_LEAD_MS


def activate_base(store: Store, base: TrainedBase, *, now_ms: int, lead_ms: int) -> BaseEntry | None:
    """Put the base's file and append it to the log; its entry, or None if a base of newer decisions is there already.

    Idempotent by version: what was activated once stays as it is, whatever a second training of that version gave.
    now_ms: the time up to which decisions may have been read, the wall clock's for a live stream. lead_ms: see
    `lead_ms`; less would have a restart score rows otherwise than before. ValueError for what is no version.
    """
    base_key(base.model, base.version)  # what is no part of a key is no part of a row either
    while True:
        log = read_base_log(store, base.model)
        held = _held(log, base.version)
        if held is not None or _is_newer(log, base):
            return held
        entry = _entry(base, _put(store, base), log, earliest_ms=now_ms + lead_ms)
        try:
            return _held(activate(store, base.model, entry, now_ms=now_ms, min_lead_ms=lead_ms), base.version)
        except ValueError:
            if read_base_log(store, base.model).etag == log.etag:
                raise  # else another worker came between: its entry says what ours must be


def _is_newer(log: BaseLog, base: TrainedBase) -> bool:
    """Whether the log's last base was trained on newer decisions."""
    return bool(log.entries) and log.entries[-1].trained_through_ms > base.trained_through_ms


def _entry(base: TrainedBase, key: str, log: BaseLog, *, earliest_ms: int) -> BaseEntry:
    """The base's entry: active as early as can be."""
    after_last = log.entries[-1].active_from_ms + 1 if log.entries else 0
    active_from_ms = max(earliest_ms, base.trained_through_ms + 1, after_last)
    return BaseEntry(base.version, key, base.kind, active_from_ms, base.trained_through_ms, *base.calibration)


def _put(store: Store, base: TrainedBase) -> str:
    """The key of the base's file, which is of its content: another training of the same version leaves it alone."""
    if not base.model_file:
        return ""
    key = base_key(base.model, f"{base.version[:100]}-{sha256(base.model_file).hexdigest()[:_SHOWN_DIGITS]}")
    store.put(key, base.model_file)
    return key


def _held(log: BaseLog, version: str) -> BaseEntry | None:
    return next((entry for entry in log.entries if entry.version == version), None)
