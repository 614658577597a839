"""Learn stage: one Bayesian update for each (model, entity) and window; the rule is `lambda_learner/learn/window.py`.

Keyed state (by model F entity): `entity-state`, as `operators/kept.py` has it; `open-windows`, what has come of windows
that are not learned yet: the chunks of a model without entities, and in batch mode, where a key's elements have no
order, all. A run that gives scores keeps what `operators/served.py` says too. A window that is not newer than the last
of its key is one that is read again (`operators/rewind.py`): it does nothing. Timers: event time, the close of a window
in `open-windows`, and the end of an entity's time to live, each 1 ms before: what comes of them then is of the publish
interval that ends there. Side outputs: counts, scores, orphans.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, OutputTag, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor, ValueStateDescriptor

from lambda_learner.archive.forgotten import NOBODY, Forgotten
from lambda_learner.join import OrphanRewards
from lambda_learner.learn.many import compile_kernel
from lambda_learner.learn.served import Readers
from lambda_learner.learn.state import EntityState
from lambda_learner.learn.state_text import encode_state
from lambda_learner.learn.window import WindowOutcome, learn_window
from lambda_learner.policy import ModelPolicy, Policies
from lambda_learner.publish.keys import shard_of
from operators.clock import wall_clock_ms
from operators.counts import counts_text_of
from operators.heads import head
from operators.kept import Held
from operators.rows import FIELD, ONE_ENTITY, ROW, window_row
from operators.served import NO_STATE, Served
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
DROPPED = NO_STATE  # the state, and the update, of an entity that was idle too long, or is forgotten
ERASED = "-"  # before the entity in the update of one that is forgotten: an update of its own, which no newer one hides


class Learn(KeyedProcessFunction):  # type: ignore[misc]
    """Updates the posterior of its key with each window, in order of event time.

    `scored_for` are the readers whose scores are given beside those of learn time; None: no scores are given.
    """

    def __init__(  # noqa: PLR0913 - the last ones are options
        self,
        policies: Policies,
        *,
        warm_start: WarmStart,
        scored_for: Readers | None,
        unordered: bool,
        observed: bool = False,
        forgotten: Forgotten = NOBODY,
    ) -> None:
        self._policies, self._warm_start, self._forgotten = policies, warm_start, forgotten
        self._scored_for, self._unordered, self._observed = scored_for, unordered, observed
        self._served: Served | None = None

    def open(self, runtime_context: RuntimeContext) -> None:
        """Name the state, and have the machine code of the update ready."""
        seconds = compile_kernel()
        _log.info("the update's machine code was ready after %.2f s", seconds)
        self._state = runtime_context.get_state(ValueStateDescriptor("entity-state", Types.STRING()))
        self._windows = runtime_context.get_map_state(MapStateDescriptor("open-windows", Types.LONG(), Types.STRING()))
        if self._scored_for is not None:
            self._served = Served(self._scored_for, runtime_context)

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
        if entity is not None:
            yield from self._drop_if_idle(model, entity, close_ms - 1)
        held = self._restore(model, entity, policy)
        if held.has_passed(close_ms):
            return
        rows = [window_row(model, text) for text in joined.split(ROW)]
        outcome = learn_window(
            held.state, rows, entity=entity, close_ms=close_ms, policy=policy, forgotten_ms=held.forgotten_ms
        )
        if entity is not None and outcome.forgets:
            yield self._forget(model, entity, outcome, close_ms)
            held = Held(None, outcome.forgotten_ms, close_ms)
        if entity is not None and outcome.changed and outcome.state is not None:
            yield from self._publish(model, entity, outcome, held.state, close_ms)
            if policy.entity_ttl_ms is not None:
                ctx.timer_service().register_event_time_timer(close_ms + policy.entity_ttl_ms - 1)
        elif not held.is_published:
            text = encode_state(held.state) if held.state is not None else DROPPED
            self._state.update(Held(held.state, outcome.forgotten_ms, close_ms).text(text))
        yield from self._side_outputs(model, outcome, close_ms)

    def _restore(self, model: str, entity: str | None, policy: ModelPolicy) -> Held:
        """What is held of the key; an entity without any state begins from what was published."""
        held = Held.of(self._state.value())
        if entity is None:
            return held
        forgotten_ms = max(self._forgotten.until_ms(model, entity), held.forgotten_ms)
        state = held.state if held.fence_ms else self._warm_start.state(model, entity, policy)
        return Held(state, forgotten_ms, held.fence_ms)

    def _publish(
        self, model: str, entity: str, outcome: WindowOutcome, before: EntityState | None, close_ms: int
    ) -> Iterator[Any]:
        """Keep what was learned; the scores that came before it, and the update."""
        assert outcome.state is not None, "something was learned"
        policy = self._policy(model)
        if self._served is not None:
            yield from _score_lines(model, entity, outcome, self._served.scores(outcome, before, policy))
        text = encode_state(outcome.state)
        self._keep(Held(outcome.state, outcome.forgotten_ms, close_ms), text, policy)
        yield update_row(model, entity, policy.shards, close_ms, text)

    def _forget(self, model: str, entity: str, outcome: WindowOutcome, close_ms: int) -> Row:
        """Keep nothing of the entity but that it is forgotten, and what came after; the update that says so."""
        policy = self._policy(model)
        if self._served is not None:
            self._served.forget()
        self._keep(Held(None, outcome.forgotten_ms, close_ms), DROPPED, policy)
        return update_row(model, entity, policy.shards, close_ms, DROPPED, erased=True)

    def _drop_if_idle(self, model: str, entity: str, now_ms: int) -> Iterator[Any]:
        """Forget an entity whose time to live is over by `now_ms`, whether or not its timer has fired yet."""
        policy = self._policy(model)
        if policy.entity_ttl_ms is None:
            return
        state, forgotten_ms, _ = self._restore(model, entity, policy)
        if state is not None and state.fence_ms + policy.entity_ttl_ms <= now_ms:
            close_ms = state.fence_ms + policy.entity_ttl_ms
            self._keep(Held(None, forgotten_ms, close_ms), DROPPED, policy)
            yield update_row(model, entity, policy.shards, close_ms, DROPPED)

    def _keep(self, held: Held, text: str, policy: ModelPolicy) -> None:
        """Keep what is held, the text of whose state is given, for the key and for what readers have."""
        self._state.update(held.text(text))
        if self._served is not None:
            self._served.keep(text, held.fence_ms, policy)

    def _policy(self, model: str) -> ModelPolicy:
        policy = self._policies.of(model)
        assert policy is not None, "parse rejects models without a policy"
        return policy

    def _side_outputs(self, model: str, outcome: WindowOutcome, close_ms: int) -> Iterator[Any]:
        if outcome.counts:
            observed = head(model, close_ms, outcome.counts) if self._observed else ""
            yield COUNTS, f"{observed}{counts_text_of(model, outcome.counts)}"
        if outcome.orphans:
            yield ORPHANS, "\n".join(map(orphan_line, outcome.orphans))


def _score_lines(
    model: str, entity: str, outcome: WindowOutcome, served: Mapping[str, float | None]
) -> Iterator[tuple[OutputTag, str]]:
    """The scores of a window's examples as one text: how each was scored when learned, then when served."""
    lines = (orjson.dumps([model, entity, *score, served[score.decision_id]]).decode() for score in outcome.scores)
    if outcome.scores:
        yield SCORES, "\n".join(lines)


def update_row(  # noqa: PLR0913 - a field each
    model: str, entity: str, shards: int, close_ms: int, state: str, *, erased: bool = False
) -> Row:
    """A new state or DROPPED, for publish: model F shard, entity, close in ms, and close F now F state.

    The close is ahead of the state, in equal lengths, so that of two such texts the newer is the greater.
    """
    text = f"{close_ms:013d}{FIELD}{wall_clock_ms()}{FIELD}{state}"
    return Row(f"{model}{FIELD}{shard_of(entity, shards)}", f"{ERASED if erased else ''}{entity}", close_ms, text)


def orphan_line(orphan: OrphanRewards) -> str:
    """Rewards without a decision in their window, as one JSON line."""
    line = {"model": orphan.model, "decision_id": orphan.decision_id, "rewards": dict(orphan.rewards)}
    return orjson.dumps(line).decode()
