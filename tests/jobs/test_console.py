"""The console script of an install without the extra `job`."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from typing import Any

import pytest

from jobs import console


def without(missing: str) -> Callable[..., Any]:
    real = builtins.__import__

    def found(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == missing:
            message = f"No module named {missing!r}"
            raise ModuleNotFoundError(message, name=missing)
        return real(name, *rest)

    return found


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "jobs.cli", raising=False)
    monkeypatch.delattr("jobs.cli", raising=False)
    monkeypatch.setattr(builtins, "__import__", without("typer"))
    with pytest.raises(SystemExit) as ended:
        console.main()
    assert ended.value.code == 2
    assert "typer is missing" in capsys.readouterr().err


def test_with_it_the_command_line_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["lambda-learner", "--help"])
    with pytest.raises(SystemExit) as ended:
        console.main()
    assert ended.value.code == 0
    assert "replay" in capsys.readouterr().out
