"""Items and contexts as values by path, as the Gym and its SDKs flatten them.

    member of an object      path.key
    element of a list        path.index
    number, bool, string     a value at the path; true is 1.0, false 0.0
    null, NaN, {} and []     nothing

Nothing is escaped, so that {"a.b": 1} and {"a": {"b": 1}} have one path; the later value stays. The learner's
own features (features/flatten.py) are another form.
"""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = ["Leaf", "leaves"]

Leaf: TypeAlias = float | str


def leaves(root: str, value: Any) -> dict[str, Leaf]:
    """The values under a root, by path in the order of the document.

    Goes as deep as JSON does. TypeError for what JSON does not have. A number too large for a float is nothing.

    >>> leaves("item", {"g": "rock", "n": [True, None, {"x": 2}]})
    {'item.g': 'rock', 'item.n.0': 1.0, 'item.n.2.x': 2.0}
    """
    found: dict[str, Leaf] = {}
    waiting = [(root, value)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, str):
            found[path] = value
        elif isinstance(value, (int, float)):
            _put_number(found, path, value)
        elif isinstance(value, dict):
            waiting += [(f"{path}.{key}", member) for key, member in reversed(value.items())]
        elif isinstance(value, (list, tuple)):
            waiting += [(f"{path}.{index}", value[index]) for index in reversed(range(len(value)))]
        elif value is not None:
            message = f"{path} holds a {type(value).__name__}: only what JSON has can be encoded"
            raise TypeError(message)
    return found


def _put_number(found: dict[str, Leaf], path: str, value: float) -> None:
    try:
        number = float(value)
    except OverflowError:  # an integer over 1e308
        return
    if number == number:  # noqa: PLR0124 - NaN is the number that is not
        found[path] = number
