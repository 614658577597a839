"""The OpenAPI document of the endpoint, as its settings make it: `openapi.yaml`, fitted."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

import orjson
import yaml

from jobs.track import answers
from jobs.track.app import Page
from jobs.track.rules import Rules
from lambda_learner import __version__

__all__ = ["document", "page"]

_FILE: Final = "openapi.yaml"
_WITH_KEYS_ONLY: Final = ("401", "429")
_KEY_IS_OPTIONAL: Final[list[dict[str, list[str]]]] = [{}, {"apiKey": []}]


def document(rules: Rules, *, keys: bool) -> dict[str, Any]:
    """What an endpoint with these rules takes and answers; `keys`: it asks for API keys."""
    text = files(__package__).joinpath(_FILE).read_text(encoding="utf-8")
    text = text.replace("VERSION", __version__).replace("MAX_MESSAGE_BYTES", str(rules.max_message_bytes))
    fitted: dict[str, Any] = yaml.safe_load(text)
    if rules.acceptance == "original":
        schemas = fitted["components"]["schemas"]
        schemas["Event"] = {"$ref": "#/components/schemas/EventOfTheOriginal"}
    if not keys:
        for path in fitted["paths"].values():
            _make_key_optional(path.get("post", {}))
    return fitted


def _make_key_optional(operation: dict[str, Any]) -> None:
    if operation:
        operation["security"] = _KEY_IS_OPTIONAL
        for status in _WITH_KEYS_ONLY:
            operation["responses"].pop(status, None)


def page(rules: Rules, *, keys: bool) -> Page:
    """The page that shows the document; it is made once."""
    answer = answers.page(orjson.dumps(document(rules, keys=keys)), "application/json")
    return lambda: answer
