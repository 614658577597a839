from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from lambda_learner.retrain.drift import Drift, DriftSettings, observe
from lambda_learner.retrain.requests import RetrainRequest
from lambda_learner.retrain.schedule import Cron, Every
from lambda_learner.retrain.trigger import (
    Observation,
    TriggerSettings,
    TriggerState,
    TriggerStateError,
    advance,
    dumps,
    loads,
)

HOUR = 3_600_000
START = TriggerState("fresh1")
BY_SCHEDULE = TriggerSettings(schedule=Every(4 * HOUR))
ALL = TriggerSettings(Every(4 * HOUR), new_decisions=700, drift=DriftSettings())


def run(
    observations: list[Observation], settings: TriggerSettings, state: TriggerState = START
) -> tuple[TriggerState, list[RetrainRequest]]:
    requests: list[RetrainRequest] = []
    for observation in observations:
        state, new = advance(state, observation, model="movies", settings=settings)
        requests += new
    return state, requests


def ids(observations: list[Observation], settings: TriggerSettings) -> list[str]:
    return [request.request_id for request in run(observations, settings)[1]]


def test_the_schedule_asks_once_at_each_due_time() -> None:
    found = ids([Observation(h * HOUR // 2) for h in range(1, 18)], BY_SCHEDULE)
    assert found == ["schedule-19700101T040000000Z", "schedule-19700101T080000000Z"]


def test_the_first_observation_is_not_due_even_at_a_due_time() -> None:
    assert ids([Observation(4 * HOUR)], BY_SCHEDULE) == []


def test_due_times_that_a_quiet_time_has_passed_are_one_request() -> None:
    assert ids([Observation(HOUR), Observation(100 * HOUR)], BY_SCHEDULE) == ["schedule-19700105T040000000Z"]


def test_event_time_does_not_go_back() -> None:
    times = [3 * HOUR, 5 * HOUR, 3 * HOUR, 5 * HOUR]
    assert len(ids([Observation(time) for time in times], BY_SCHEDULE)) == 1


def test_a_cron_schedule_asks_at_its_times() -> None:
    settings = TriggerSettings(schedule=Cron("cron(30 6 ? * THU *)"))  # 1970-01-01 was a Thursday
    assert ids([Observation(h * HOUR) for h in range(24)], settings) == ["schedule-19700101T063000000Z"]


def test_decisions_ask_at_each_multiple_and_the_id_says_which() -> None:
    settings = TriggerSettings(new_decisions=100)
    found = ids([Observation(n, decisions=60) for n in range(5)], settings)  # 60 120 180 240 300
    assert found == [f"decisions-fresh1-{n:012d}" for n in (100, 200, 300)]


def test_one_step_over_many_multiples_asks_once() -> None:
    assert ids([Observation(0, decisions=950)], TriggerSettings(new_decisions=100)) == ["decisions-fresh1-000000000900"]


def test_a_fresh_start_has_ids_of_its_own() -> None:
    state, settings = TriggerState("fresh2"), TriggerSettings(new_decisions=100)
    assert advance(state, Observation(0, 100), model="m", settings=settings)[1][0].request_id.startswith(
        "decisions-fresh2-"
    )


def test_without_settings_nothing_is_asked() -> None:
    assert ids([Observation(n * HOUR, 1000, 1000, 700.0) for n in range(50)], TriggerSettings()) == []


def test_a_request_names_model_cause_and_event_time() -> None:
    (request,) = run([Observation(7, decisions=5)], TriggerSettings(new_decisions=5))[1]
    assert request == RetrainRequest("movies", "decisions-fresh1-000000000005", "decisions", 7)


def stream(seed: int, *, rise_at: int | None = None, rise: float = 0.0, minutes: int = 300) -> list[Observation]:
    """Groups of about 100 records a minute whose losses have mean 0.5 and a standard deviation of 0.4."""
    rng = np.random.default_rng(seed)
    observations = []
    for minute in range(minutes):
        n = int(rng.integers(50, 150))
        mean = 0.5 + (rise if rise_at is not None and minute >= rise_at else 0.0)
        losses = rng.gamma(1.5, mean / 1.5, n)
        observations.append(Observation(60_000 * minute, n, n, float(losses.sum())))
    return observations


@pytest.mark.parametrize("seed", range(20))
def test_a_steady_loss_raises_no_alarm(seed: int) -> None:
    assert ids(stream(seed), TriggerSettings(drift=DriftSettings())) == []


@pytest.mark.parametrize("seed", range(20))
def test_a_risen_loss_raises_one_alarm_and_then_is_the_new_reference(seed: int) -> None:
    settings = TriggerSettings(drift=DriftSettings())
    _, requests = run(stream(seed, rise_at=150, rise=0.15), settings)
    assert [(r.request_id, r.cause) for r in requests] == [("drift-fresh1-000001", "drift")]
    assert 150 * 60_000 <= requests[0].event_ms <= 165 * 60_000  # 1,500 records at most


def test_a_second_rise_is_a_second_cause() -> None:
    twice = stream(1, rise_at=100, rise=0.2)[:200] + [
        Observation(o.event_ms + 200 * 60_000, o.decisions, o.records, o.loss_sum + 0.5 * o.records)
        for o in stream(2, minutes=100)
    ]
    assert ids(twice, TriggerSettings(drift=DriftSettings())) == ["drift-fresh1-000001", "drift-fresh1-000002"]


def test_a_falling_loss_raises_no_alarm() -> None:
    assert ids(stream(3, rise_at=100, rise=-0.3), TriggerSettings(drift=DriftSettings())) == []


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_the_unit_of_the_loss_does_not_matter(scale: float) -> None:
    scaled = [o._replace(loss_sum=scale * o.loss_sum) for o in stream(4, rise_at=150, rise=0.15)]
    assert ids(scaled, TriggerSettings(drift=DriftSettings())) == ["drift-fresh1-000001"]


def test_the_statistic_by_hand() -> None:
    settings = DriftSettings(allowance=0.5, threshold=10.0, warm_up_records=1, warm_up_groups=1)
    known = Drift(records=100, groups=50, mean=2.0, variance=4.0, excess=1.0)
    after, alarm = observe(known, 4, 4 * 5.0, settings)  # 4 · (3/2 - ½) = 4 more
    assert (after.excess, alarm) == (5.0, False)
    assert after.mean == pytest.approx((100 * 2.0 + 4 * 5.0) / 104)
    assert after.variance == pytest.approx(4.0 + (9.0 * 4 * 100 / 104 - 4.0) / 50)
    assert observe(after, 0, 0.0, settings) == (after, False)
    assert observe(after, 1, float("nan"), settings) == (after, False)
    assert observe(known, 12, 12 * 5.0, settings) == (Drift(), True)


def test_the_variance_of_records_is_found_from_their_groups() -> None:
    rng = np.random.default_rng(0)
    drift = Drift()
    for _ in range(4000):
        n = int(rng.integers(1, 200))
        drift, _ = observe(drift, n, float(rng.normal(3.0, 2.0, n).sum()), DriftSettings(threshold=1e9))
    assert drift.mean == pytest.approx(3.0, abs=0.05)
    assert drift.variance == pytest.approx(4.0, rel=0.2)


@pytest.mark.parametrize("stop_at", [1, 57, 151, 155, 299])
def test_a_restored_state_goes_on_as_if_it_had_never_stopped(stop_at: int) -> None:
    observations = stream(6, rise_at=150, rise=0.15)
    state, before = run(observations[:stop_at], ALL)
    end, after = run(observations[stop_at:], ALL, loads(dumps(state)))
    assert (end, before + after) == run(observations, ALL)


def regrouped(observations: list[Observation], minutes: int) -> list[Observation]:
    parts = [observations[at : at + minutes] for at in range(0, len(observations), minutes)]
    return [
        Observation(p[-1].event_ms, sum(o.decisions for o in p), sum(o.records for o in p), sum(o.loss_sum for o in p))
        for p in parts
    ]


@pytest.mark.parametrize("minutes", [1, 2, 7])
def test_a_replay_after_a_restore_asks_for_no_cause_twice_and_leaves_none_out(minutes: int) -> None:
    """The job dies after its requests of minutes 100 to 200 and sees them again, in groups of other sizes."""
    settings = ALL._replace(new_decisions=2000)  # more than a group has
    observations = stream(6, rise_at=150, rise=0.15)
    checkpoint, first = run(observations[:100], settings)
    _, lost = run(observations[100:200], settings, checkpoint)
    end, again = run(regrouped(observations[100:], minutes), settings, checkpoint)
    uninterrupted, wanted = run(observations, settings)
    assert {r.cause for r in wanted} == {"schedule", "decisions", "drift"}
    assert {r.request_id for r in first + lost + again} == {r.request_id for r in wanted}
    assert (end.decisions, end.alarms) == (uninterrupted.decisions, uninterrupted.alarms)


def test_settings_may_change_between_two_steps() -> None:
    state, _ = run([Observation(HOUR, 90)], TriggerSettings(Every(4 * HOUR), 100))
    changed = TriggerSettings(Every(24 * HOUR), 30)
    assert [r.request_id for r in run([Observation(5 * HOUR, 5)], changed, state)[1]] == []
    assert [r.cause for r in run([Observation(25 * HOUR, 30)], changed, state)[1]] == ["schedule", "decisions"]


def test_all_ids_are_distinct_and_in_order_of_their_causes() -> None:
    found = ids(stream(6, rise_at=150, rise=0.15, minutes=600), ALL)
    assert len(set(found)) == len(found)
    decisions = [text for text in found if text.startswith("decisions")]
    assert len(decisions) > 50
    assert all(one < other for one, other in pairwise(decisions))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format_version": 1, "origin": "a b"}', '{"format_version": 1}'])
def test_a_damaged_state_is_refused(text: str) -> None:
    with pytest.raises(TriggerStateError, match="a trigger's state is a JSON object"):
        loads(text)


def test_a_newer_state_is_refused_with_what_to_do() -> None:
    with pytest.raises(TriggerStateError, match=r"format version 2.*run the release that wrote it"):
        loads(dumps(START).replace('"format_version":1', '"format_version":2'))


def test_an_origin_must_be_safe_in_a_key() -> None:
    with pytest.raises(ValueError, match="origin must be 1–40"):
        TriggerState("a/b")
