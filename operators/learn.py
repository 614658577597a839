"""Learn stage: one Bayesian update for each (model, entity) and window; the rule is `lambda_learner/learn/window.py`.

Keyed state (by model F entity): `entity-state`, the versioned binary form of the posterior as text; `open-windows`,
what has come of windows that are not learned yet: the chunks of a model without entities, and in batch mode, where a
key's elements have no order, all. Timers: event time, the close of such a window, and the end of an entity's time to
live, each 1 ms before: what comes of them then is of the publish interval that ends there. Side outputs: counts,
scores, orphans.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import orjson
from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, OutputTag, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor, ValueStateDescriptor

from lambda_learner.join import OrphanRewards
from lambda_learner.learn.many import compile_kernel
from lambda_learner.learn.state import EntityState
from lambda_learner.learn.state_text import decode_state, encode_state
from lambda_learner.learn.window import WindowOutcome, learn_window
from lambda_learner.policy import ModelPolicy, Policies
from lambda_learner.publish.keys import shard_of
from operators.clock import wall_clock_ms
from operators.counts import counts_text_of
from operators.heads import head
from operators.rows import FIELD, ONE_ENTITY, ROW, window_row
from operators.warm_start import WarmStart

_log = logging.getLogger(__name__)

COUNTS = OutputTag("counts", Types.STRING())
SCORES = OutputTag("scores", Types.STRING())
ORPHANS = OutputTag("orphans", Types.STRING())
BATCH_TYPE = Types.ROW([Types.STRING(), Types.STRING()])  # the key, and one text: a row of fields would cost 20 µs more
UPDATE_TYPE = Types.ROW_NAMED(
    ["shard", "entity", "close_ms", "state"], [Types.STRING(), Types.STRING(), Types.LONG(), Types.STRING()]
)
END_OF_INPUT_MS = 2**63 - 1  # the watermark that Flink sends when a bounded input has ended
DROPPED = ""  # the state, and the update, of an entity that was idle too long


class Learn(KeyedProcessFunction):  # type: ignore[misc]
    """Updates the posterior of its key with each window, in order of event time."""

    def __init__(  # noqa: PLR0913 - the last ones are options
        self, policies: Policies, *, warm_start: WarmStart, with_scores: bool, unordered: bool, observed: bool = False
    ) -> None:
        self._policies, self._warm_start = policies, warm_start
        self._with_scores, self._unordered, self._observed = with_scores, unordered, observed

    def open(self, runtime_context: RuntimeContext) -> None:
        """Name the state, and have the machine code of the update ready."""
        seconds = compile_kernel()
        _log.info("the update's machine code was ready after %.2f s", seconds)
        self._state = runtime_context.get_state(ValueStateDescriptor("entity-state", Types.STRING()))
        self._windows = runtime_context.get_map_state(MapStateDescriptor("open-windows", Types.LONG(), Types.STRING()))

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        """Learn an entity's window at once, unless there may be more of it or of an earlier one to come."""
        model, entity, close_text, joined = value.split(FIELD, 3)
        close_ms = int(close_text)
        if entity == ONE_ENTITY or self._unordered:
            before = self._windows.get(close_ms)
            self._windows.put(close_ms, f"{before}{ROW}{joined}" if before else joined)
            ctx.timer_service().register_event_time_timer(close_ms - 1)
            return
        yield from self._learn(model, entity or None, close_ms, joined, ctx)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
        """Either a window is complete and its turn has come, or the entity is idle for long."""
        model, _, entity = ctx.get_current_key().partition(FIELD)
        now_ms = timestamp + 1
        joined = self._windows.get(now_ms)
        if joined is not None:
            self._windows.remove(now_ms)
            known = entity if entity.startswith("[") else None  # else the chunk of rows without an entity
            yield from self._learn(model, known, now_ms, joined, ctx)
            return
        if ctx.timer_service().current_watermark() != END_OF_INPUT_MS:  # at the end no time has passed: nobody is idle
            yield from self._drop_if_idle(model, entity, now_ms)

    def _learn(self, model: str, entity: str | None, close_ms: int, joined: str, ctx: Any) -> Iterator[Any]:
        policy = self._policy(model)
        rows = [window_row(model, text) for text in joined.split(ROW)]
        if entity is None:
            outcome = learn_window(None, rows, entity=None, close_ms=close_ms, policy=policy)
        else:
            yield from self._drop_if_idle(model, entity, close_ms - 1)
            state = self._restore(model, entity, policy)
            outcome = learn_window(state, rows, entity=entity, close_ms=close_ms, policy=policy)
            if outcome.changed and outcome.state is not None:
                text = encode_state(outcome.state)
                self._state.update(text)
                yield update_row(model, entity, policy.shards, close_ms, text)
                if policy.entity_ttl_ms is not None:
                    ctx.timer_service().register_event_time_timer(close_ms + policy.entity_ttl_ms - 1)
        yield from self._side_outputs(model, entity, outcome, close_ms)

    def _restore(self, model: str, entity: str, policy: ModelPolicy) -> EntityState | None:
        """The state of the key; one without any begins from what was published."""
        text = self._state.value()
        if text is None:
            return self._warm_start.state(model, entity, policy)
        return decode_state(text) if text != DROPPED else None

    def _drop_if_idle(self, model: str, entity: str, now_ms: int) -> Iterator[Any]:
        """Forget an entity whose time to live is over by `now_ms`, whether or not its timer has fired yet."""
        policy = self._policy(model)
        if policy.entity_ttl_ms is None:
            return
        state = self._restore(model, entity, policy)
        if state is not None and state.fence_ms + policy.entity_ttl_ms <= now_ms:
            self._state.update(DROPPED)
            yield update_row(model, entity, policy.shards, state.fence_ms + policy.entity_ttl_ms, DROPPED)

    def _policy(self, model: str) -> ModelPolicy:
        policy = self._policies.of(model)
        assert policy is not None, "parse rejects models without a policy"
        return policy

    def _side_outputs(self, model: str, entity: str | None, outcome: WindowOutcome, close_ms: int) -> Iterator[Any]:
        if outcome.counts:
            observed = head(model, close_ms, outcome.counts) if self._observed else ""
            yield COUNTS, f"{observed}{counts_text_of(model, outcome.counts)}"
        if self._with_scores and outcome.scores:
            lines = (orjson.dumps([model, entity, *score]).decode() for score in outcome.scores)
            yield SCORES, "\n".join(lines)
        if outcome.orphans:
            yield ORPHANS, "\n".join(map(orphan_line, outcome.orphans))


def update_row(model: str, entity: str, shards: int, close_ms: int, state: str) -> Row:
    """A new state or DROPPED, for publish: model F shard, entity, close in ms, and close F now F state.

    The close is ahead of the state, in equal lengths, so that of two such texts the newer is the greater.
    """
    text = f"{close_ms:013d}{FIELD}{wall_clock_ms()}{FIELD}{state}"
    return Row(f"{model}{FIELD}{shard_of(entity, shards)}", entity, close_ms, text)


def orphan_line(orphan: OrphanRewards) -> str:
    """Rewards without a decision in their window, as one JSON line."""
    line = {"model": orphan.model, "decision_id": orphan.decision_id, "rewards": dict(orphan.rewards)}
    return orjson.dumps(line).decode()
