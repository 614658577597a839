from __future__ import annotations

import math

import numpy as np
import orjson
import pytest

from lambda_learner.evaluation.influence import Comparison
from lambda_learner.retrain.gate import GateSettings, decide, held_out_from_ms

SETTINGS = GateSettings(margin=0.1, margin_share=0.0, min_effective_size=100.0)


def comparison(low: float, high: float, *, name: str = "value", size: float = 500.0) -> Comparison:
    gain = 0.5 * (low + high)
    return Comparison(name, 1.0 + gain, 1.0, gain, low, high, size, 1000)


def test_a_candidate_is_published_if_the_lower_end_is_above_the_margin() -> None:
    found = decide([comparison(-0.09, 0.3)], SETTINGS)
    assert (found.outcome, found.publishes, found.forced) == ("publish", True, False)
    assert "gain 0.105, interval -0.09 to 0.3" in found.reason


@pytest.mark.parametrize("low", [-0.1, -0.2])
def test_a_candidate_is_refused_if_the_lower_end_is_at_or_below_the_margin(low: float) -> None:
    found = decide([comparison(low, 0.3)], SETTINGS)
    assert (found.outcome, found.publishes) == ("refuse", False)
    assert "not shown to be no worse by the margin of 0.1" in found.reason


def test_the_reason_tells_a_candidate_known_to_be_worse_from_one_that_may_be() -> None:
    assert "worse by more than the margin of 0.1" in decide([comparison(-0.4, -0.2)], SETTINGS).reason


def test_the_margin_is_the_greater_of_the_number_and_the_share_of_the_incumbent() -> None:
    held = [comparison(-0.15, 0.3)]
    assert decide(held, SETTINGS).outcome == "refuse"
    assert decide(held, SETTINGS._replace(margin_share=0.2)).outcome == "publish"
    assert decide(held, SETTINGS._replace(margin=0.16)).outcome == "publish"


def test_a_model_that_chooses_as_the_incumbent_does_is_published_without_any_margin() -> None:
    assert decide([comparison(0.0, 0.0)], GateSettings(margin_share=0.0)).outcome == "publish"


@pytest.mark.parametrize(("on_undecided", "publishes"), [("publish", True), ("keep", False)])
def test_too_small_an_effective_size_is_undecided_and_the_setting_says_what_becomes_of_it(
    on_undecided: str, publishes: bool
) -> None:
    settings = SETTINGS._replace(on_undecided="publish" if on_undecided == "publish" else "keep")
    found = decide([comparison(-9.0, -8.0, size=99.9)], settings)
    assert (found.outcome, found.publishes) == ("undecided", publishes)
    assert found.reason == "value: effective sample size 99.9 is below 100"


def test_a_value_that_could_not_be_told_is_undecided() -> None:
    nothing = Comparison("value", math.nan, 1.0, math.nan, math.nan, math.nan, 0.0, 10)
    assert decide([nothing], SETTINGS).outcome == "undecided"


def test_one_comparison_that_fails_refuses_whatever_the_others_say() -> None:
    passes, fails = comparison(0.1, 0.2, name="a"), comparison(-0.4, 0.2, name="b")
    few = comparison(0.1, 0.2, name="c", size=3.0)
    found = decide([passes, few, fails], SETTINGS)
    assert found.outcome == "refuse"
    assert found.reason.startswith("b:")
    assert decide([passes, few], SETTINGS).outcome == "undecided"


def test_without_an_incumbent_it_is_published() -> None:
    found = decide([], SETTINGS._replace(on_undecided="keep"), has_incumbent=False)
    assert (found.outcome, found.publishes, found.reason) == ("publish", True, "there is no incumbent")


def test_without_held_out_decisions_it_is_undecided() -> None:
    assert decide([], SETTINGS).outcome == "undecided"


def test_force_publishes_and_keeps_what_the_numbers_say() -> None:
    found = decide([comparison(-9.0, -8.0)], SETTINGS, force=True)
    assert (found.outcome, found.publishes, found.forced) == ("refuse", True, True)
    assert not decide([comparison(1.0, 2.0)], SETTINGS, force=True).forced  # there was nothing to force


def test_the_decision_is_stored_as_json_with_its_numbers() -> None:
    infinite = Comparison("value", math.nan, 1.0, math.nan, -math.inf, math.inf, 0.0, 1)
    stored = orjson.loads(orjson.dumps(decide([comparison(-0.05, 0.15), infinite], SETTINGS).as_fields()))
    assert stored["outcome"] == "undecided"
    assert stored["comparisons"][0] == comparison(-0.05, 0.15)._asdict()
    assert stored["comparisons"][1]["low"] is None
    assert stored["settings"]["margin"] == 0.1


def test_the_held_out_slice_is_the_newest_share_whatever_the_order() -> None:
    times = np.random.default_rng(1).permutation(np.arange(100))
    assert held_out_from_ms(times, 0.1) == 90
    assert held_out_from_ms(np.array([5]), 0.1) == 5


def test_what_the_incumbent_has_seen_is_not_held_out() -> None:
    assert held_out_from_ms(np.arange(100), 0.2, seen_through_ms=94) == 95
    assert held_out_from_ms(np.arange(100), 0.2, seen_through_ms=10) == 80


@pytest.mark.parametrize(("rows", "share"), [(0, 0.1), (5, 0.0), (5, 1.0)])
def test_a_slice_of_nothing_is_refused(rows: int, share: float) -> None:
    with pytest.raises(ValueError, match="share must be between 0 and 1 and there must be decisions"):
        held_out_from_ms(np.arange(rows), share)
