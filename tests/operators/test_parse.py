from __future__ import annotations

import base64
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from lambda_learner.join import minute_of
from lambda_learner.policy import ModelPolicy, Policies
from operators.counts import CountKey
from operators.files import Damage, Line
from operators.parse import Parsed, Parser
from operators.rows import FIELD
from tests.harness.cases import (
    ONE_ENTITY_POLICY,
    POLICY,
    T0_MS,
    T0_S,
    core_of,
    decision_line,
    joined,
    ksuid,
    line,
    record_line,
    reward_line,
)

ARRIVAL_MS = T0_MS + 600_000
DEADLINE_S = 1 + 20  # of a decision of second 1


def parse(*lines: bytes | Line | Damage, policy: ModelPolicy | None = POLICY, **changes: Any) -> Parsed:
    parser = Parser(Policies({}, policy), max_message_bytes=1000, max_clock_skew_ms=900_000)
    given = [Line(10 * number, each) if isinstance(each, bytes) else each for number, each in enumerate(lines)]
    for name, value in changes.items():
        parser = replace(parser, **{name: value})
    return parser.parse(given, source="f", arrival_ms=ARRIVAL_MS)


def counts(*keys: CountKey) -> Counter[CountKey]:
    return Counter(keys)


def test_a_decision_is_counted_and_enters_the_window_of_its_deadline() -> None:
    parsed = parse(decision_line(1))
    assert parsed.counts == counts((T0_MS, "", "lines"), (T0_MS, "m", "decisions"))
    assert list(joined(parsed.rows)) == [(T0_MS + 30_000, "m", '["u"]')]  # 21 s, rounded up to 10
    assert parsed.dead_letters == []


def test_a_reward_enters_the_window_of_its_decision_whatever_its_own_time() -> None:
    parsed = parse(decision_line(1), reward_line(DEADLINE_S, 0, ksuid(1)))
    assert list(joined(parsed.rows)) == [(T0_MS + 30_000, "m", '["u"]')]
    assert parsed.counts[T0_MS, "m", "rewards"] == 1


def test_a_reward_after_its_deadline_moves_the_watermark_only() -> None:
    parsed = parse(reward_line(DEADLINE_S + 1, 0, ksuid(1)))
    assert parsed.counts == counts((T0_MS, "", "lines"), (T0_MS, "m", "rewards"), (T0_MS, "m", "after_deadline"))
    assert joined(parsed.rows) == {}
    assert int(parsed.rows[0].split(FIELD)[1]) == T0_MS + 1000 * (DEADLINE_S + 1)


def test_a_record_enters_the_window_of_its_own_time() -> None:
    parsed = parse(record_line(11))
    assert list(joined(parsed.rows)) == [(T0_MS + 20_000, "m", '["u"]')]
    assert parsed.counts == counts((T0_MS, "", "lines"), (T0_MS, "m", "records"))


def test_a_heartbeat_moves_the_watermark_only() -> None:
    parsed = parse(line(type="heartbeat", time=T0_MS + 61_500))
    assert parsed.counts == counts((T0_MS + 60_000, "", "lines"), (T0_MS + 60_000, "", "heartbeats"))
    assert joined(parsed.rows) == {}
    assert int(parsed.rows[0].split(FIELD)[1]) == T0_MS + 61_500


def test_a_decision_without_the_entity_has_none() -> None:
    assert list(joined(parse(decision_line(1, user=None)).rows)) == [(T0_MS + 30_000, "m", None)]


def test_a_record_without_the_entity_has_none() -> None:
    assert list(joined(parse(record_line(1, entity=None)).rows)) == [(T0_MS + 10_000, "m", None)]


def test_all_lines_of_a_model_without_entity_paths_are_of_one_entity() -> None:
    parsed = parse(decision_line(1), record_line(1), record_line(2, entity=None), policy=ONE_ENTITY_POLICY)
    assert {entity for _, _, entity in joined(parsed.rows)} == {"[]"}


def test_an_entity_keeps_its_type() -> None:
    parsed = parse(decision_line(1, 0, user=7), decision_line(1, 1, user="7"))
    assert {entity for _, _, entity in joined(parsed.rows)} == {"[7]", '["7"]'}


def test_a_model_that_no_policy_knows_is_a_dead_letter() -> None:
    parsed = parse(decision_line(1), reward_line(2, 0, ksuid(1)), record_line(3), policy=None)
    assert [json.loads(letter)["reason"] for letter in parsed.dead_letters] == ["unknown_model"] * 3
    assert parsed.rows == []
    assert {name for _, _, name in parsed.counts} == {"lines", "dead_lettered"}


def test_a_named_model_goes_by_its_own_policy() -> None:
    other = replace(POLICY, update_interval_ms=60_000)
    policies = Policies({"other": other}, POLICY)
    parser = Parser(policies, max_message_bytes=1000, max_clock_skew_ms=0)
    lines = [Line(0, decision_line(1, model="other")), Line(1, decision_line(1))]
    windows = joined(parser.parse(lines, source="f", arrival_ms=ARRIVAL_MS).rows)
    assert sorted(windows) == [(T0_MS + 30_000, "m", '["u"]'), (T0_MS + 60_000, "other", '["u"]')]


def test_a_dead_letter_says_what_is_wrong_where_and_of_what() -> None:
    raw = decision_line(1, count=0)
    (letter,) = parse(b'{"type":"heartbeat","time":0}', raw).dead_letters
    assert json.loads(letter) == {
        "reason": "bad_count",
        "field": "count",
        "value": "0",
        "message": "count must be an integer ≥ 1, got 0",
        "stage": "parse",
        "position": "f:10",
        "raw": raw.decode(),
    }


def test_the_raw_bytes_of_a_line_that_is_not_utf_8_are_base64() -> None:
    (letter,) = parse(b"\xff\x00{").dead_letters
    found = json.loads(letter)
    assert found["reason"] == "not_utf8"
    assert base64.b64decode(found["raw_base64"]) == b"\xff\x00{"
    assert "raw" not in found


def test_a_damage_is_a_dead_letter_with_the_piece_before_it() -> None:
    (letter,) = parse(Damage(77, b'{"a', "it ends")).dead_letters
    found = json.loads(letter)
    assert (found["reason"], found["position"], found["raw"]) == ("damaged_file", "f:77", '{"a')
    assert found["message"] == "file must be whole to its end, got it ends"


def test_a_bad_line_is_counted_at_its_arrival_under_no_model() -> None:
    minute = ARRIVAL_MS
    assert parse(b"{").counts == counts((minute, "", "lines"), (minute, "", "dead_lettered"))


def test_a_bad_line_leaves_those_around_it_as_they_are() -> None:
    parsed = parse(decision_line(1), b"", decision_line(2))
    assert (len(parsed.rows), len(parsed.dead_letters)) == (2, 1)


@pytest.mark.parametrize(("limit", "letters"), [(999, 1), (1000, 0)])
def test_a_line_longer_than_allowed_is_a_dead_letter(limit: int, letters: int) -> None:
    raw = decision_line(1)
    padded = raw + b" " * (1000 - len(raw))
    assert len(parse(padded, max_message_bytes=limit).dead_letters) == letters


def test_an_id_ahead_of_its_arrival_is_a_dead_letter() -> None:
    ahead = decision_line(1501)  # arrival + 901 s
    (letter,) = parse(ahead).dead_letters
    assert json.loads(letter)["reason"] == "clock_ahead"


def test_event_time_never_passes_arrival_but_the_deadline_is_of_the_raw_id() -> None:
    parsed = parse(decision_line(700))  # 100 s ahead, within the skew
    assert int(parsed.rows[0].split(FIELD)[1]) == ARRIVAL_MS
    assert list(joined(parsed.rows)) == [(T0_MS + 720_000, "m", '["u"]')]


def test_received_at_of_a_line_is_its_arrival() -> None:
    parsed = parse(decision_line(700, received_at=T0_MS + 650_000))
    assert int(parsed.rows[0].split(FIELD)[1]) == T0_MS + 650_000


def test_every_line_has_one_class() -> None:
    lines = [decision_line(1), decision_line(1), reward_line(2, 0, ksuid(1)), reward_line(99, 1, ksuid(1)), b"{", b""]
    total = Counter[str]()
    for (_, _, name), n in parse(*lines, record_line(1), line(type="heartbeat", time=0)).counts.items():
        total[name] += n
    kinds = ("dead_lettered", "heartbeats", "decisions", "rewards", "records")
    assert total["lines"] == sum(total[kind] for kind in kinds) == 8
    assert total["after_deadline"] == 1


def test_what_goes_on_of_a_decision_is_what_learning_reads() -> None:
    (text,) = joined(parse(decision_line(1, received_at=ARRIVAL_MS, count=2, sample=1)).rows).values()
    assert core_of(text).keys() == {"context", "count", "item"}


def test_no_lines_give_nothing() -> None:
    assert parse() == Parsed()


@pytest.mark.parametrize(("time_ms", "minute"), [(0, 0), (59_999, 0), (60_000, 60_000), (-1, -60_000)])
def test_a_minute_starts_at_its_first_millisecond(time_ms: int, minute: int) -> None:
    assert minute_of(time_ms) == minute


def test_the_tests_start_at_a_minute() -> None:
    assert minute_of(T0_S * 1000) == T0_MS
