"""Models that clients load: archived first, then made the latest; each step is safe to repeat and to be killed in.

    models/archive/{model}/{stem}.xgb.gz         a model that never changes once it is in the history
    models/archive/{model}/{stem}.json           where it comes from: its lineage
    models/history/{model}.json                  what was made the latest, by compare-and-set; written before the next
    models/latest/{model}.xgb.gz                 a copy of what the history says last

An object is put whole or not at all, so what is under `latest` is always a whole model: the one before, or the new one.
A store that serves HTTP must give keys that end in `.gz` the Content-Type `application/gzip` and no Content-Encoding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lambda_learner.publish.model_archive import (
    Archived,
    DamagedArchive,
    Lineage,
    NoSuchModel,
    archived_models,
    is_gzip,
    lineage_key,
    lineage_text,
    read_lineage,
    whole_files,
)
from lambda_learner.publish.model_history import Activation, History, append, read_history
from lambda_learner.publish.model_keys import (
    EXTENSIONS,
    MODEL_EXTENSION,
    archive_key,
    archive_stem,
    latest_key,
    stem_and_extension,
)
from lambda_learner.publish.store import Store, etag_of

__all__ = [
    "Archived",
    "DamagedArchive",
    "Lineage",
    "NoSuchModel",
    "archived_models",
    "live_stem",
    "publish_model",
    "read_lineage",
    "roll_back",
    "stem_before",
]

UUID_LENGTH: Final = 36


def publish_model(  # noqa: PLR0913 - what is published, and where from
    store: Store,
    model: str,
    files: Mapping[str, bytes],
    *,
    request_id: str,
    time_ms: int,
    lineage: Mapping[str, Any],
) -> str:
    """Archive a model and make it the latest; give its stem, a function of model, second and request.

    files: gzip data by extension, `.xgb.gz` among them. A request that has published already publishes nothing more,
    whatever its files: its stem is given, and the latest is put right if it was left behind. ValueError for other
    files, or for data that is no gzip.
    """
    _check_files(files)
    stem = archive_stem(model, time_ms, request_id)
    earlier = [entry.stem for entry in read_history(store, model).activations if _is_of(entry, stem)]
    if earlier:
        _follow(store, model)
        return earlier[0]
    for extension, data in files.items():
        store.put(archive_key(model, stem, extension), data)
    checksums = {extension: etag_of(data) for extension, data in files.items()}
    origin = Lineage(model, stem, request_id, time_ms, checksums, lineage)
    store.put(lineage_key(model, stem), lineage_text(origin))
    append(store, model, Activation(stem, "publish", time_ms))
    _follow(store, model)
    return stem


def roll_back(store: Store, model: str, stem: str, *, at_ms: int, reason: str = "") -> History:
    """Make an archived model the latest again, and log it; a Gym's own archive will do too.

    NoSuchModel if it is not there, DamagedArchive if it is not whole: the latest stays as it is. A file that the
    archived model does not have, such as an `.mlmodel.gz`, stays what it is under `latest`.
    """
    if stem_and_extension(model, archive_key(model, stem, MODEL_EXTENSION)) is None:
        raise NoSuchModel(model, stem)
    whole_files(store, model, stem)
    append(store, model, Activation(stem, "rollback", at_ms, reason))
    return _follow(store, model)


def live_stem(store: Store, model: str) -> str | None:
    """Give the stem of the archived model whose bytes are the latest; None if there is none, or it is not archived."""
    latest = store.get(latest_key(model, MODEL_EXTENSION))
    if latest is None:
        return None
    logged = [entry.stem for entry in reversed(read_history(store, model).activations)]
    listed = [archived.stem for archived in archived_models(store, model)]
    for stem in dict.fromkeys((*logged, *listed)):
        archived = store.get(archive_key(model, stem, MODEL_EXTENSION))
        if archived is not None and archived.data == latest.data:
            return stem
    return None


def stem_before(store: Store, model: str) -> str | None:
    """Give the newest archived model that is older than the live one: what one step back leads to."""
    live = live_stem(store, model)
    older = (archived.stem for archived in archived_models(store, model) if live is not None and archived.stem < live)
    return next(older, None)


def _follow(store: Store, model: str) -> History:
    """Make the latest what the history says last, until that has not changed meanwhile."""
    history = read_history(store, model)
    while True:
        for extension, data in whole_files(store, model, history.activations[-1].stem).items():
            key = latest_key(model, extension)
            held = store.get(key)
            if held is None or held.data != data:
                store.put(key, data)
        again = read_history(store, model)
        if again.activations[-1] == history.activations[-1]:
            return again
        history = again


def _check_files(files: Mapping[str, bytes]) -> None:
    if MODEL_EXTENSION not in files or not set(files) <= set(EXTENSIONS):
        message = f"files must be {MODEL_EXTENSION} and may be {', '.join(EXTENSIONS[1:])}, got {', '.join(files)}"
        raise ValueError(message)
    for extension, data in files.items():
        if not is_gzip(data):
            message = f"the {extension} file must be gzip data, got {len(data)} bytes that begin with {data[:4]!r}"
            raise ValueError(message)


def _is_of(activation: Activation, stem: str) -> bool:
    """Whether an activation is of the same request as a stem: the time may differ, where a worker has died."""
    return activation.action == "publish" and activation.stem[-UUID_LENGTH:] == stem[-UUID_LENGTH:]
