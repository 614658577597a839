"""Where the objects of the batch layer lie in the bucket: models, their history, bases and retrain requests."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import Final

from lambda_learner.publish.keys import is_model

__all__ = [
    "COREML_EXTENSION",
    "EXTENSIONS",
    "MODEL_EXTENSION",
    "RECORD_EXTENSION",
    "archive_folder",
    "archive_key",
    "archive_stem",
    "base_key",
    "base_log_key",
    "checked_model",
    "history_key",
    "latest_key",
    "request_key",
    "requests_prefix",
    "stem_and_extension",
]

MODEL_EXTENSION: Final = ".xgb.gz"
COREML_EXTENSION: Final = ".mlmodel.gz"
EXTENSIONS: Final = (MODEL_EXTENSION, COREML_EXTENSION)  # what clients load, as their URLs end
RECORD_EXTENSION: Final = ".json"
_REQUEST: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_\-]{0,127}")
_STEM: Final = re.compile(r"(?P<model>.+)-\d{4}(-\d{2}){5}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAMESPACE: Final = uuid.UUID("7b0c7a56-9a3c-5d0e-8f57-3c1d3d0a6c11")  # of the uuids made of (model, request id)


def latest_key(model: str, extension: str) -> str:
    """Give the key that clients load a model from."""
    return f"models/latest/{checked_model(model)}{_extension(extension)}"


def archive_folder(model: str) -> str:
    """Give the prefix of a model's archived objects, with its closing slash."""
    return f"models/archive/{checked_model(model)}/"


def archive_key(model: str, stem: str, extension: str) -> str:
    """Give the key of one of an archived model's objects."""
    return f"{archive_folder(model)}{stem}{extension}"


def archive_stem(model: str, time_ms: int, request_id: str) -> str:
    """Give the name of an archived model without extension: a function of the model, the second and the request."""
    moment = datetime.fromtimestamp(time_ms // 1000, tz=UTC)
    unique = uuid.uuid5(_NAMESPACE, f"{checked_model(model)}/{_request(request_id)}")
    return f"{model}-{moment:%Y-%m-%d-%H-%M-%S}-{unique}"


def stem_and_extension(model: str, key: str) -> tuple[str, str] | None:
    """Give the stem and extension of an archived model's key; None for any other key."""
    name = key.removeprefix(archive_folder(model))
    for extension in (*EXTENSIONS, RECORD_EXTENSION):
        stem = name.removesuffix(extension)
        match = _STEM.fullmatch(stem)
        if stem != name and match is not None and match["model"] == model:
            return stem, extension
    return None


def history_key(model: str) -> str:
    """Give the key of the log of what was made a model's latest."""
    return f"models/history/{checked_model(model)}.json"


def base_log_key(model: str) -> str:
    """Give the key of a model's base activation log."""
    return f"models/base/{checked_model(model)}/log.json"


def base_key(model: str, version: str) -> str:
    """Give the key of the base of that version."""
    return f"models/base/{checked_model(model)}/{_request(version)}{MODEL_EXTENSION}"


def request_key(state: str, model: str, request_id: str) -> str:
    """Give the key of a retrain request among those that are `open` or `finished`."""
    return f"{requests_prefix(state, model)}{_request(request_id)}.json"


def requests_prefix(state: str, model: str | None = None) -> str:
    """Give the prefix of the `open` or `finished` requests, of one model or of all."""
    return f"retrain/{state}/" if model is None else f"retrain/{state}/{checked_model(model)}/"


def checked_model(model: str) -> str:
    """Give the model's name back; ValueError if it cannot be one."""
    if not is_model(model):
        message = (
            f"model must be 1–64 ASCII letters, digits, '_', '-' or '.', the first a letter or digit, got {model!r}"
        )
        raise ValueError(message)
    return model


def _extension(extension: str) -> str:
    if extension not in EXTENSIONS:
        message = f"extension must be one of {', '.join(EXTENSIONS)}, got {extension!r}"
        raise ValueError(message)
    return extension


def _request(request_id: str) -> str:
    if not _REQUEST.fullmatch(request_id):
        message = f"a request id must be 1–128 ASCII letters, digits, '_' or '-', got {request_id!r}"
        raise ValueError(message)
    return request_id
