from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.archive.importing import copy_firehose, event_lines, firehose_order, write_events
from lambda_learner.archive.merge import merge
from lambda_learner.archive.rows import ArchiveRow, decision_row, reward_row, table_of
from lambda_learner.events import Decision, Reward, decode
from operators.files import plan_folder, read_chunk
from tests.harness.archive import (
    MODEL,
    START_S,
    MemoryStore,
    a_decision,
    a_reward,
    an_id,
    merged_plainly,
    put_rows,
    rows_of,
)

NOW_MS = (START_S + 10**6) * 1000
FIREHOSE = (
    "improveai-acme-demo-firehose-prod-1-2023-11-{day:02d}-{hour:02d}-00-00-f93f51cf-a75f-4a1d-8716-f33b0dd3b62c.gz"
)


def events_of(lines: list[bytes]) -> list[Decision | Reward]:
    events = [decode(line.rstrip(b"\n"), arrival_ms=NOW_MS) for line in lines]
    assert all(isinstance(event, (Decision, Reward)) for event in events)
    return [event for event in events if isinstance(event, (Decision, Reward))]


def rows_again(lines: list[bytes]) -> list[ArchiveRow]:
    """The rows that the lines become when they are archived again."""
    events = events_of(lines)
    rows = [decision_row(event) if isinstance(event, Decision) else reward_row(event) for event in events]
    return rows_of(merge([table_of(rows)]))


def lines_of(*rows: ArchiveRow) -> list[bytes]:
    return list(event_lines(MODEL, merge([table_of(rows)])))


def test_a_row_gives_its_decision_and_each_of_its_rewards() -> None:
    first, second = an_id(70), an_id(80)
    lines = lines_of(a_decision(an_id(1)), a_reward(an_id(1), second, 2.0), a_reward(an_id(1), first, 0.1))
    decision, *rewards = map(orjson.loads, lines)
    assert decision == {
        "message_id": an_id(1),
        "model": MODEL,
        "item": {"id": 1},
        "context": None,
        "count": 3,
        "sample": {"id": 2},
        "received_at": (START_S + 1) * 1000,
    }
    common = {"model": MODEL, "decision_id": an_id(1)}
    assert rewards == [
        {**common, "message_id": first, "reward": 0.1, "received_at": (START_S + 70) * 1000},
        {**common, "message_id": second, "reward": 2.0, "received_at": (START_S + 80) * 1000},
    ]


def test_a_partial_row_gives_its_rewards() -> None:
    (event,) = events_of(lines_of(a_reward(an_id(1), an_id(2), 0.5)))
    assert isinstance(event, Reward)
    assert (event.message_id, event.decision_id, event.value) == (an_id(2), an_id(1), 0.5)


def test_a_reward_older_than_its_decision_is_not_ahead_of_its_clock() -> None:
    (event,) = events_of(lines_of(a_reward(an_id(9000), an_id(2))))
    assert event.event_ms == (START_S + 2) * 1000


def test_no_event_is_later_than_its_id() -> None:
    events = events_of(lines_of(a_decision(an_id(1)), a_reward(an_id(1), an_id(500))))
    assert [event.event_ms for event in events] == [(START_S + 1) * 1000, (START_S + 500) * 1000]


def test_a_reward_whose_own_id_is_no_ksuid_is_counted() -> None:
    counts: Counter[str] = Counter()
    row = ArchiveRow(an_id(1), rewards=f'{{"me":1.0,"{an_id(2)}":2.0}}', reward=3.0)
    assert len(list(event_lines(MODEL, table_of([row]), counts))) == 1
    assert counts == Counter(rewards=1, bad_rewards=1)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["$value", "a", ""]), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(JSON, JSON, JSON, st.lists(JSON, max_size=3))
def test_every_decision_comes_out_as_it_went_in(
    item: object, context: object, sample: object, others: list[object]
) -> None:
    version_7 = {"item": ..., "variant": {"$value": item}, "runners_up": [{"$value": each} for each in others]}
    fields = {**version_7, "givens": {"$value": context}} if others else {"item": item, "context": context}
    extra = {"propensity": 0.5, "model_version": "v1"}
    row = a_decision(an_id(1), count=9, sample={"$value": sample} if others else sample, **fields, **extra)
    assert rows_again(lines_of(row)) == [row]


def test_an_archive_comes_out_as_it_went_in_over_many_files(tmp_path: Path) -> None:
    store = MemoryStore()
    rows = [a_decision(an_id(second), item=second) for second in range(40)]
    rows += [a_reward(an_id(second % 50), an_id(90, second)) for second in range(70)]
    for start in range(0, len(rows), 9):
        put_rows(store, rows[start : start + 20])  # half of each file is in the next one too
    imported = write_events(store, MODEL, tmp_path, lines_a_file=25)
    assert (imported.decisions, imported.rewards, imported.skipped) == (40, 70, Counter())
    assert sorted(imported.files) == sorted(tmp_path.iterdir())
    lines = [line for file in imported.files for line in gzip.decompress(file.read_bytes()).splitlines()]
    assert len(lines) == 110
    assert rows_again(lines) == merged_plainly(rows)


def test_the_files_are_what_the_jobs_source_reads(tmp_path: Path) -> None:
    store = MemoryStore()
    rows = [a_decision(an_id(second)) for second in range(30)]
    put_rows(store, rows)
    write_events(store, MODEL, tmp_path, lines_a_file=7)
    lines = [line for chunk in plan_folder(str(tmp_path)) for line in read_chunk(chunk)]
    assert rows_again([line.data for line in lines]) == rows


def test_the_same_archive_gives_the_same_files(tmp_path: Path) -> None:
    store = MemoryStore()
    put_rows(store, [a_decision(an_id(second)) for second in range(5)])
    one, other = (write_events(store, MODEL, tmp_path / name).files for name in "ab")
    assert [file.read_bytes() for file in one] == [file.read_bytes() for file in other]
    assert [file.name for file in one] == ["events-movies-00000.jsonl.gz"]


def test_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    store = MemoryStore()
    put_rows(store, [a_decision(an_id(1))])
    store.objects[put_rows(store, [a_decision(an_id(2))])] = b"damaged"
    imported = write_events(store, MODEL, tmp_path)
    assert (imported.decisions, imported.skipped) == (1, Counter(damaged_files=1))


def test_an_empty_bucket_gives_no_file(tmp_path: Path) -> None:
    assert write_events(MemoryStore(), MODEL, tmp_path).files == ()


def test_firehose_files_are_in_order_of_time_with_their_folders_or_without() -> None:
    names = [FIREHOSE.format(day=14, hour=2), "2023/11/13/09/" + FIREHOSE.format(day=13, hour=9), "other.gz"]
    names += ["2023/11/14/01/" + FIREHOSE.format(day=14, hour=1)]
    assert firehose_order(names) == [names[1], names[3], names[0], names[2]]


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("2023/11/14/02/a.gz", "2023/11/14/02/a.gz"),
        ("no-suffix", "no-suffix.json.gz"),
        ("_hidden/a.gz", "hidden_hidden/a.gz"),
    ],
)
def test_a_firehose_bucket_becomes_files_that_the_source_reads(key: str, path: str, tmp_path: Path) -> None:
    store = MemoryStore()
    store.objects = {key: gzip.compress(b'{"a":1}\n'), "empty.gz": b""}
    assert copy_firehose(store, tmp_path) == [tmp_path / path]
    assert copy_firehose(store, tmp_path) == [tmp_path / path]
    assert gzip.decompress((tmp_path / path).read_bytes()) == b'{"a":1}\n'
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [tmp_path / path]


def test_plain_lines_keep_their_name(tmp_path: Path) -> None:
    store = MemoryStore()
    store.objects = {"old/lines.json": b'{"a":1}\n'}
    assert copy_firehose(store, tmp_path) == [tmp_path / "old/lines.json"]
