from __future__ import annotations

from pathlib import Path

import pytest

from jobs import cli, evaluate_base
from lambda_learner.evaluation.cluster_bootstrap import Difference
from lambda_learner.evaluation.movielens.with_base import BaseEvidence, Compared
from lambda_learner.simulate import movielens
from lambda_learner.simulate.movielens import DataSetError

GAINS = Difference(0.02, 0.01, 0.03)
LEARNED = Compared(0.71, 0.61, 0.73, GAINS, Difference(0.12, 0.1, 0.14))
SERVED = Compared(0.7, 0.61, 0.72, GAINS, GAINS)


def ended_with(found: BaseEvidence, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(evaluate_base, "_measured", lambda: found)
    with pytest.raises(SystemExit) as raised:
        cli.main(["evaluate", "base"])
    return int(str(raised.value.code))


def test_each_scorer_is_a_row_with_what_both_gain_over_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ended_with(BaseEvidence(LEARNED, SERVED), monkeypatch) == 0
    out = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.strip("│ \n").split("│")] for line in out.splitlines() if "│" in line]
    gain = "+0.0200 (+0.0100 … +0.0300)"
    assert rows == [
        ["entities alone", "0.7100", gain, "0.7000", gain],
        ["base alone", "0.6100", "+0.1200 (+0.1000 … +0.1400)", "0.6100", gain],
        ["base and entities", "0.7300", "", "0.7200"],
    ]


@pytest.mark.parametrize("gain", [Difference(0.0049, 0.001, 0.01), Difference(0.01, 0.0, 0.02)])
@pytest.mark.parametrize(("field", "what"), [("over_entities", "entities alone"), ("over_base", "the base alone")])
def test_a_gain_that_is_small_or_uncertain_is_named_and_fails(
    gain: Difference, field: str, what: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced = LEARNED._replace(over_base=gain) if field == "over_base" else LEARNED._replace(over_entities=gain)
    assert ended_with(BaseEvidence(replaced, SERVED), monkeypatch) == 1
    assert f"gain too little: over {what} {gain.value:+.4f}" in capsys.readouterr().err


def test_a_missing_data_set_is_told_in_a_message(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> Path:
        message = "recbole is not installed here"
        raise DataSetError(message)

    monkeypatch.setattr(movielens, "find_folder", missing)
    with pytest.raises(SystemExit) as raised:
        cli.main(["evaluate", "base"])
    assert raised.value.code == 1
    assert capsys.readouterr().err == "evaluate: recbole is not installed here\n"
