"""Gives an id to each operator that has none, so that a checkpoint fits the graph at any parallelism.

The operators of SQL have none, and the ids that Flink makes up for them depend on what is chained to what: at another
parallelism the sum of the counts, for one, would look for its state under another id.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Final

from operators.rewind import FIRST_WINDOWS, WINDOWS

__all__ = ["identify", "uid_of"]

# The operators of the first windows, by kind.
OF_FIRST_WINDOWS: Final = Counter({
    "DataStreamToTable": 1, "WatermarkAssigner": 1, "Calc": 3, "WindowAggregate": 2, "TableToDataStream": 1
})  # fmt: skip

# What only says which elements go where.
_BETWEEN = ("PartitionTransformation", "SideOutputTransformation", "UnionTransformation")


def identify(env: Any, of_windows: range = range(0), version: int = WINDOWS) -> list[str]:
    """Set the ids, once the graph is whole, and give them; each is the operator's kind and its number in the graph.

    Those of join and batch, whose numbers in Flink are `of_windows`, have ids of their own for each version of the
    windows but the first; those of all others are what they are beside the first.
    """
    others = of_windows if version != FIRST_WINDOWS else range(0)
    seen, seen_of_others = Counter[str](), Counter[str]()
    given = []
    for transformation in _operators(env):
        if transformation.getUid() is None:
            if transformation.getId() in others:
                uid = uid_of(transformation.getName(), seen_of_others, f"windows{version}")
            else:
                uid = uid_of(transformation.getName(), seen)
            given.append(uid)
            transformation.setUid(uid)
        if transformation.getId() == others.stop - 1:
            seen += OF_FIRST_WINDOWS
    return given


def uid_of(name: str, seen: Counter[str], prefix: str = "sql") -> str:
    """The next id for a name such as `Calc[12]`, whose number is of the plan."""
    kind = re.sub(r"\W+", "-", re.sub(r"\[\d+\]", "", name)).strip("-")
    seen[kind] += 1
    return f"{prefix}-{kind}-{seen[kind]}"


def _operators(env: Any) -> list[Any]:
    """All operators in the order in which they were added; not the unions and partitions between them."""
    found = {}
    for root in env._j_stream_execution_environment.getTransformations():
        for each in root.getTransitivePredecessors():
            found[each.getId()] = each
    return [found[key] for key in sorted(found) if found[key].getClass().getSimpleName() not in _BETWEEN]
