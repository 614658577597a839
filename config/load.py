"""Reads a configuration file into `Settings`, or says all that is wrong with it."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config.accepted import hint_for, kinds_at, path_in_file, what_is_accepted
from config.document import Document, read_document
from config.problems import ConfigError, KeyPath, Problem, shown
from config.sections import AT_KEY
from config.settings import Settings

__all__ = ["ConfigError", "load"]

_NO_SUCH_KIND = ("union_tag_invalid", "union_tag_not_found")  # the second where the kind is no text


def load(path: str | Path) -> Settings:
    """The settings in a YAML file. Raises ConfigError, which lists every problem with its line."""
    document = read_document(path)
    try:
        return Settings.model_validate(document.values)
    except ValidationError as error:
        problems = [_problem(details, document) for details in error.errors(include_url=False)]
        raise ConfigError(document.file, problems) from error


def _problem(details: ErrorDetails, document: Document) -> Problem:
    """What pydantic found, in the words of the file: its key, its value, and what would be accepted."""
    path: KeyPath = details["loc"]
    if path and path[-1] == "[key]":
        path = path[:-1]
        what = str(details["ctx"]["error"])
    elif details["type"] == AT_KEY:
        path = (*path, details["ctx"]["key"])
        what = f"got {shown(details['ctx']['value'])}: {details['msg']}"
    elif details["type"] == "extra_forbidden":
        what = f"unknown key{hint_for(path)}"
    elif details["type"] == "missing":
        what = f"must be given; accepted: {what_is_accepted(path)}"
    elif details["type"] in _NO_SUCH_KIND:
        return _wrong_kind(details, document)
    else:
        what = _wrong_value(details, path)
    path = path_in_file(path)
    return Problem(path, what, document.line_of(path))


def _wrong_kind(details: ErrorDetails, document: Document) -> Problem:
    path = (*path_in_file(details["loc"]), "kind")
    what = f"got {shown(details['input']['kind'])}; accepted: {kinds_at(details['loc'])}"
    return Problem(path, what, document.line_of(path))


def _wrong_value(details: ErrorDetails, path: KeyPath) -> str:
    reason = f": {details['ctx']['error']}" if details["type"] == "value_error" else ""
    return f"got {shown(details['input'])}{reason}; accepted: {what_is_accepted(path)}"
