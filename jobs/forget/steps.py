"""The steps by which an entity is forgotten, in an order that a crash may cut short: the same command goes on.

First it is noted in the train bucket who is forgotten, and up to when. A run that begins from then on learns and
archives nothing of that, and one that runs, LOOK_MS later, archives nothing of it. Then the job is told: it drops the
state, and publishes that, when event time has come so far. Then the entity leaves the coefficients that are published;
and at last the archive, with the record of it, when the job has had the time to see what was noted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from config.settings import Settings
from jobs.forget.coefficients import erase
from jobs.forget.log import refuse_unfinished, tell_the_job
from lambda_learner.archive.forget import forget
from lambda_learner.archive.forget_record import ForgetRecord, record_key
from lambda_learner.archive.forgotten import add_forgotten
from lambda_learner.events import ksuid
from lambda_learner.events.forgets import FORGET_DELAY_MS, forget_line, until_ms_of
from lambda_learner.features.entity import entity_key
from lambda_learner.publish.store import open_store
from operators.forgotten import LOOK_MS

__all__ = ["Forgotten", "Order", "carry_out"]

SETTLE_SECONDS: Final = LOOK_MS / 1000 + 5  # the job may just be writing what it read before it looked


@dataclass(frozen=True, slots=True)
class Order:
    """Whom to forget: a model's entity of these values, one for each of its entity paths; `random`: 16 bytes."""

    model: str
    values: Sequence[Any]
    now_ms: int
    random: bytes

    @property
    def message_id(self) -> str:
        """The id of the line, which says when."""
        return ksuid.encode(self.now_ms // 1000, self.random)

    @property
    def entity(self) -> str:
        """The entity's key."""
        key = entity_key(self.values)
        assert key is not None, "the command refuses values that make no entity"
        return key


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was done; `told` is where the job's line is, None for an input that ends. The job needs `within_ms`."""

    entity: str
    until_ms: int
    told: str | None
    within_ms: int
    shards: int
    record: ForgetRecord

    def as_fields(self) -> dict[str, Any]:
        """As JSON has it."""
        archive = {name: getattr(self.record, name) for name in ("rows_removed", "files_rewritten", "files_deleted")}
        return {
            "model": self.record.model,
            "entity": self.entity,
            "until_ms": self.until_ms,
            "told": self.told,
            "shards_rewritten": self.shards,
            "archive": archive | {"unexamined": self.record.unexamined},
            "record": record_key(self.record.model, self.entity),
        }


def carry_out(
    settings: Settings, order: Order, *, sleep: Callable[[float], None], say: Callable[[str], None]
) -> Forgotten:
    """Forget an entity; ForgetError or BucketError where a step fails, and then the same again goes on."""
    refuse_unfinished(settings)
    models, train = open_store(settings.bucket.models), open_store(settings.bucket.train)
    entity, until_ms = order.entity, until_ms_of(order.message_id)
    add_forgotten(train, order.model, entity, until_ms)
    line = forget_line(order.message_id, order.model, order.values, received_ms=order.now_ms)
    told = tell_the_job(settings, line, order.message_id)
    shards = erase(models, order.model, entity)
    say(f"coefficients: {shards} shards were written anew without {entity}")
    if told is not None and settings.stream.archive:
        say(f"archive: waiting {SETTLE_SECONDS:g} s, until a running job archives nothing more of {entity}")
        sleep(SETTLE_SECONDS)
    paths = settings.model_for(order.model).learner.entity
    record = forget(train, order.model, entity, paths, now_ms=order.now_ms)
    within_ms = FORGET_DELAY_MS + settings.stream.out_of_orderness_ms + settings.stream.publish_interval_ms
    return Forgotten(entity, until_ms, told, within_ms, shards, record)
