from __future__ import annotations

from lambda_learner import Singleton


class Settings(metaclass=Singleton):
    """One for all."""

    def __init__(self, name: str = "") -> None:
        self.name = name


class Special(Settings):
    """Has an instance of its own."""


def test_later_calls_give_the_first_instance_and_ignore_their_arguments() -> None:
    first = Settings("first")
    assert Settings("second") is first
    assert first.name == "first"


def test_a_subclass_has_its_own_instance() -> None:
    assert Special("special") is not Settings("first")
    assert isinstance(Special(), Special)
