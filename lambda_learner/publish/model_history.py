"""The log of what was made a model's latest: it says what ought to be live, and the objects follow it."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from lambda_learner.publish.document import Document, to_text
from lambda_learner.publish.errors import DamagedObject, PreconditionFailed
from lambda_learner.publish.model_keys import history_key
from lambda_learner.publish.store import Store

__all__ = ["Activation", "DamagedHistory", "History", "append", "read_history"]

FORMAT_VERSION: Final = 1
MAX_ACTIVATIONS: Final = 1_000  # kept, about 150 kB: half a year of trainings every four hours
Action = Literal["publish", "rollback"]
_ACTIONS: Final[dict[str, Action]] = {"publish": "publish", "rollback": "rollback"}


class DamagedHistory(DamagedObject):
    """A model's history cannot be read back."""

    remedy = "restore it from a copy, or delete it: the models themselves are not part of it"


class Activation(NamedTuple):
    """An archived model, by its stem, that was made the latest, when, and why."""

    stem: str
    action: Action
    at_ms: int
    reason: str = ""


class History(NamedTuple):
    """All activations, oldest first, and the etag that a compare-and-set over them expects."""

    activations: tuple[Activation, ...]
    etag: str | None


def read_history(store: Store, model: str) -> History:
    """Give a model's history; an empty one if nothing was published."""
    key = history_key(model)
    found = store.get(key)
    if found is None:
        return History((), None)
    document = Document.parse(found.data, key, DamagedHistory, format_version=FORMAT_VERSION)
    entries = tuple(
        Activation(
            entry.text("stem"),
            _ACTIONS[entry.text("action", among=tuple(_ACTIONS))],
            entry.integer("at_ms", minimum=0),
            entry.text("reason"),
        )
        for entry in document.children("activations")
    )
    return History(entries, found.etag)


def append(store: Store, model: str, activation: Activation) -> History:
    """Log an activation; the one that is the last already is not logged again."""
    while True:
        history = read_history(store, model)
        if history.activations and history.activations[-1].stem == activation.stem:
            return history
        activations = (*history.activations, activation)[-MAX_ACTIVATIONS:]
        fields = {"activations": [entry._asdict() for entry in activations]}
        try:
            text = to_text(fields, format_version=FORMAT_VERSION)
            return History(activations, store.put_if(history_key(model), text, history.etag))
        except PreconditionFailed:
            continue
