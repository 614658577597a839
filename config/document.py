"""A YAML file as plain values, with the line of each key; faults of the text itself become problems."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from config.problems import ConfigError, KeyPath, Problem, dotted

__all__ = ["Document", "read_document"]

_MAX_TEXT_BYTES = 1_000_000  # a configuration is some kilobytes: more is another file


class Document(NamedTuple):
    """The values of a file and the line (from 1) on which each key path stands."""

    file: str
    values: dict[str, object]
    lines: dict[KeyPath, int]

    def line_of(self, path: KeyPath) -> int | None:
        """Line of the key, or of the nearest key above it that is in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


def read_document(path: str | Path) -> Document:
    """The mapping that a YAML file holds. Raises ConfigError for a file that cannot be read as one."""
    file = str(path)
    node, loader = _parse(file, _text_of(file))
    try:
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(file, [Problem((), "the file must hold a mapping, lines of `key: value`", 1)])
        walk = _Walk()
        walk.visit(node, ())
        if walk.problems:
            raise ConfigError(file, walk.problems)
        return Document(file, _construct(file, loader, node), walk.lines)
    finally:
        loader.dispose()


def _text_of(file: str) -> str:
    try:
        data = Path(file).read_bytes()
    except FileNotFoundError as error:
        what = "there is no such file; `config/example.yaml` in the package shows every key"
        raise ConfigError(file, [Problem((), what)]) from error
    except OSError as error:
        raise ConfigError(file, [Problem((), f"cannot be read: {error.strerror}")]) from error
    if len(data) > _MAX_TEXT_BYTES:
        what = f"{len(data):,} bytes is no configuration; at most {_MAX_TEXT_BYTES:,}"
        raise ConfigError(file, [Problem((), what)])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(file, [Problem((), "not UTF-8 text", line)]) from error


def _parse(file: str, text: str) -> tuple[yaml.Node, _TextKeysLoader]:
    try:
        loader = _TextKeysLoader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise ConfigError(file, [_syntax_problem(error)]) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        what = f"the character U+{error.character:04X} may not stand in YAML"
        raise ConfigError(file, [Problem((), what, line)]) from error
    except RecursionError as error:
        raise ConfigError(file, [Problem((), "nested too deeply")]) from error
    if node is None or node.tag == "tag:yaml.org,2002:null":
        what = "the file is empty; `config/example.yaml` in the package shows every key"
        raise ConfigError(file, [Problem((), what)])
    return node, loader


def _syntax_problem(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    text = ", ".join(part for part in (error.context, error.problem) if part)
    if mark is None:
        return Problem((), f"not YAML: {text}")
    return Problem((), f"not YAML: {text} (column {mark.column + 1})", mark.line + 1)


class _Walk:
    """Notes the line of each key, and the keys that stand twice in one mapping or are no plain text."""

    def __init__(self) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self._seen: set[int] = set()

    def visit(self, node: yaml.Node, path: KeyPath) -> None:
        # Once a node: what an alias repeats keeps the line of the key that repeats it, and nested aliases,
        # which can stand for billions of values, cost nothing.
        if id(node) in self._seen:
            return
        self._seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.lines[(*path, index)] = item.start_mark.line + 1
                self.visit(item, (*path, index))
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if self._note(key, path):
                    self.visit(value, (*path, key.value))

    def _note(self, key: yaml.Node, path: KeyPath) -> bool:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            self.problems.append(Problem(path, "a key must be plain text", line))
            return False
        here = (*path, key.value)
        if here in self.lines:
            what = f"stands twice in {dotted(path) or 'the file'}, first on line {self.lines[here]}"
            self.problems.append(Problem(here, what, line))
            return False
        self.lines[here] = line
        return True


def _construct(file: str, loader: _TextKeysLoader, node: yaml.Node) -> dict[str, object]:
    try:
        values: dict[str, object] = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(file, [_syntax_problem(error)]) from error
    except (ValueError, RecursionError) as error:  # 2024-13-45 reads as a date, and there is none such
        raise ConfigError(file, [Problem((), f"a value cannot be read: {error}")]) from error
    return values


class _TextKeysLoader(yaml.SafeLoader):
    """Reads every key as the text it is: a model may be called `no` or `2024`, which YAML reads otherwise."""


def _construct_mapping(loader: _TextKeysLoader, node: yaml.MappingNode) -> Iterator[object]:
    values: dict[str, object] = {}
    yield values
    loader.flatten_mapping(node)
    for key, value in node.value:
        values[key.value] = loader.construct_object(value, deep=True)


_TextKeysLoader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
# YAML 1.1 reads 1e-3, without a point, as text.
_TextKeysLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)
