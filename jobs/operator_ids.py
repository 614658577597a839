"""Gives an id to each operator that has none, so that a checkpoint fits the graph at any parallelism.

The operators of SQL have none, and the ids that Flink makes up for them depend on what is chained to what: at another
parallelism the sum of the counts, for one, would look for its state under another id.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

__all__ = ["identify", "uid_of"]

# What only says which elements go where.
_BETWEEN = ("PartitionTransformation", "SideOutputTransformation", "UnionTransformation")


def identify(env: Any) -> list[str]:
    """Set the ids, once the graph is whole, and give them; each is the operator's kind and its number in the graph."""
    seen: Counter[str] = Counter()
    given = []
    for transformation in _operators(env):
        if transformation.getUid() is None:
            given.append(uid_of(transformation.getName(), seen))
            transformation.setUid(given[-1])
    return given


def uid_of(name: str, seen: Counter[str]) -> str:
    """The next id for a name such as `Calc[12]`, whose number is of the plan."""
    kind = re.sub(r"\W+", "-", re.sub(r"\[\d+\]", "", name)).strip("-")
    seen[kind] += 1
    return f"sql-{kind}-{seen[kind]}"


def _operators(env: Any) -> list[Any]:
    """All operators in the order in which they were added; not the unions and partitions between them."""
    found = {}
    for root in env._j_stream_execution_environment.getTransformations():
        for each in root.getTransitivePredecessors():
            found[each.getId()] = each
    return [found[key] for key in sorted(found) if found[key].getClass().getSimpleName() not in _BETWEEN]
