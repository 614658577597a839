r"""Features of a decision: every scalar under the configured paths, as (name, term) → value.

    number                    (path, "", value)
    boolean                   (path, "", 0 or 1)
    string                    (path, string, 1)
    list of strings           (path, string, 1) for each of its distinct strings
    list of anything else     its elements, at path.0, path.1, … (nulls beside strings do not count)
    object                    its members, at path.key
    missing or null           nothing
    cross of two paths        (left name × right name, left term × right term, product), for every pair

The name is the path (paths.py). A number's term is empty, so the empty string needs a term of its own: `""`,
two quotes; a string of nothing but quotes gets two more, and all terms differ. A value that changes its type
so gives another feature. Numbers over 1e6 in size, or not finite, are skipped and counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import NoneType
from typing import Any, Final, NamedTuple, TypeAlias

from lambda_learner.features.entity import entity_of
from lambda_learner.features.paths import child, resolve, split_path
from lambda_learner.features.spec import CROSS, FeatureSpec

__all__ = ["MAX_MAGNITUDE", "Feature", "FeatureSpec", "Features", "entity_of", "flatten"]

Feature: TypeAlias = tuple[str, str]  # name, term

MAX_MAGNITUDE: Final = 1e6  # a larger number is an id or a time, and would drown all other features

_NUMBERS: Final = frozenset({float, int, bool})
_TEXT_OR_NULL: Final = frozenset({str, NoneType})


class Features(NamedTuple):
    """Values by (name, term), in the order in which they are found; `skipped` counts the numbers left out."""

    values: Mapping[Feature, float]
    skipped: int


def flatten(item: Any, context: Any, spec: FeatureSpec) -> Features:
    """The features of one candidate or decision; TypeError for a value that JSON does not have."""
    paths, crosses, exclude = spec.plan
    skipped: set[Feature] = set()
    walk = _Walk(exclude, skipped)
    for path, keys in paths:
        walk.visit(path, resolve(item, context, keys))
    for left_path, right_path in crosses:
        left, right = _Walk(exclude, skipped), _Walk(exclude, skipped)
        left.visit(left_path, resolve(item, context, split_path(left_path)))
        right.visit(right_path, resolve(item, context, split_path(right_path)))
        _cross(left.values, right.values, into=walk)
    return Features(walk.values, len(skipped))


@lru_cache(maxsize=65_536)  # an app has a handful of keys; cached, a name also keeps its hash for the look-ups to come
def _number(path: str, key: str) -> Feature:
    """The feature of a number at a key of the object at a path."""
    return child(path, key), ""


class _Walk:
    """Collects the features at and under paths; `skipped` may be shared with other walks."""

    __slots__ = ("_exclude", "_skipped", "values")

    def __init__(self, exclude: frozenset[str], skipped: set[Feature]) -> None:
        self._exclude = exclude
        self._skipped = skipped
        self.values: dict[Feature, float] = {}

    def visit(self, path: str, value: Any) -> None:
        """Take what is at a path, unless the path is left out."""
        if value is None or path in self._exclude:
            return
        if isinstance(value, dict):
            self._visit_object(path, value)
        elif isinstance(value, str):
            self.values[path, _term(value)] = 1.0
        elif isinstance(value, (int, float)):
            self.put((path, ""), value)
        elif isinstance(value, (list, tuple)):
            self._visit_list(path, value)
        else:
            message = f"{path} holds a {type(value).__name__}: only what JSON has can be a feature"
            raise TypeError(message)

    def _visit_object(self, path: str, members: dict[str, Any]) -> None:
        """`visit` each member; what most of them are is taken without a call, which saves a fifth of `flatten`."""
        values, exclude = self.values, self._exclude
        for key, member in members.items():
            feature, kind = _number(path, key), type(member)
            name = feature[0]
            if name in exclude:
                continue
            if kind is str:
                values[name, member if member.strip('"') else _term(member)] = 1.0
            elif kind in _NUMBERS and -MAX_MAGNITUDE <= member <= MAX_MAGNITUDE:
                values[feature] = float(member)
            elif kind is list:
                self._visit_list(name, member)
            else:
                self.visit(name, member)

    def put(self, feature: Feature, value: float) -> None:
        """Take a number, unless it is out of bounds."""
        if abs(value) <= MAX_MAGNITUDE:  # false for NaN
            self.values[feature] = float(value)
        else:
            self._skipped.add(feature)

    def _visit_list(self, path: str, members: list[Any] | tuple[Any, ...]) -> None:
        kinds = set(map(type, members))
        if kinds <= _TEXT_OR_NULL or all(issubclass(kind, (str, NoneType)) for kind in kinds):
            for text in members:
                if text is not None:
                    self.values[path, text if text.strip('"') else _term(text)] = 1.0
        else:
            for index, member in enumerate(members):
                self.visit(f"{path}.{index}", member)


def _cross(left: dict[Feature, float], right: dict[Feature, float], *, into: _Walk) -> None:
    for (left_name, left_term), left_value in left.items():
        for (right_name, right_term), right_value in right.items():
            name = f"{left_name}{CROSS}{right_name}"
            # Escaped, or ("a × b", "c") and ("a", "b × c") would be one term. Names are escaped already.
            term = f"{_escape(left_term)}{CROSS}{_escape(right_term)}"
            into.put((name, term), left_value * right_value)


def _escape(term: str) -> str:
    return term.replace("\\", "\\\\").replace("×", "\\×")


def _term(text: str) -> str:
    return text if text.strip('"') else f'{text}""'
