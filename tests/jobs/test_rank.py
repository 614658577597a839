from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs import cli
from lambda_learner.learn.state import INTERCEPT
from lambda_learner.publish import EntityCoefficients, FolderStore, ShardWriter, publish_generation, shard_of
from tests.harness.cases import POLICY

ITEMS = [{"a": 1}, {"a": 3}, {"a": 2}]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A bucket whose model `m` likes the user `u` to see a large `a`, and its configuration."""
    store = FolderStore(tmp_path / "bucket")
    publish_generation(store, "m", POLICY.as_generation(), epoch=1)
    names = (INTERCEPT, ("item.a", ""))
    liked = EntityCoefficients('["u"]', 10_000, 1, names, np.array([0.0, 2.0]), np.array([1e9, 1e9]))
    shard = shard_of('["u"]', POLICY.shards)
    ShardWriter(store, "m", POLICY.generation, shard, 1).publish(10_000, [liked])
    path = tmp_path / "config.yaml"
    path.write_text(
        f"bucket: {{models: 'file:{tmp_path / 'bucket'}'}}\nmodels: {{m: {{learner: {{entity: context.user}}}}}}\n"
    )
    return path


def ranked(capsys: pytest.CaptureFixture[str], config: Path, *arguments: str, model: str = "m") -> list[dict[str, Any]]:
    with pytest.raises(SystemExit) as raised:
        cli.main(["rank", "--config", str(config), "--model", model, *arguments])
    assert raised.value.code == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def refused(capsys: pytest.CaptureFixture[str], config: Path, *arguments: str, model: str = "m") -> str:
    with pytest.raises(SystemExit) as raised:
        cli.main(["rank", "--config", str(config), "--model", model, *arguments])
    assert raised.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    return " ".join(err.replace("│", " ").split())


USER = ("--context", '{"user": "u"}')


def test_candidates_come_best_first_with_their_scores(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = ranked(capsys, config, "--items", json.dumps(ITEMS), *USER, "--no-explore")
    assert found == [{"item": {"a": a}, "score": 2.0 * a} for a in (3, 2, 1)]


def test_candidates_may_come_from_standard_input(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(ITEMS).encode())))
    assert [line["item"]["a"] for line in ranked(capsys, config, *USER, "--no-explore")] == [3, 2, 1]


def test_a_seed_makes_the_draw_repeatable(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--items", json.dumps(ITEMS), "--context", '{"user": "stranger"}', "--seed")
    assert ranked(capsys, config, *arguments, "1") == ranked(capsys, config, *arguments, "1")
    assert ranked(capsys, config, *arguments, "1") != ranked(capsys, config, *arguments, "2")


@pytest.mark.parametrize("items", ["{", "{}", "[]", "7", "null"])
def test_items_that_are_no_array_of_candidates_are_refused(
    config: Path, capsys: pytest.CaptureFixture[str], items: str
) -> None:
    assert "--items" in refused(capsys, config, "--items", items)


def test_a_context_that_is_no_json_is_refused(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--context" in refused(capsys, config, "--items", "[1]", "--context", "{")


def test_a_seed_below_zero_is_refused(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--seed" in refused(capsys, config, "--items", "[1]", "--seed", "-1")


def test_a_name_that_no_model_can_have_is_refused(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--model" in refused(capsys, config, "--items", "[1]", model="../m")


def test_a_model_that_was_never_published_is_told_of(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "model 'n' has nothing published" in refused(capsys, config, "--items", "[1]", model="n")
