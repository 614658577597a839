"""What is wrong with a configuration: every problem at once, each with its place and what is accepted.

ValueError
└── ConfigError     raised by `config.load`; .file, .problems
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["ConfigError", "KeyPath", "Problem", "dotted", "shown"]

KeyPath = tuple[str | int, ...]


class Problem(NamedTuple):
    """One thing to correct: the path of its key, what is wrong there, and the line (from 1) if known."""

    path: KeyPath
    what: str
    line: int | None = None

    def __str__(self) -> str:
        """`line 12: models.movies.learner: …`, without the parts that are not known."""
        place = f"line {self.line}: " if self.line else ""
        key = f"{dotted(self.path)}: " if self.path else ""
        return f"{place}{key}{self.what}"


class ConfigError(ValueError):
    """A configuration that cannot be used; the message lists every problem found in it."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        """Takes the file's name and at least one problem; they are listed in the order of the file."""
        self.file = file
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line or 0))
        many = f"{len(self.problems)} problems" if len(self.problems) > 1 else "1 problem"
        super().__init__("\n  ".join([f"{file}: {many}", *map(str, self.problems)]))


def dotted(path: KeyPath) -> str:
    """The path as people write it: models.movies.learner.features[0], models."my.model".reward."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = re.fullmatch(r"[\w\-]+", part)
            text += ("." if text else "") + (part if plain else f'"{part}"')
    return text


def shown(value: object) -> str:
    """A wrong value as a message shows it: short, whatever it holds, without user and password of an address."""
    return _SHORT.repr(_CREDENTIALS.sub("://…@", value) if isinstance(value, str) else value)


_CREDENTIALS = re.compile("://.*@", re.DOTALL)
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80  # characters
_SHORT.maxlevel = 2
