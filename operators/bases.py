"""The offsets of decisions: scored in the process that parses, many at once, by the bases of the models bucket.

State: none. Which base scores a decision is a function of the activation log alone (`lambda_learner/publish/bases.py`),
and an offset one of the base's file and the decision, so lines that are read again get the same again. A base of a live
model is activated so far ahead that a log read in the minute of a decision's arrival, or later, has all that its window
will ask for (`lambda_learner/retrain/activation.py`): it is read again once a minute of arrivals, and not at all for
history. A model without bases costs that look and nothing for its lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableSequence, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lambda_learner.events.schema import Decision, Event, Record
from lambda_learner.learn.base_change import NO_BASE
from lambda_learner.policy import Policies
from lambda_learner.publish.bases import BaseEntry, BaseLog, read_base_log
from lambda_learner.publish.errors import BucketError
from lambda_learner.publish.store import Store, open_store
from operators.clock import wall_clock_ms
from operators.parse import Parsed
from operators.rows import close_ms_of, with_base

if TYPE_CHECKING:
    from lambda_learner.retrain.offset_model import OffsetModel

__all__ = ["Bases", "UnusableBase", "open_bases"]

RECORD: Final = -1  # in place of a decision's time: a record has an offset of its own
NO_BASES: Final = BaseLog()
MAX_LOADED: Final = 8  # models in memory, of some MB each; history passes over one after the other


class UnusableBase(RuntimeError):
    """A base that rows must be scored with cannot be read; without it they would be learned otherwise."""


class _Read(NamedTuple):
    """A model's log and the wall clock's time before it was read."""

    log: BaseLog
    at_ms: int


class _Together(NamedTuple):
    """Rows that one base scores (None: none does), and the version that their entities are learned under."""

    base: BaseEntry | None
    active: str
    places: list[int]
    items: list[Any]
    contexts: list[Any]


class Bases:
    """Adds offsets to the rows of decisions, and to those of records the version of the base of their time."""

    def __init__(self, store: Store, policies: Policies, *, clock_ms: Callable[[], int] = wall_clock_ms) -> None:
        self._store, self._policies, self._clock_ms = store, policies, clock_ms
        self._logs: dict[str, _Read] = {}
        self._loaded: dict[BaseEntry, OffsetModel] = {}  # the last used at the end

    def add_to(self, parsed: Parsed) -> None:
        """Add them to the rows. UnusableBase when the log or a base's file cannot be read."""
        try:
            logs = dict(self._logs_of(parsed))
            if logs:
                self._add(parsed.rows, parsed.events, logs)
        except BucketError as error:  # as a RuntimeError it comes whole through the pipe of the process
            message = f"the base of a model cannot be used: {error}"
            raise UnusableBase(message) from error

    def _logs_of(self, parsed: Parsed) -> Iterator[tuple[str, BaseLog]]:
        """The logs of the models with decisions or records among the lines, but not those without a base."""
        newest: dict[str, int] = {}
        for minute_ms, model, name in parsed.counts:
            if name in ("decisions", "records"):
                newest[model] = max(minute_ms, newest.get(model, minute_ms))
        for model, minute_ms in newest.items():
            log = self._log(model, minute_ms)
            if log.entries:
                yield model, log

    def _log(self, model: str, minute_ms: int) -> BaseLog:
        policy = self._policies.of(model)
        if policy is None or not policy.learned:
            return BaseLog()
        held = self._logs.get(model)
        if held is None or held.at_ms < minute_ms:
            now_ms = self._clock_ms()
            held = _Read(read_base_log(self._store, model).of_kind(policy.learner.kind), now_ms)
            self._logs[model] = held
        return held.log

    def _add(self, rows: MutableSequence[str], events: Sequence[Event], logs: Mapping[str, BaseLog]) -> None:
        for base, active, places, items, contexts in _by_base(rows, events, logs):
            if active == NO_BASE:
                continue
            offsets = [0.0] * len(places) if base is None else self._model(base).offsets(items, contexts).tolist()
            for place, offset in zip(places, offsets, strict=True):
                rows[place] = with_base(rows[place], offset, active)

    def _model(self, base: BaseEntry) -> OffsetModel:
        from lambda_learner.retrain.offset_model import load_offset_model  # noqa: PLC0415 - XGBoost, which bases need

        loaded = self._loaded.pop(base, None) or load_offset_model(self._store, base)
        self._loaded[base] = loaded
        if len(self._loaded) > MAX_LOADED:
            del self._loaded[next(iter(self._loaded))]
        return loaded


def open_bases(bucket: str | None, policies: Policies) -> Bases | None:
    """The bases of a models bucket; None without one."""
    return None if bucket is None else Bases(open_store(bucket), policies)


def _by_base(rows: Sequence[str], events: Sequence[Event], logs: Mapping[str, BaseLog]) -> Iterable[_Together]:
    """The decisions and records by what scores them."""
    groups: dict[tuple[BaseEntry | None, str], _Together] = {}
    chosen: dict[tuple[str, int, int], _Together] = {}  # a chunk has few times: the log is asked once for each
    for place, event in enumerate(events):
        if isinstance(event, Decision):
            decision_ms, item, context = event.decision_ms, event.item, event.context
        elif isinstance(event, Record):
            decision_ms, item, context = RECORD, None, None
        else:
            continue
        model, close_ms = event.model, close_ms_of(rows[place])
        group = chosen.get((model, close_ms, decision_ms))
        if group is None:
            which = _which(logs.get(model, NO_BASES), close_ms, decision_ms)
            group = chosen[model, close_ms, decision_ms] = groups.setdefault(which, _Together(*which, [], [], []))
        group.places.append(place)
        group.items.append(item)
        group.contexts.append(context)
    return groups.values()


def _which(log: BaseLog, close_ms: int, decision_ms: int) -> tuple[BaseEntry | None, str]:
    """The base that scores a decision, None for a record; and the version that its entity's posterior goes by."""
    active = log.active_at(close_ms)
    base = None if decision_ms == RECORD else log.base_for(close_ms, decision_ms)
    return base, active.version if active else NO_BASE
