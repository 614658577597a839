from __future__ import annotations

import json
import math
from itertools import permutations
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.events.schema import Decision, Record, Reward
from lambda_learner.events.wire import decode
from lambda_learner.join import DecisionCopy, JoinedRow, RewardCopy, RewardPolicy, checksum, reward_decision
from lambda_learner.learn.window_row import WindowRow
from operators.rows import (
    CHUNK,
    FIELD,
    GROUP,
    NOTE,
    ROW,
    clock_row,
    close_ms_of,
    decision_row,
    late_line,
    record_row,
    reward_row,
    window_row,
    with_base,
)
from tests.harness.cases import T0_MS, decision_line, joined, ksuid, record_line, reward_line

MODELS = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_\-.]{0,63}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)  # control characters among them
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
ENTITIES = st.lists(TEXTS | st.integers(-9, 9), max_size=2).map(lambda values: orjson.dumps(values).decode())
CLOSE_MS = T0_MS + 30_000


def _decision(**fields: Any) -> Decision:
    event = decode(decision_line(1, **fields), arrival_ms=T0_MS + 1000)
    assert isinstance(event, Decision)
    return event


def _reward(number: int, value: float, *, model: str = "m") -> Reward:
    event = decode(reward_line(2, number, ksuid(1), model=model), arrival_ms=T0_MS + 2000)
    assert isinstance(event, Reward)
    return event._replace(value=value)


@given(
    model=MODELS, item=JSON, context=JSON, entity=ENTITIES | st.just(""), rewards=st.lists(st.floats(allow_nan=False))
)
def test_any_decision_and_its_rewards_come_back_from_the_join(
    model: str, item: Any, context: Any, entity: str, rewards: list[float]
) -> None:
    decision = _decision(model=model, item=item, context=context)
    rows = [decision_row(decision, close_ms=CLOSE_MS, entity=entity)]
    rows += [reward_row(_reward(number, value, model=model), close_ms=CLOSE_MS) for number, value in enumerate(rewards)]
    ((close_ms, found_model, found_entity), text) = next(iter(joined(rows).items()))
    assert (close_ms, found_model, found_entity) == (CLOSE_MS, model, entity or None)
    expected = JoinedRow(
        model=model,
        decision_id=decision.message_id,
        payload=decision.core,
        copies=(DecisionCopy(decision.event_ms, checksum(decision.payload)),),
        rewards=tuple(RewardCopy(ksuid(2, number), T0_MS + 2000, value) for number, value in enumerate(rewards)),
        winner=checksum(decision.payload),
    )
    assert window_row(found_model, text) == WindowRow("D", expected)


@given(item=JSON, context=JSON)
def test_a_payload_holds_no_separator_and_no_newline(item: Any, context: Any) -> None:
    row = decision_row(_decision(item=item, context=context), close_ms=CLOSE_MS, entity="")
    assert not {NOTE, ROW, "\n", "\r"} & set(row)
    assert (row.count(FIELD), row.count(GROUP), row.count(CHUNK)) == (5, 1, 2)


def test_rewards_without_their_decision_come_back_without_payload() -> None:
    ((_, _, entity), text) = next(iter(joined([reward_row(_reward(7, 2.5), close_ms=CLOSE_MS)]).items()))
    expected = JoinedRow("m", ksuid(1), None, (), (RewardCopy(ksuid(2, 7), T0_MS + 2000, 2.5),))
    assert entity is None
    assert window_row("m", text) == WindowRow("D", expected)


def test_a_record_comes_back_as_a_record() -> None:
    record = decode(record_line(5), arrival_ms=T0_MS + 5000)
    assert isinstance(record, Record)
    (text,) = joined([record_row(record, close_ms=CLOSE_MS, entity='["u"]')]).values()
    copies = (DecisionCopy(T0_MS + 5000, checksum(record.payload)),)
    assert window_row("m", text) == WindowRow("T", JoinedRow("m", ksuid(5), record.payload, copies, ()))


def test_of_conflicting_copies_the_greatest_payload_wins_with_its_own_entity() -> None:
    small, great = _decision(item={"a": 1}), _decision(item={"a": 2})
    rows = [
        decision_row(great, close_ms=CLOSE_MS, entity='["a"]'),
        decision_row(small, close_ms=CLOSE_MS, entity='["z"]'),
    ]
    ((_, _, entity), text) = next(iter(joined(rows).items()))
    assert entity == '["a"]'
    row = window_row("m", text).row
    assert (row.payload, row.winner) == (great.core, checksum(great.payload))
    assert [copy.checksum for copy in row.copies] == [checksum(great.payload), checksum(small.payload)]


SAID = st.fixed_dictionaries(
    {"item": JSON | st.integers(0, 200), "count": st.sampled_from([2, 20])},
    optional={"context": JSON, "sample": JSON, "propensity": st.just(0.5)},
)


@given(first=SAID, second=SAID, have_candidates=st.booleans())
def test_rows_of_copies_sort_as_their_payloads_do(
    first: dict[str, Any], second: dict[str, Any], have_candidates: bool
) -> None:
    said = [first, second]
    if have_candidates:
        said = [{**each, "candidates": [each["item"], *range(each["count"] - 1)]} for each in said]
    copies = [_decision(**each) for each in said]
    smaller, greater = sorted(copies, key=lambda copy: copy.payload.encode())
    rows = [decision_row(copy, close_ms=CLOSE_MS, entity='["u"]') for copy in (smaller, greater)]
    contents = [row.rpartition(FIELD)[2].partition(CHUNK)[0].encode() for row in rows]
    assert contents == sorted(contents)


def test_of_copies_that_differ_behind_the_item_one_wins_whatever_their_order() -> None:
    copies = [_decision(count=3, sample=sample) for sample in ("a", "b", "c")]
    rows = [decision_row(copy, close_ms=CLOSE_MS, entity='["u"]') for copy in copies]
    for order in permutations(rows):
        (text,) = joined(list(order)).values()
        result = reward_decision(window_row("m", text).row, RewardPolicy())
        assert {name: n for _, name, n in result.tally} == {"conflicts": 2, "duplicate_decisions": 2, "joined": 1}


def test_a_row_of_an_earlier_version_has_the_whole_payload() -> None:
    decision = _decision(count=2, sample="s")
    note = f"D{decision.event_ms}{checksum(decision.payload):08x}"
    content = f'{decision.payload}{GROUP}["u"]'
    row = window_row("m", f"D{decision.message_id}{content}{FIELD}{note}{NOTE}{note}").row
    assert (row.payload, row.winner) == (decision.payload, None)
    result = reward_decision(row, RewardPolicy())
    assert [name for _, name, _ in result.tally] == ["duplicate_decisions", "joined"]


def test_copies_of_an_earlier_version_and_of_this_one_are_the_same() -> None:
    decision = _decision(count=2, sample="s")
    row = decision_row(decision, close_ms=CLOSE_MS, entity='["u"]')
    earlier = row.rpartition(FIELD)[0] + f'{FIELD}{decision.payload}{GROUP}["u"]'
    for order in ([row, earlier], [earlier, row]):
        (text,) = joined(order).values()
        result = reward_decision(window_row("m", text).row, RewardPolicy())
        assert [name for _, name, _ in result.tally] == ["duplicate_decisions", "joined"]


@pytest.mark.parametrize("value", [0.1 + 0.2, 5e-324, -1.7976931348623157e308, math.inf, 1e22, -0.0])
def test_a_reward_comes_back_to_the_last_bit(value: float) -> None:
    (text,) = joined([reward_row(_reward(0, value), close_ms=CLOSE_MS)]).values()
    (copy,) = window_row("m", text).row.rewards
    assert copy.value.hex() == value.hex()


def test_a_row_opens_with_the_last_millisecond_of_its_window_and_its_event_time() -> None:
    row = decision_row(_decision(), close_ms=CLOSE_MS, entity="")
    assert tuple(map(int, row.split(FIELD)[:2])) == (CLOSE_MS - 1, T0_MS + 1000)


@pytest.mark.parametrize("event_ms", [0, T0_MS, 5_680_281_600_000])
def test_a_row_that_moves_the_watermark_enters_no_window(event_ms: int) -> None:
    row = clock_row(event_ms)
    assert tuple(map(int, row.split(FIELD)[:2])) == (event_ms, event_ms)
    assert joined([row]) == {}


def late(row: str) -> dict[str, Any]:
    """What is shown of a late row, as SQL hands it over."""
    rowtime, _, key, model, note, *contents = row.split(FIELD)
    content = contents[0] if contents else None
    shown: dict[str, Any] = json.loads(late_line(int(rowtime) // 1000, key, model, note, content))
    return shown


def test_a_late_row_is_shown_with_all_that_it_carries() -> None:
    decision = _decision(item={"é": "\u2028"}, sample=1, count=2)
    shown = late(decision_row(decision, close_ms=CLOSE_MS, entity='["u"]'))
    note = f"D{T0_MS + 1000}{checksum(decision.payload):08x}"
    assert shown == {
        "kind": "D",
        "model": "m",
        "id": decision.message_id,
        "close_ms": CLOSE_MS,
        "note": note,
        "payload": {"context": decision.context, "count": 2, "item": {"é": "\u2028"}},
    }


def test_a_late_reward_is_of_its_own_kind_and_has_no_payload() -> None:
    shown = late(reward_row(_reward(3, 1.0), close_ms=CLOSE_MS))
    assert (shown["kind"], shown["id"], shown["payload"]) == ("R", ksuid(1), None)


# What a base says of a row.


@given(item=JSON, entity=ENTITIES | st.just(""), offset=st.floats(allow_nan=False))
def test_an_offset_and_its_base_come_back_with_the_decision(item: Any, entity: str, offset: float) -> None:
    decision = _decision(item=item)
    plain = decision_row(decision, close_ms=CLOSE_MS, entity=entity)
    rows = [with_base(plain, offset, "b-1_x"), reward_row(_reward(1, 2.0), close_ms=CLOSE_MS)]
    ((close_ms, _, found_entity), text) = next(iter(joined(rows).items()))
    assert (close_ms, found_entity) == (CLOSE_MS, entity or None)
    found = window_row("m", text)
    assert (found.row.payload, len(found.row.rewards)) == (decision.core, 1)
    assert (found.offset.hex(), found.base_version) == (offset.hex(), "b-1_x")


def test_a_row_without_a_base_has_the_offset_0_of_none() -> None:
    (text,) = joined([decision_row(_decision(), close_ms=CLOSE_MS, entity='["u"]')]).values()
    assert window_row("m", text)[2:] == (0.0, "")


def test_of_conflicting_copies_the_offset_is_that_of_the_greatest_payload() -> None:
    rows = [
        with_base(decision_row(_decision(item={"a": number}), close_ms=CLOSE_MS, entity='["u"]'), offset, "b1")
        for number, offset in ((1, 9.5), (2, 0.5))
    ]
    for order in (rows, rows[::-1]):
        (text,) = joined(order).values()
        assert window_row("m", text).offset == 0.5


def test_a_late_row_shows_the_same_with_a_base() -> None:
    plain = decision_row(_decision(), close_ms=CLOSE_MS, entity='["u"]')
    assert late(with_base(plain, 0.5, "b1")) == late(plain)


def test_a_row_says_when_its_window_ends() -> None:
    assert close_ms_of(decision_row(_decision(), close_ms=CLOSE_MS, entity="")) == CLOSE_MS
