from __future__ import annotations

import json
import math
import pickle
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lambda_learner.publish import FolderStore, StoreError
from lambda_learner.retrain.drift import DriftSettings
from lambda_learner.retrain.requests import claim_next, complete, records
from lambda_learner.retrain.schedule import Cron, Every
from lambda_learner.retrain.trigger import Observation, TriggerSettings, TriggerStateError
from operators import trigger
from operators.heads import head, observation_of
from operators.rows import FIELD, ROW
from operators.trigger import Trigger, Triggers
from tests.harness.fake_flink import Driven, Keyed
from tests.harness.learning import decisions, feed, learn

MINUTE, HOUR = 60_000, 3_600_000
NOON = 1_704_110_400_000  # 2024-01-01 12:00
HOURLY = TriggerSettings(schedule=Every(HOUR))
EACH_100 = TriggerSettings(new_decisions=100)
DRIFT = TriggerSettings(drift=DriftSettings(warm_up_records=100, warm_up_groups=5, threshold=20.0))
ALL = TriggerSettings(Every(HOUR), 100, DRIFT.drift)
NOTHING = TriggerSettings()


def stage(folder: Path, settings: TriggerSettings, **named: TriggerSettings) -> Trigger:
    return Trigger(Triggers(f"file:{folder}", "fresh1", named, settings))


def row(end_ms: int, decisions: int = 0, records: int = 0, loss: float = 0.0) -> str:
    """What the JVM sends of a minute."""
    return FIELD.join((str(end_ms), str(decisions), str(records), repr(1e6 * loss)))


def minute_by_minute(driven: Driven, rows: Iterable[str], model: str = "m") -> None:
    """Hand over each minute, then the watermark that has passed it."""
    for each in rows:
        driven.element(model, each)
        driven.watermark(int(each.partition(FIELD)[0]) - 1)


def asked(folder: Path) -> list[tuple[str, str]]:
    """Model and id of each request in the bucket."""
    return [(each.request.model, each.request.request_id) for each in records(FolderStore(folder))]


def told(driven: Driven) -> list[tuple[str, str]]:
    lines = map(json.loads, driven.main)
    return [(line["model"], line["request_id"]) for line in lines]


def busy(minutes: int, *, rise_at: int) -> list[str]:
    """Minutes of 30 decisions each, whose loss swings a little, and rises for good."""
    losses = [0.5 + 0.05 * math.sin(n) + (0.5 if n >= rise_at else 0.0) for n in range(minutes)]
    return [row(NOON + n * MINUTE, 30, 30, 30 * loss) for n, loss in enumerate(losses)]


def test_the_schedule_asks_once_at_each_due_time(tmp_path: Path) -> None:
    driven = Driven(stage(tmp_path, HOURLY))
    minute_by_minute(driven, [row(NOON + n * MINUTE, 1) for n in range(30, 150)])
    wanted = [("m", "schedule-20240101T130000000Z"), ("m", "schedule-20240101T140000000Z")]
    assert asked(tmp_path) == told(driven) == wanted


def test_a_quiet_stream_is_asked_for_by_its_heartbeats(tmp_path: Path) -> None:
    driven = Driven(stage(tmp_path, TriggerSettings(schedule=Cron("cron(30 * * * ? *)"))))
    driven.element("m", row(NOON + MINUTE, 1))
    for second in range(61, 3 * 3600):
        driven.watermark(NOON + 1000 * second)
    assert [name for _, name in asked(tmp_path)] == [f"schedule-20240101T{hour}3000000Z" for hour in (12, 13, 14)]


def test_due_times_that_event_time_passes_in_one_go_are_one_request(tmp_path: Path) -> None:
    driven = Driven(stage(tmp_path, HOURLY))
    driven.element("m", row(NOON + MINUTE, 1))
    driven.watermark(NOON + 100 * 24 * HOUR + MINUTE)
    assert asked(tmp_path) == told(driven) == [("m", "schedule-20240410T120000000Z")]


def test_due_times_that_event_time_passes_within_a_day_are_a_request_each(tmp_path: Path) -> None:
    driven = Driven(stage(tmp_path, HOURLY))
    driven.element("m", row(NOON + MINUTE, 1))
    driven.watermark(NOON + 3 * HOUR + MINUTE)
    assert [name for _, name in told(driven)] == [f"schedule-20240101T{hour}0000000Z" for hour in (13, 14, 15)]


def test_nothing_is_due_because_a_bounded_input_has_ended(tmp_path: Path) -> None:
    driven = Driven(stage(tmp_path, HOURLY))
    driven.element("m", row(NOON + MINUTE, 1))
    assert driven.end() == []
    assert asked(tmp_path) == []


def test_decisions_ask_at_each_multiple(tmp_path: Path) -> None:
    driven = Driven(stage(tmp_path, EACH_100))
    minute_by_minute(driven, [row(NOON + n * MINUTE, 60) for n in range(5)])
    wanted = [("m", f"decisions-fresh1-{n:012d}") for n in (100, 200, 300)]
    assert asked(tmp_path) == told(driven) == wanted


def test_a_risen_loss_asks_once(tmp_path: Path) -> None:
    driven = Driven(stage(tmp_path, DRIFT))
    minute_by_minute(driven, busy(60, rise_at=40))
    assert asked(tmp_path) == told(driven) == [("m", "drift-fresh1-000001")]


def test_models_have_their_own_counts_and_causes_and_unknown_ones_the_general(tmp_path: Path) -> None:
    driven = Driven(stage(tmp_path, EACH_100, mine=TriggerSettings(new_decisions=70), silent=NOTHING))
    for model in ("mine", "other", "silent", "another"):
        minute_by_minute(driven, [row(NOON, 60), row(NOON + MINUTE, 30 if model == "another" else 50)], model)
    wanted = [("mine", "decisions-fresh1-000000000070"), ("other", "decisions-fresh1-000000000100")]
    assert sorted(asked(tmp_path)) == wanted


def test_a_model_without_triggers_has_neither_state_nor_timers_nor_a_bucket(tmp_path: Path) -> None:
    driven = Driven(stage(tmp_path / "never", NOTHING))
    minute_by_minute(driven, busy(60, rise_at=40))
    assert driven.keyed == Keyed(watermark_ms=NOON + 59 * MINUTE - 1)
    assert not (tmp_path / "never").exists()


def test_a_line_tells_the_request(tmp_path: Path) -> None:
    driven = Driven(stage(tmp_path, EACH_100))
    (line,) = driven.element("m", row(NOON, 100))
    expected = {"model": "m", "request_id": "decisions-fresh1-000000000100", "cause": "decisions", "event_ms": NOON}
    assert json.loads(line) == expected


def test_equal_looks_of_many_minutes_are_few_timers(tmp_path: Path) -> None:
    driven = Driven(stage(tmp_path, TriggerSettings(Every(7 * MINUTE), 100)))
    minute_by_minute(driven, [row(NOON + n * MINUTE, 1) for n in range(600)])
    assert len(driven.keyed.timers) <= 2


# Failures: each cause once, whatever happens.


@pytest.mark.parametrize("stop_at", [1, 30, 41, 59, 61, 119])
def test_a_restored_stage_goes_on_as_if_it_had_never_stopped(tmp_path: Path, stop_at: int) -> None:
    rows = busy(120, rise_at=40)
    whole, first = Driven(stage(tmp_path / "1", ALL)), Driven(stage(tmp_path / "2", ALL))
    minute_by_minute(whole, rows)
    minute_by_minute(first, rows[:stop_at])
    second = first.restored(stage(tmp_path / "2", ALL))
    minute_by_minute(second, rows[stop_at:])
    assert second.keyed == whole.keyed
    assert first.main + second.main == whole.main
    assert asked(tmp_path / "2") == asked(tmp_path / "1")
    assert len(whole.main) > 3


def test_what_was_asked_for_after_the_checkpoint_is_not_asked_for_again(tmp_path: Path) -> None:
    rows = busy(120, rise_at=40)
    first = Driven(stage(tmp_path, ALL))
    minute_by_minute(first, rows[:35])
    second = first.restored(stage(tmp_path, ALL))
    minute_by_minute(first, rows[35:])  # and then it dies, and its lines with it
    before = records(FolderStore(tmp_path))
    minute_by_minute(second, rows[35:])
    assert records(FolderStore(tmp_path)) == before
    assert sorted(told(second)) == sorted(asked(tmp_path)[-len(second.main) :])


def test_a_request_that_was_carried_out_by_then_is_not_asked_for_again(tmp_path: Path) -> None:
    first = Driven(stage(tmp_path, EACH_100))
    second = first.restored(stage(tmp_path, EACH_100))
    first.element("m", row(NOON, 100))
    store = FolderStore(tmp_path)
    claim = claim_next(store, "w", now_ms=1, lease_ms=1000)
    assert claim is not None
    complete(store, claim, now_ms=2, result={})
    second.element("m", row(NOON, 100))
    assert [each.state for each in records(store)] == ["done"]


def test_a_bucket_that_does_not_answer_fails_the_job_which_then_asks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Driven(stage(tmp_path, EACH_100))
    second = first.restored(stage(tmp_path, EACH_100))

    def fail(*_: object) -> bool:
        message = "no answer"
        raise StoreError(message)

    with monkeypatch.context() as away:
        away.setattr(trigger, "create", fail)
        with pytest.raises(StoreError, match="no answer"):
            first.element("m", row(NOON, 100))
    second.element("m", row(NOON, 100))
    assert asked(tmp_path) == told(second) == [("m", "decisions-fresh1-000000000100")]


def test_a_damaged_state_fails_the_job(tmp_path: Path) -> None:
    driven = Driven(stage(tmp_path, EACH_100))
    driven.keyed.values["trigger-state", "m"] = "{}"
    with pytest.raises(TriggerStateError, match="a trigger's state"):
        driven.element("m", row(NOON, 1))


# Settings that changed between two runs.


def test_a_schedule_that_became_shorter_holds_in_a_quiet_stream_within_the_hour(tmp_path: Path) -> None:
    first = Driven(stage(tmp_path, TriggerSettings(schedule=Every(24 * HOUR))))
    first.element("m", row(NOON + MINUTE, 1))
    second = first.restored(stage(tmp_path, TriggerSettings(schedule=Every(HOUR // 4))))
    for minute in range(2, 100):
        second.watermark(NOON + minute * MINUTE)
    times = [name for _, name in asked(tmp_path)]
    assert times == [f"schedule-20240101T{time}00000Z" for time in ("1300", "1315", "1330")]


def test_a_cause_that_is_new_counts_on_from_what_was_seen(tmp_path: Path) -> None:
    first = Driven(stage(tmp_path, EACH_100))
    minute_by_minute(first, [row(NOON, 90)])
    second = first.restored(stage(tmp_path, TriggerSettings(Every(HOUR), 50)))
    minute_by_minute(second, [row(NOON + 30 * MINUTE, 5), row(NOON + 90 * MINUTE, 10)])
    assert sorted(asked(tmp_path)) == [("m", "decisions-fresh1-000000000100"), ("m", "schedule-20240101T130000000Z")]


def test_triggers_that_are_gone_stop(tmp_path: Path) -> None:
    first = Driven(stage(tmp_path, HOURLY))
    first.element("m", row(NOON + MINUTE, 1))
    second = first.restored(stage(tmp_path, NOTHING))
    minute_by_minute(second, [row(NOON + n * HOUR, 100) for n in range(1, 5)])
    assert second.keyed.timers == set()
    assert asked(tmp_path) == []


def test_the_stage_can_be_sent_with_the_job(tmp_path: Path) -> None:
    sent = pickle.loads(pickle.dumps(stage(tmp_path, TriggerSettings(schedule=Cron("cron(0 9 ? * MON *)")))))
    driven = Driven(sent)
    minute_by_minute(driven, [row(NOON, 1), row(NOON + 7 * 24 * HOUR, 1)])
    assert asked(tmp_path) == [("m", "schedule-20240108T090000000Z")]


# The heads of the texts of counts.


def heads(driven: Driven) -> list[str]:
    return [text.partition(ROW)[0] for text in driven.side["counts"]]


def parts(head_text: str) -> tuple[str, int, int, int, int, str]:
    """What SQL cuts out of a head."""
    digits = head_text[1:14], head_text[14:23], head_text[23:32], head_text[32:50]
    close_ms, joined, scored, loss = map(int, digits)
    return head_text[0], close_ms, joined, scored, loss, head_text[50:]


def observing(given: Sequence[Any]) -> Driven:
    function = learn()
    function._observed = True
    driven = Driven(function)
    feed(driven, list(given))
    return driven


def test_a_head_has_close_joined_decisions_records_and_loss_of_its_window() -> None:
    windows = decisions(1, 2, 3, 11)
    first, second = heads(observing(windows))
    assert parts(first)[:4] == ("!", windows[0][2], 3, 3)
    assert parts(first)[4:] == (3 * round(1e6 * math.log(2)), "m")  # nothing was known
    assert parts(second)[1:4] == (windows[1][2], 1, 1)


def test_a_decision_without_entity_is_joined_and_not_scored() -> None:
    (text,) = heads(observing(decisions(1, user=None)))
    assert parts(text)[2:5] == (1, 0, 0)


def test_without_triggers_there_is_no_head() -> None:
    driven = Driven(learn())
    feed(driven, decisions(1))
    assert all(text[0].isdigit() for text in driven.side["counts"])


def test_a_loss_that_does_not_fit_in_a_head_is_the_greatest_that_does() -> None:
    counts = {(0, "joined"): 7, (0, "progressive.count"): 8, (0, "progressive.entity.squared_error_micro"): 10**30}
    assert parts(head("m", 1, counts).rstrip(ROW)) == ("!", 1, 7, 8, 10**18 - 1, "m")


def test_a_row_of_the_jvm_is_an_observation_in_units() -> None:
    assert observation_of(FIELD.join(("60000", "3", "2", "1.5E6"))) == Observation(60_000, 3, 2, 1.5)
