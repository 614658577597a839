"""A metaclass for classes of one instance (lambda_learner.md §2)."""

from __future__ import annotations

from typing import Any

__all__ = ["Singleton"]


class Singleton(type):
    """The first call of the class makes its instance; later calls return it and ignore their arguments.

    A subclass has an instance of its own. Two threads that make the first call at once may make two.

    >>> class Settings(metaclass=Singleton):
    ...     def __init__(self, name):
    ...         self.name = name
    >>> Settings("first") is Settings("second")
    True
    >>> Settings("third").name
    'first'
    """

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """The one instance of the class."""
        if "_instance" not in cls.__dict__:
            cls._instance = super().__call__(*args, **kwargs)
        return cls._instance
