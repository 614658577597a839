"""The real client loads our file by path and by http, and sees what our encoder and booster see, to the last bit."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from lambda_learner.retrain import Trained
from tests.harness.archived_rows import id_at, row
from tests.harness.improveai import CLIENT
from tests.harness.training import trained

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # where its environment is not made yet, that is made first

SCRIPT = Path(__file__).with_name("client_scores.py")
GENRES = ["rock", "métal", "ambient 🎧", "", 'a "b" \\', "a\x00b"]
ITEMS: list[Any] = [
    *({"genre": genre, "tempo": 100 + place, "live": place % 2 == 0} for place, genre in enumerate(GENRES)),
    {"genre": "never seen", "tempo": 0},
    {"genre": 7, "tempo": "fast"},
    {"genre": None, "tags": ["loud", ["deep", {"er": 1.5}], None], "tempo": -2.5e-8},
    {"tags": [], "a.b": 1, "a": {"b": 2}},
    {"tempo": 1234567890123456789, "unknown": {"x": 1}},
    "rock",
    "",
    3,
    True,
    None,
    [],
    {},
    ["rock", {"genre": "rock"}, False],
]
CONTEXTS: list[Any] = [None, {"country": "DE", "hour": 9}, {"country": "日本", "hour": None, "new": [1]}, "text", [0]]


class Case(NamedTuple):
    """A call, and what the client answered."""

    context: Any
    noise: float
    answer: dict[str, Any]


def song_rows(decisions: int) -> list[dict[str, Any]]:
    rng, rows = np.random.default_rng(4), []
    for number in range(decisions):
        item, sample = (ITEMS[int(place)] for place in rng.choice(len(ITEMS), 2, replace=False))
        likes = (number * 7 + len(json.dumps(item))) % 3
        context = CONTEXTS[int(rng.integers(len(CONTEXTS)))]
        rewards = {id_at(number): float(likes)} if likes else {}
        rows.append(row(number, item, context=context, count=5, sample=sample, rewards=rewards))
    return rows


@pytest.fixture(scope="module")
def made() -> Trained:
    model = trained(song_rows(3000), max_trees=60)
    tables = model.metadata["ai.improve.string_tables"]
    assert len(tables["item.genre"]) >= len(GENRES)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, made: Trained) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "songs.xgb.gz").write_bytes(made.model_file)
    return folder


class Quiet(SimpleHTTPRequestHandler):
    """Serves the files and says nothing."""

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002 - the base's name


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/songs.xgb.gz"
        server.shutdown()
        thread.join()


def ask(model_url: str) -> list[Case]:
    calls = [(context, noise) for context in CONTEXTS for noise in (0.0, 0.25, 0.987654321)]
    lines = (json.dumps({"items": ITEMS, "context": context, "noise": noise}) for context, noise in calls)
    command = [str(CLIENT.python()), "-W", "ignore", str(SCRIPT), model_url]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [Case(*call, answer) for call, answer in zip(calls, answers, strict=True)]


@pytest.fixture(scope="module", params=["path", "http"])
def cases(request: pytest.FixtureRequest, folder: Path, address: str) -> list[Case]:
    return ask(str(folder / "songs.xgb.gz") if request.param == "path" else address)


def test_the_client_encodes_as_our_encoder_does(cases: list[Case], made: Trained) -> None:
    for context, noise, answer in cases:
        ours = [made.decision.encoder.encode(item, context, noise=noise) for item in ITEMS]
        assert answer["rows"] == [[float(value).hex() for value in row] for row in ours]


def test_the_client_scores_as_our_booster_does(cases: list[Case], made: Trained) -> None:
    seen = set()
    for context, noise, answer in cases:
        ours = made.decision.score(ITEMS, context, noise=noise)
        assert answer["scores"] == [float(score).hex() for score in ours]
        seen |= set(answer["scores"])
    assert len(seen) > 50


def test_the_client_ranks_in_order_of_our_scores(cases: list[Case], made: Trained) -> None:
    for context, noise, answer in cases:
        scores = made.decision.score(ITEMS, context, noise=noise).astype(np.float64)
        by_item = {json.dumps(item): score for item, score in zip(ITEMS, scores, strict=True)}
        ranked = [by_item[json.dumps(item)] for item in answer["ranked"]]
        assert len(ranked) == len(ITEMS)
        assert all(better >= worse - 2**-23 for better, worse in zip(ranked, ranked[1:], strict=False))
