"""Serving: ranks candidates with the published coefficients, and tracks what was chosen and what it earned.

Each name is loaded when it is first asked for: who only ranks pays for no HTTP client, who only tracks for no reader
of coefficients.
"""

from typing import TYPE_CHECKING

from lambda_learner.lazy import lazy

if TYPE_CHECKING:
    from lambda_learner.serve.ranker import Ranked, Ranker
    from lambda_learner.serve.tracker import Counts, OutboxError, Refused, Tracker

__all__ = ["Counts", "OutboxError", "Ranked", "Ranker", "Refused", "Tracker"]

_TRACKER = ("Counts", "OutboxError", "Refused", "Tracker")

if not TYPE_CHECKING:  # a type checker would take it that any name is here
    # Two, as one would look for a name of the second module in the first.
    _ranker = lazy(__name__, ("Ranked", "Ranker"), ("ranker",))
    _tracker = lazy(__name__, _TRACKER, ("tracker",))

    def __getattr__(name: str) -> object:
        return _tracker(name) if name in _TRACKER else _ranker(name)
