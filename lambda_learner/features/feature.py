"""A feature by name, term and value: the outside form of everything the trainers learn from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["Feature", "Name", "NameTerm", "Term", "Value"]

Name: TypeAlias = str
Term: TypeAlias = str
Value: TypeAlias = float
NameTerm: TypeAlias = tuple[Name, Term]


@dataclass(slots=True, eq=False)
class Feature:
    """One feature: `name` says of what kind, `term` which one of the kind, `value` how much of it.

    Equal are features of one name and term whose values agree by `math.isclose` (relative 1e-9, so 0.0 equals
    only 0.0). That is no equivalence, so features have no hash. Comparing with something without these three
    attributes raises AttributeError, as in the original (lambda_learner.md §3).

    >>> Feature("genre", "drama", 1.0) == Feature("genre", "drama", 1.0 + 1e-12)
    True
    >>> str(Feature("genre", "drama", 1.0))
    '[name: genre, term: drama, value: 1.0]'
    """

    name: Name
    term: Term
    value: Value

    @property
    def name_term(self) -> NameTerm:
        """The key of the feature in an index map."""
        return self.name, self.term

    def __eq__(self, other: Any) -> bool:
        """Whether name and term are equal and the values close."""
        same = self.name == other.name and self.term == other.term
        return same and math.isclose(self.value, other.value)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        """The feature in brackets."""
        return f"[name: {self.name}, term: {self.term}, value: {self.value}]"
