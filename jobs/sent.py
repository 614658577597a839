"""Sends the job's Python functions with what has them loaded from the wheel that the job was submitted with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cloudpickle  # type: ignore[import-untyped]

import jobs
from jobs import one_wheel

__all__ = ["own_wheel", "sent_with_wheel"]


class _Sent:
    """A pickled function of the wheel with this checksum; loaded, it is the function."""

    def __init__(self, checksum: str, pickled: bytes) -> None:
        self._checksum, self._pickled = checksum, pickled

    def __reduce__(self) -> tuple[Any, ...]:
        return one_wheel.function_of, (self._checksum, self._pickled)


def own_wheel() -> str | None:
    """The wheel that this process imports our packages from, as by `flink run -pyfs`; None where they are installed."""
    return getattr(jobs.__spec__ and jobs.__spec__.loader, "archive", None)


@contextmanager
def sent_with_wheel(wheel: str | None) -> Iterator[None]:
    """While it lasts, PyFlink pickles each function of a graph so; without a wheel as always."""
    if wheel is None:
        yield
        return
    pickled, checksum = cloudpickle.dumps, one_wheel.checksum_of(wheel)
    cloudpickle.register_pickle_by_value(one_wheel)
    # The one place that all functions pass, whatever PyFlink has wrapped around them.
    cloudpickle.dumps = lambda function: pickled(_Sent(checksum, pickled(function)))
    try:
        yield
    finally:
        cloudpickle.dumps = pickled
        cloudpickle.unregister_pickle_by_value(one_wheel)
