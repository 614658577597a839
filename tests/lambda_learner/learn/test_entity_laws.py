"""Laws of an entity's learning: order does not show, a restart does not show, precision does not fall."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.learn import EntityState, Example, LearnerSettings, from_bytes, learn, to_bytes

KEYS = [("item.genre", letter) for letter in "abcdefgh"] + [("item.year", "")]
VALUES = st.one_of(st.just(1.0), st.floats(-3.0, 3.0))
SETTINGS = st.builds(
    LearnerSettings,
    kind=st.sampled_from(["logistic", "linear"]),
    posterior=st.sampled_from(["diagonal", "full"]),
    prior_mean=st.sampled_from([0.0, -0.4]),
    prior_precision=st.sampled_from([0.5, 4.0]),
    forgetting=st.sampled_from([1.0, 0.95, 0.3]),
    forgetting_per=st.sampled_from(["batch", "record", "time"]),
    forgetting_tau_ms=st.just(1_500),
    max_features=st.sampled_from([3, 10_000]),
    noise_variance=st.sampled_from([1.0, 2.0, "estimate"]),
)


@st.composite
def windows(draw: st.DrawFn) -> list[list[Example]]:
    """Up to five windows of up to eight examples."""
    made: list[list[Example]] = []
    for w in range(draw(st.integers(1, 5))):
        features = draw(st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES), min_size=1, max_size=8))
        made.append(
            [
                Example(f"{w}-{i}", f, draw(st.sampled_from([-1.0, 0.0, 1.0, 2.5])), offset=0.1 * i)
                for i, f in enumerate(features)
            ]
        )
    return made


def run(windows: Sequence[Sequence[Example]], settings: LearnerSettings, *, restart: bool = False) -> list[bytes]:
    """The state's bytes after each window, going through bytes between windows if asked."""
    state: EntityState | None = None
    seen = []
    for i, window in enumerate(windows):
        state = learn(state, window, close_ms=1_000 * (i + 1), generation="g", settings=settings).state
        seen.append(to_bytes(state))
        state = from_bytes(seen[-1]) if restart else state
    return seen


@given(windows=windows(), settings=SETTINGS)
def test_restored_is_never_stopped_bit_for_bit(windows: list[list[Example]], settings: LearnerSettings) -> None:
    assert run(windows, settings, restart=True) == run(windows, settings)


@given(windows=windows(), settings=SETTINGS, seed=st.integers())
def test_the_order_of_arrival_leaves_no_trace(
    windows: list[list[Example]], settings: LearnerSettings, seed: int
) -> None:
    rng = random.Random(seed)
    shuffled = []
    for window in windows:
        mixed = [e._replace(features=dict(rng.sample(list(e.features.items()), len(e.features)))) for e in window]
        shuffled.append(rng.sample(mixed, len(mixed)))
    assert run(shuffled, settings) == run(windows, settings)


@given(windows=windows(), settings=SETTINGS)
def test_equal_ids_leave_no_trace_of_their_order_either(
    windows: list[list[Example]], settings: LearnerSettings
) -> None:
    same_id = [[example._replace(decision_id="x") for example in window] for window in windows]
    assert run([window[::-1] for window in same_id], settings) == run(same_id, settings)


@given(windows=windows(), form=st.sampled_from(["diagonal", "full"]))
def test_precision_never_falls_without_forgetting(windows: list[list[Example]], form: str) -> None:
    settings = LearnerSettings(posterior="full" if form == "full" else "diagonal")
    known: dict[tuple[str, str], float] = {}
    for data in run(windows, settings):
        state = from_bytes(data)
        precision = state.posterior.precision
        diagonal = precision if precision.ndim == 1 else np.diagonal(precision)
        now = dict(zip(state.names, diagonal.tolist(), strict=True))
        assert all(now[name] >= before for name, before in known.items())
        known = now


@given(windows=windows())
def test_linear_windows_of_any_cut_give_the_same_full_posterior(windows: list[list[Example]]) -> None:
    settings = LearnerSettings(kind="linear", posterior="full", prior_mean=0.2)
    one_by_one = [[example] for window in windows for example in window]
    together = [[example for window in windows for example in window]]
    expected = from_bytes(run(together, settings)[-1])
    for cut in (windows, one_by_one):
        state = from_bytes(run(cut, settings)[-1])
        assert state.names == expected.names
        np.testing.assert_allclose(state.posterior.mean, expected.posterior.mean, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(state.posterior.precision, expected.posterior.precision, atol=1e-11)


@given(windows=windows(), settings=SETTINGS)
def test_a_window_seen_again_is_skipped(windows: list[list[Example]], settings: LearnerSettings) -> None:
    state = from_bytes(run(windows, settings)[-1])
    for i, window in enumerate(windows):
        again = learn(state, window, close_ms=1_000 * (i + 1), generation="g", settings=settings)
        assert again.outcome == "fenced"
        assert again.state is state


@pytest.mark.parametrize("form", ["diagonal", "full"])
def test_a_learner_finds_the_coefficients_that_made_its_labels(form: str) -> None:
    rng = np.random.default_rng(3)
    truth = dict(zip(KEYS, rng.normal(size=len(KEYS)), strict=True))
    settings = LearnerSettings(posterior="full" if form == "full" else "diagonal")
    state: EntityState | None = None
    for i in range(4_000):
        chosen = [KEYS[j] for j in rng.choice(len(KEYS), size=3, replace=False)]
        chance = 1.0 / (1.0 + np.exp(-sum(truth[key] for key in chosen)))
        example = Example(f"{i:04d}", dict.fromkeys(chosen, 1.0), float(rng.random() < chance))
        state = learn(state, [example], close_ms=i, generation="g", settings=settings).state
    assert state is not None
    found = dict(zip(state.names, state.posterior.mean.tolist(), strict=True))
    assert np.corrcoef([truth[key] for key in KEYS], [found[key] for key in KEYS])[0, 1] > 0.97
