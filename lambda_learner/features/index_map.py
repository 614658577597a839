"""Which column a (name, term) pair has: the bridge from named features to vectors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from lambda_learner.features.feature import Feature, Name, NameTerm, Term
from lambda_learner.features.record import TrainingRecord
from lambda_learner.functions import flatten

__all__ = ["INDEX_MAP_REPR_SEPARATOR", "IndexMap"]

INDEX_MAP_REPR_SEPARATOR: Final = "; "


class IndexMap:
    """A bijection between (name, term) pairs and 0 … n-1; the intercept is always there, at 0.

    Not thread safe.

    >>> index_map = IndexMap()
    >>> index_map.batch_push([("genre", "drama"), ("genre", "horror"), ("genre", "drama")])
    (2, 2)
    >>> index_map.get_index(("genre", "horror")), index_map.get_nt(1)
    (2, ('genre', 'drama'))
    >>> index_map
    [('intercept', 'intercept'):0; ('genre', 'drama'):1; ('genre', 'horror'):2]
    """

    def __init__(self, intercept_name: Name = "intercept", intercept_term: Term = "intercept") -> None:
        self._name_terms: list[NameTerm] = [(intercept_name, intercept_term)]
        self._indices: dict[NameTerm, int] = {self._name_terms[0]: 0}

    @staticmethod
    def from_records_means_and_variances(
        training_records: Sequence[TrainingRecord],
        coefficient_mean: Sequence[Feature],
        coefficient_vars: Sequence[Feature],
    ) -> tuple[IndexMap, dict[str, int]]:
        """The map over the means' names, then the variances', then the records', and how they overlap.

        The counts are `num_nts_in_both`, `num_nts_in_records_only` and `num_nts_in_coeffs_only`. The intercept
        is never new, so a record that names it raises the first and lowers the last by one (lambda_learner.md
        §3).
        """
        index_map = IndexMap()
        in_coefficients, _ = index_map.batch_push(c.name_term for c in (*coefficient_mean, *coefficient_vars))
        new_in_records, in_records = index_map.batch_push(flatten(r.name_terms for r in training_records))
        in_both = in_records - new_in_records
        return index_map, {
            "num_nts_in_both": in_both,
            "num_nts_in_records_only": new_in_records,
            "num_nts_in_coeffs_only": in_coefficients - in_both,
        }

    @property
    def intercept_nt(self) -> NameTerm:
        """The (name, term) of the intercept."""
        return self._name_terms[0]

    @property
    def intercept_index(self) -> int:
        """The index of the intercept: 0."""
        return 0

    def push(self, name_term: NameTerm) -> None:
        """Give the pair the next index, unless it has one."""
        if name_term not in self._indices:
            self._indices[name_term] = len(self._name_terms)
            self._name_terms.append(name_term)

    def batch_push(self, name_terms: Iterable[NameTerm]) -> tuple[int, int]:
        """Push all; returns how many were new, and how many distinct pairs were offered, new or not."""
        before, offered = len(self), dict.fromkeys(name_terms)
        for name_term in offered:
            self.push(name_term)
        return len(self) - before, len(offered)

    def get_nt(self, index: int) -> NameTerm:
        """The pair at an index; IndexError if there is none, and for negative indices."""
        if not 0 <= index < len(self):
            message = f"index must be 0 to {len(self) - 1}, got {index}"
            raise IndexError(message)
        return self._name_terms[index]

    def get_index(self, name_term: NameTerm) -> int:
        """The index of a pair; IndexError if it was never pushed."""
        index = self._indices.get(name_term)
        if index is None:
            message = f"{name_term} is not in the index map: push it first"
            raise IndexError(message)
        return index

    def __len__(self) -> int:
        """How many pairs have an index, the intercept's included."""
        return len(self._name_terms)

    def __repr__(self) -> str:
        """The pairs in order of their indices."""
        pairs = (f"{name_term}:{index}" for index, name_term in enumerate(self._name_terms))
        return f"[{INDEX_MAP_REPR_SEPARATOR.join(pairs)}]"
