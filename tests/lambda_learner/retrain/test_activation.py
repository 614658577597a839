"""From a trained base to the log: files before entries, once a version, ahead of time."""

from __future__ import annotations

from typing import Any

import pytest

from lambda_learner.publish.bases import MIN_LEAD_MS, activate, read_base_log
from lambda_learner.retrain.activation import activate_base, lead_ms
from lambda_learner.retrain.offset_model import load_offset_model
from tests.harness.archived_rows import START_S
from tests.harness.bases import trained_base

NOW_MS = (START_S + 10_000) * 1000
LEAD_MS = lead_ms(reward_window_ms=600_000, update_interval_ms=10_000, max_clock_skew_ms=900_000)
HOUR = 3_600_000


def test_the_file_is_there_before_the_entry_that_names_it(store: Any, crash: type[Exception]) -> None:
    base = trained_base()
    for writes in range(4):
        store.crash_at, store.crash_after_writing = store.writes + writes // 2, bool(writes % 2)
        with pytest.raises(crash):
            activate_base(store, base, now_ms=NOW_MS, lead_ms=LEAD_MS)
        for named in read_base_log(store, "m").entries:
            load_offset_model(store, named)
        store.objects.clear()
    store.crash_at = None
    entry = activate_base(store, base, now_ms=NOW_MS, lead_ms=LEAD_MS)
    assert entry is not None
    assert load_offset_model(store, entry).offsets([{"genre": "rock"}], [None]).shape == (1,)


def test_it_becomes_active_when_no_window_that_was_read_can_ask_for_it(store: Any) -> None:
    entry = activate_base(store, trained_base(), now_ms=NOW_MS, lead_ms=LEAD_MS)
    assert entry is not None
    assert entry.active_from_ms == NOW_MS + 600_000 + 10_000 + 2 * 900_000 + MIN_LEAD_MS
    assert entry.trained_through_ms < entry.active_from_ms


def test_a_version_is_activated_once_whatever_a_second_training_gave(store: Any) -> None:
    base = trained_base()
    first = activate_base(store, base, now_ms=NOW_MS, lead_ms=LEAD_MS)
    other = base._replace(model_file=trained_base("b2").model_file, trained_through_ms=base.trained_through_ms + 1000)
    assert activate_base(store, other, now_ms=NOW_MS + HOUR, lead_ms=LEAD_MS) == first
    assert first is not None
    assert store.objects[first.key] == base.model_file
    assert len(store.objects) == 2  # the log and the file


def test_two_bases_follow_one_another_and_an_older_one_is_not_needed(store: Any) -> None:
    old, new = trained_base(), trained_base("b2")._replace(trained_through_ms=NOW_MS)
    first = activate_base(store, old, now_ms=NOW_MS, lead_ms=LEAD_MS)
    second = activate_base(store, new, now_ms=NOW_MS, lead_ms=LEAD_MS)
    assert first is not None
    assert second is not None
    assert second.active_from_ms == first.active_from_ms + 1  # trained within the lead of the first
    late = old._replace(version="b3")
    assert activate_base(store, late, now_ms=NOW_MS + HOUR, lead_ms=LEAD_MS) is None
    assert activate_base(store, old, now_ms=NOW_MS + HOUR, lead_ms=LEAD_MS) == first
    assert read_base_log(store, "m").entries == (first, second)


def test_the_constant_base_needs_no_file(store: Any) -> None:
    entry = activate_base(store, trained_base()._replace(model_file=b""), now_ms=NOW_MS, lead_ms=LEAD_MS)
    assert entry is not None
    assert entry.key == ""
    assert list(store.objects) == ["models/base/m/log.json"]


@pytest.mark.parametrize("version", ["", "a\x1cb", "a/b", "v" * 129])
def test_what_could_not_be_told_in_a_row_is_no_version(store: Any, version: str) -> None:
    base = trained_base()._replace(version=version, model_file=b"")
    with pytest.raises(ValueError, match="1–128 ASCII letters"):
        activate_base(store, base, now_ms=NOW_MS, lead_ms=LEAD_MS)


def test_of_history_a_base_becomes_active_right_after_what_it_was_trained_on(store: Any) -> None:
    base = trained_base()
    entry = activate_base(store, base, now_ms=base.trained_through_ms, lead_ms=0)
    assert entry is not None
    assert entry.active_from_ms == base.trained_through_ms + 1


def test_two_workers_that_activate_at_once_follow_one_another(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    others = trained_base("b2")

    def slowly(*given: Any, **named: Any) -> Any:  # another worker comes between the look at the log and the writing
        monkeypatch.setattr("lambda_learner.retrain.activation.activate", activate)
        activate_base(store, others, now_ms=NOW_MS + 1, lead_ms=LEAD_MS)
        return activate(*given, **named)

    monkeypatch.setattr("lambda_learner.retrain.activation.activate", slowly)
    ours = trained_base()._replace(trained_through_ms=others.trained_through_ms)
    entry = activate_base(store, ours, now_ms=NOW_MS, lead_ms=LEAD_MS)
    assert entry is not None
    assert [each.version for each in read_base_log(store, "m").entries] == ["b2", "b1"]
