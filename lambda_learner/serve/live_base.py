"""The base that a model is ranked with: chosen by time from the activation log, its file loaded when it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lambda_learner.learn.losses import Kind
from lambda_learner.publish.bases import READ_AHEAD_MS, BaseEntry, BaseLog, read_base_log
from lambda_learner.publish.errors import BucketError
from lambda_learner.publish.store import Store

if TYPE_CHECKING:
    from lambda_learner.retrain.offset_model import OffsetModel

__all__ = ["LiveBase", "NoBooster"]


class NoBooster(BucketError):
    """A base is active, and XGBoost is not installed."""

    def __init__(self, model: str, missing: str) -> None:
        """Name the model and the package that is missing."""
        super().__init__(
            f"model {model!r} has an active base, which needs {missing}: pip install 'lambda-learner-flink[train]'"
        )


class LiveBase:
    """The active base of one model. Not thread-safe: its caller holds a lock."""

    def __init__(self, store: Store, model: str, *, now_ms: Callable[[], int]) -> None:
        """Name the model; nothing is read yet. `now_ms` gives the wall clock's time."""
        self._store, self._model, self._now_ms = store, model, now_ms
        self._log = BaseLog()
        self._read_ms: int | None = None  # the log is complete for READ_AHEAD_MS from then on
        self._loaded: OffsetModel | None = None

    def current(self, kind: Kind) -> OffsetModel | None:
        """The base that is active now, None if none is; the log is read once a minute.

        BucketError if the log or a base's file cannot be read; the next call tries again.
        """
        now_ms = self._now_ms()
        if self._read_ms is None or not 0 <= now_ms - self._read_ms < READ_AHEAD_MS:  # a clock may be set back
            self._log = read_base_log(self._store, self._model)
            self._read_ms = now_ms
        entry = self._log.of_kind(kind).active_at(now_ms)
        if entry is None:
            return None
        if self._loaded is None or self._loaded.entry != entry:
            self._loaded = self._load(entry)
        return self._loaded

    def _load(self, entry: BaseEntry) -> OffsetModel:
        try:
            from lambda_learner.retrain.offset_model import load_offset_model  # noqa: PLC0415 - XGBoost takes a second
        except ModuleNotFoundError as error:
            raise NoBooster(self._model, str(error.name)) from error
        return load_offset_model(self._store, entry)
