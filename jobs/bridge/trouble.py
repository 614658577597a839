"""Says once that a service is away, and once that it is back."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Trouble"]


class Trouble:
    """What is wrong with each service, as the operator was told."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._problems: dict[str, str] = {}
        self._noted: set[str] = set()

    def away(self, service: str, problem: str) -> None:
        """Tell it unless it was told."""
        if service not in self._problems:
            self._tell(f"{service} does not answer as it should, and is asked again: {problem}")
        self._problems[service] = problem

    def well(self, service: str) -> None:
        """Tell it where the operator knows of a problem."""
        if self._problems.pop(service, None) is not None:
            self._tell(f"{service} answers again")

    def note(self, about: str, text: str) -> None:
        """Tell something the first time that it is so."""
        if about not in self._noted:
            self._noted.add(about)
            self._tell(text)
