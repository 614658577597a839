"""`lambda-learner models`: the history of a model, its lineage, and one command to roll back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobs import cli
from lambda_learner.publish.model_keys import archive_folder, latest_key
from lambda_learner.publish.models import archived_models, live_stem
from tests.harness.retraining import MODEL, START_S, Shop

GYM_STEM = "songs-2022-01-02-03-04-05-0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Two models, a refusal and a failure; tests only look at it."""
    shop = Shop(tmp_path_factory.mktemp("shop"))
    shop.ask("early")
    shop.work()
    shop.training["gate"] = {"margin": 10}
    for number in range(2):
        shop.archive(1500, after=1500 * number)
        assert shop.retrained(f"r{number}")["stem"]
    shop.archive(1500, after=3000)
    shop.training = {"hyperparameters": {"max_trees": 1, "tree_depth": 1}}
    assert shop.retrained("poor")["stem"] is None
    shop.ask("open-one")
    return shop


@pytest.fixture
def own(tmp_path: Path) -> Shop:
    """A shop of a test's own, with two models."""
    shop = Shop(tmp_path)
    shop.training["gate"] = {"margin": 10}
    for number in range(2):
        shop.archive(200, after=200 * number)
        assert shop.retrained(f"r{number}")["stem"]
    return shop


def ended(shop: Shop, command: str, *arguments: str, model: str = MODEL) -> int:
    """The exit code."""
    with pytest.raises(SystemExit) as raised:
        cli.main(["models", command, "--config", str(shop.config), "--model", model, *arguments])
    assert isinstance(raised.value.code, int)
    return raised.value.code


def told(shop: Shop, capsys: pytest.CaptureFixture[str], command: str, *arguments: str) -> str:
    """What it prints."""
    assert ended(shop, command, *arguments) == 0
    return capsys.readouterr().out


def test_the_list_shows_models_newest_first_and_which_is_live(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    head, newest, oldest, *_ = told(shop, capsys, "list").splitlines()
    assert head.split() == ["stem", "published", "(UTC)", "decisions", "until", "(UTC)", "loss", "gate", "KB"]
    live = live_stem(shop.models, MODEL)
    stems = {line.removeprefix("*").split()[0] for line in (newest, oldest)}
    assert stems == {archived.stem for archived in archived_models(shop.models, MODEL)}
    (starred,) = (line for line in (newest, oldest) if line.startswith("*"))
    assert live is not None
    assert live in starred
    assert "3,000" in starred
    assert "publish" in starred


def test_the_list_shows_what_was_refused_and_why(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    lines = {line.split()[1]: line for line in told(shop, capsys, "list").splitlines()[3:]}
    assert lines["poor"].startswith("refused  poor  20")
    assert "worse by more than the margin" in lines["poor"]
    assert lines["early"].startswith("failed  early  20")
    assert "nothing is archived" in lines["early"]
    assert lines["open-one"].startswith("open  open-one  not finished")


def test_the_list_is_json_too(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    account = json.loads(told(shop, capsys, "list", "--json"))
    assert account["live"] == live_stem(shop.models, MODEL)
    assert [fields["request_id"] for fields in account["unpublished"]] == ["poor", "open-one", "early"]
    assert {fields["live"] for fields in account["models"]} == {True, False}


def test_the_list_can_be_cut(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    account = json.loads(told(shop, capsys, "list", "--json", "--last", "1"))
    assert (len(account["models"]), len(account["unpublished"])) == (1, 1)


def test_show_tells_where_the_live_model_comes_from(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(told(shop, capsys, "show", "--json"))
    assert found["stem"] == live_stem(shop.models, MODEL)
    lineage = found["lineage"]
    assert lineage["metrics"]["decisions"] == 3000
    assert lineage["metrics"]["last_decision_s"] == START_S + 2999
    assert lineage["settings"]["max_trees"] == 20
    assert {"seeds", "code_version", "xgboost_version", "gate", "cause", "archive"} <= lineage.keys()
    assert [entry["action"] for entry in found["activations"]] == ["publish"]


def test_show_is_readable(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    lines = dict(line.split(maxsplit=1) for line in told(shop, capsys, "show").splitlines() if " " in line.strip())
    assert lines["lineage.metrics.decisions"] == "3000"
    assert lines["lineage.metrics.last_decision_s"] == "2023-11-14 23:03:19 UTC"
    assert lines["lineage.gate.outcome"] == "publish"
    assert lines["lineage.settings.reward.window_ms"] == "600000"


def test_show_tells_of_a_refused_request(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(told(shop, capsys, "show", "poor", "--json"))
    assert found["state"] == "refused"
    assert found["result"]["gate"]["comparisons"][0]["name"] == "weighted_squared_error"


def test_one_command_rolls_back_and_again_forward(own: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    newer = live_stem(own.models, MODEL)
    (older,) = {archived.stem for archived in archived_models(own.models, MODEL)} - {newer}
    assert ended(own, "rollback", older) == 0
    assert f"the latest of songs is {older} now, it was {newer}" in capsys.readouterr().err
    archived = own.models.get(f"{archive_folder(MODEL)}{older}.xgb.gz")
    assert archived is not None
    assert own.latest() == archived.data
    assert newer is not None
    assert ended(own, "rollback", newer, "--reason", "it was not the model") == 0
    assert live_stem(own.models, MODEL) == newer
    found = json.loads(told(own, capsys, "show", "--json"))
    assert [entry["action"] for entry in found["activations"]] == ["publish", "rollback"]
    assert found["activations"][1]["reason"] == "it was not the model"


def test_without_a_stem_it_goes_one_back(own: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    stems = [archived.stem for archived in archived_models(own.models, MODEL)]
    assert ended(own, "rollback", stems[0]) == 0
    assert ended(own, "rollback") == 0
    assert live_stem(own.models, MODEL) == stems[1]
    assert ended(own, "rollback") == 2  # there is no older one
    assert live_stem(own.models, MODEL) == stems[1]


def test_a_model_that_the_gym_has_archived_is_listed_and_can_be_gone_back_to(
    own: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    latest = own.latest()
    assert latest is not None
    own.models.put(f"{archive_folder(MODEL)}{GYM_STEM}.xgb.gz", latest[:-8] + latest[-8:])
    assert GYM_STEM in told(own, capsys, "list")
    assert ended(own, "rollback", GYM_STEM) == 0
    assert own.latest() == latest


@pytest.mark.parametrize("stem", ["nonsense", "../../latest/songs", GYM_STEM])
def test_a_stem_that_is_not_archived_is_a_message_and_changes_nothing(
    stem: str, own: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    before = own.latest()
    for command in ("rollback", "show"):
        assert ended(own, command, stem) == 2
        assert "has no archived" in capsys.readouterr().err
    assert own.latest() == before


def test_a_model_that_was_never_trained_is_listed_as_such(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(shop, "list", model="films") == 0
    assert capsys.readouterr().out == "nothing is archived of model 'films'\n"
    assert ended(shop, "show", model="films") == 2
    assert ended(shop, "rollback", model="films") == 2
    assert ended(shop, "list", model="../films") == 2


def test_a_damaged_archive_is_not_gone_back_to(own: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    before, stem = own.latest(), archived_models(own.models, MODEL)[1].stem
    for damaged in (archived.stem for archived in archived_models(own.models, MODEL)):
        own.models.put(f"{archive_folder(MODEL)}{damaged}.xgb.gz", b"damaged")
    assert ended(own, "rollback", stem) == 2
    assert "is damaged" in capsys.readouterr().err
    assert own.models.get(latest_key(MODEL, ".xgb.gz")) is not None
    assert own.latest() == before


def test_a_lineage_that_cannot_be_read_does_not_hide_the_others(own: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    stem: Any = archived_models(own.models, MODEL)[1].stem
    own.models.put(f"{archive_folder(MODEL)}{stem}.json", b"{")
    assert len(json.loads(told(own, capsys, "list", "--json"))["models"]) == 2
    assert stem in told(own, capsys, "list")
