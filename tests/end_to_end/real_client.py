"""The Improve AI client at work; runs in its own environment: python real_client.py TRACK_URL REPORT.

Posts every kind of decision and reward once, then some each 50 ms until its standard input ends. A line of the report
says what each call was given, and which id it gave.
"""

from __future__ import annotations

import itertools
import json
import select
import sys
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from improveai import RewardTracker, track_improve_executor  # type: ignore[import-not-found]

TICK_SECONDS = 0.05
LATER = 20  # ticks from a decision to its second reward: some of them the endpoint does not live to see
ROCK = {"genre": "rock", "tempo": 120, "tags": ["loud", "live"], "seen": None}
ODD = {"Größe 🎧": 'a "quoted" \\ \u2028 \x00 text', "": "", "a.b": {"c": [1, "x", None]}}
# Item, candidates, context, rewards; all rewards are sums of powers of two, so that their sum has one value.
KINDS: list[tuple[Any, Any, Any, list[float]]] = [
    ("jazz", ["jazz", "rock", "folk"], {"user": "anna"}, [1.0]),
    (ROCK, [ROCK, {"genre": "jazz"}], {"user": "anna", "hour": 9}, [0.5, 0.25, -2.25]),
    (ODD, [ODD, "plain"], {"user": "Jürgen 🎧"}, [1024, -1024.5]),
    (None, [None, None], {"user": "anna"}, [1]),
    ("known", ["known", None], {"user": "bob"}, [True]),
    ("only one", ["only one"], {"user": "bob"}, []),
    (7, (7, 8), {"user": 7}, [False]),
    (2.5, np.array([2.5, 3.5]), {"user": 1.5}, [-3]),
    (True, [True, "x"], {"user": True}, [0]),
    (["a", "b"], [["a", "b"], []], {"user": "bob", "hour": None}, [-0.125] * 8),
    ({}, [{}, ""], {"user": "carl"}, [0.0, -0.0]),
    ("no context", ["no context", "x"], None, [4.0]),
]


class Client:
    """Trackers of two models, and what they were told."""

    def __init__(self, url: str, report: TextIO) -> None:
        self._report = report
        self._trackers = {model: RewardTracker(model, url, "a key") for model in ("songs", "plain")}

    def track(self, model: str, item: Any, candidates: Any, context: Any) -> str:
        """A decision whose sample the client draws."""
        name: str = self._trackers[model].track(item, candidates, context)
        self._write(decision=name, model=model, item=item, count=len(candidates), context=context)
        return name

    def track_with_sample(self, model: str, item: Any, count: int, context: Any) -> str:
        """A decision whose sample is given."""
        name: str = self._trackers[model].track_with_sample(item, count, context, {"given": None})
        self._write(decision=name, model=model, item=item, count=count, context=context)
        return name

    def reward(self, model: str, decision: str, value: float) -> None:
        """A reward, as the type that it has."""
        self._trackers[model].add_reward(value, decision)
        self._write(rewarded=decision, model=model, reward=value)

    def _write(self, **call: Any) -> None:
        self._report.write(json.dumps(call) + "\n")


def kinds(client: Client, model: str) -> None:
    """Every kind once."""
    for item, candidates, context, rewards in KINDS:
        decision = client.track(model, item, candidates, context)
        for value in rewards:
            client.reward(model, decision, value)
    for count in (1, 8):
        client.reward(model, client.track_with_sample(model, ROCK, count, {"user": "carl"}), 0.75)


def stream(client: Client) -> None:
    """Decisions with a reward at once and one that comes later, until the standard input ends."""
    decisions: list[str] = []
    for number in itertools.count():
        if select.select([sys.stdin], [], [], TICK_SECONDS)[0]:
            return
        item = {"number": number % 5}
        decisions.append(client.track("songs", item, [item, "other"], {"user": f"u{number % 3}"}))
        client.reward("songs", decisions[-1], number % 4 - 1.5)
        if number >= LATER:
            client.reward("songs", decisions[number - LATER], 1)


if __name__ == "__main__":
    with Path(sys.argv[2]).open("w") as file:
        unchanged = Client(sys.argv[1], file)
        for name in ("songs", "plain"):
            kinds(unchanged, name)
        stream(unchanged)
        track_improve_executor.shutdown(wait=True)
