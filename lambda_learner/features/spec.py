"""Which values become features: paths, paths left out, and crosses of paths."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from lambda_learner.features.paths import join_path, split_path

__all__ = ["CROSS", "FeatureSpec", "Plan"]

CROSS: Final = " × "  # joins the names, and the terms, of a cross

# `item.genre × context.hour`, or with a plain x between spaces; `\\×` and `\\ x ` belong to a key.
_CROSS_SIGN: Final = re.compile(r"\s*(?<!\\)×\s*|(?<!\\)\s+x\s+")
_SIDES: Final = 2


class Plan(NamedTuple):
    """A spec worked out: canonical paths to walk, each with its keys, none of them left out."""

    paths: tuple[tuple[str, tuple[str, ...]], ...]
    crosses: tuple[tuple[str, str], ...]
    exclude: frozenset[str]


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    r"""The configured paths (`item`, `context.device.os`), those left out, and the pairs to cross.

    A path stands for every scalar at or under it; `\` before a `.`, `\` or `×` makes it part of a key. ValueError
    for a path that is none.
    """

    paths: tuple[str, ...] = ("item",)
    exclude: tuple[str, ...] = ()
    crosses: tuple[tuple[str, str], ...] = ()
    plan: Plan = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work the plan out once; `flatten` goes by it for each decision."""
        object.__setattr__(self, "plan", _worked_out(self))

    @classmethod
    def parse(cls, features: Sequence[str], entity_paths: Sequence[str] = ()) -> FeatureSpec:
        """The spec of configured texts, each a path or a cross; the entity's own paths are left out.

        ValueError for what is neither.
        """
        paths: list[str] = []
        crosses: list[tuple[str, str]] = []
        for text in features:
            sides = [_canonical(side) for side in _CROSS_SIGN.split(text.strip())]
            if len(sides) == 1:
                paths.append(sides[0])
            elif len(sides) == _SIDES:
                crosses.append((sides[0], sides[1]))
            else:
                message = f"a cross has two paths (item.genre × context.hour), got {text!r}"
                raise ValueError(message)
        return cls(tuple(paths), tuple(_canonical(path) for path in entity_paths), tuple(crosses))


def _worked_out(spec: FeatureSpec) -> Plan:
    exclude = frozenset(_canonical(path) for path in spec.exclude)
    pairs = [(_canonical(left), _canonical(right)) for left, right in spec.crosses]
    return Plan(
        tuple((path, split_path(path)) for path in map(_canonical, spec.paths) if not _is_under(path, exclude)),
        tuple(pair for pair in pairs if not any(_is_under(path, exclude) for path in pair)),
        exclude,
    )


def _canonical(path: str) -> str:
    return join_path(split_path(path))


def _is_under(path: str, exclude: frozenset[str]) -> bool:
    keys = split_path(path)
    return any(join_path(keys[: length + 1]) in exclude for length in range(len(keys)))
