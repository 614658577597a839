from __future__ import annotations

import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lambda_learner.archive.compaction import Compacted, CompactionSettings, compact
from lambda_learner.archive.parquet_file import from_parquet
from lambda_learner.archive.partition import parse_key, partition_file, partitions, prefix_of
from lambda_learner.archive.rows import ArchiveRow, table_of
from tests.harness.archive import MODEL, MemoryStore, a_decision, a_reward, an_id, merged_plainly, put_rows, rows_of

SMALL = CompactionSettings(max_file_rows=10, max_buffer_rows=60)


def traffic(rng: random.Random, rows: int = 200) -> list[ArchiveRow]:
    """Decisions over an hour, rewards soon or late, some doubled, some in conflict."""
    made: list[ArchiveRow] = []
    for number in range(rows):
        second = rng.randrange(3600)
        made.append(a_decision(an_id(second, number), item=number))
        if rng.random() < 0.8:
            reward = a_reward(an_id(second, number), an_id(4000, number), rng.choice([0.1, 0.2, 1.0]))
            made.insert(rng.randrange(len(made)) if rng.random() < 0.3 else len(made), reward)
        if rng.random() < 0.1:
            made.append(rng.choice(made))
    return made


def put_parts(store: MemoryStore, rows: list[ArchiveRow], size: int) -> list[str]:
    return [put_rows(store, rows[start : start + size]) for start in range(0, len(rows), size)]


def all_rows(store: MemoryStore, model: str = MODEL) -> list[ArchiveRow]:
    """The rows of all files, in order of time where files do not overlap."""
    files = sorted(partitions(store, model), key=lambda file: file.min_s)
    return rows_of(from_parquet(store.objects[file.key], file.key) for file in files)


@pytest.mark.parametrize("size", [1, 3, 7, 30, 400])
@pytest.mark.parametrize("in_order", [True, False])
def test_compaction_leaves_each_row_once_in_files_that_do_not_overlap(size: int, *, in_order: bool) -> None:
    rows = traffic(random.Random(size), 60 if size < 7 else 200)
    if in_order:
        rows.sort(key=lambda row: row.decision_id)
    store = MemoryStore()
    put_parts(store, rows, size)
    assert compact(store, MODEL, SMALL).is_complete
    assert all_rows(store) == merged_plainly(rows)
    files = sorted(partitions(store, MODEL), key=lambda file: file.min_s)
    assert all(one.max_s < other.min_s for one, other in zip(files, files[1:], strict=False))
    assert all(3 <= file.rows <= 10 for file in files)


def test_a_second_compaction_does_nothing() -> None:
    store = MemoryStore()
    put_parts(store, traffic(random.Random(1)), 7)
    compact(store, MODEL, SMALL)
    before = dict(store.objects)
    assert compact(store, MODEL, SMALL) == Compacted()
    assert store.objects == before


def test_an_archive_of_one_file_is_left_alone() -> None:
    store = MemoryStore()
    put_rows(store, [a_decision(an_id(1))])
    assert compact(store, MODEL, SMALL) == Compacted()
    assert store.reads == []


def test_an_empty_archive_is_compact() -> None:
    assert compact(MemoryStore(), MODEL) == Compacted()


def test_a_late_reward_rewrites_the_file_of_its_decision_only() -> None:
    store = MemoryStore()
    put_parts(store, [a_decision(an_id(second)) for second in range(100)], 10)
    before = set(store.objects)
    late = put_rows(store, [a_reward(an_id(25), an_id(90_000)), a_reward(an_id(99), an_id(90_000, 1))])
    done = compact(store, MODEL, SMALL)
    assert (done.files_written, done.files_deleted) == (2, 3)
    assert len(before - set(store.objects)) == 2
    assert late not in store.objects
    assert [row.reward for row in all_rows(store)] == [1.0 if second in (25, 99) else 0.0 for second in range(100)]


def test_rewards_that_wait_for_their_decision_stay() -> None:
    store = MemoryStore()
    rows = [a_reward(an_id(1), an_id(5)), a_reward(an_id(2), an_id(6))]
    put_parts(store, rows, 1)
    compact(store, MODEL, SMALL)
    assert all_rows(store) == rows


def test_another_model_whose_name_begins_the_same_is_not_touched() -> None:
    store = MemoryStore()
    put_parts(store, [a_decision(an_id(1)), a_decision(an_id(2))], 1)
    other = [put_rows(store, [a_decision(an_id(second))], MODEL + "-2") for second in (1, 2)]
    compact(store, MODEL, SMALL)
    assert [file.key for file in partitions(store, MODEL + "-2")] == sorted(other)


def test_more_rows_in_one_second_than_a_file_should_have_are_one_file() -> None:
    store = MemoryStore()
    rows = [a_decision(an_id(5, number)) for number in range(35)] + [a_decision(an_id(6)), a_decision(an_id(4))]
    put_parts(store, rows, 6)
    assert compact(store, MODEL, SMALL).is_complete
    assert all_rows(store) == sorted(rows, key=lambda row: row.decision_id)
    before = dict(store.objects)
    assert compact(store, MODEL, SMALL).is_complete
    assert store.objects == before


def test_a_bad_row_is_set_aside_with_its_reason_and_not_its_file() -> None:
    store = MemoryStore()
    rows = [a_decision(an_id(second)) for second in range(4)]
    put_rows(store, rows[:2])
    file = partition_file(MODEL, table_of([rows[2], rows[3]._replace(item="{")]))
    store.objects[file.key] = file.data
    done = compact(store, MODEL, SMALL)
    assert done.bad_rows == 1
    assert all_rows(store) == rows[:3]
    (aside,) = store.list("unrecoverable/" + prefix_of(MODEL))
    (bad,) = pq.read_table(pa.BufferReader(store.objects[aside.key])).to_pylist()
    assert (bad["decision_id"], bad["item"], bad["reason"]) == (an_id(3), "{", "item must be JSON")
    assert parse_key(aside.key) is None


def test_an_id_ahead_of_the_clock_is_set_aside() -> None:
    store = MemoryStore()
    put_parts(store, [a_decision(an_id(1)), a_decision(an_id(9))], 1)
    assert compact(store, MODEL, CompactionSettings(latest_id=an_id(5))).bad_rows == 1
    assert [row.decision_id for row in all_rows(store)] == [an_id(1)]


@pytest.mark.parametrize("data", [b"", b"garbage", b"PAR1" * 20])
def test_an_unreadable_file_is_set_aside_by_copy_and_the_rest_goes_on(data: bytes) -> None:
    store = MemoryStore()
    rows = [a_decision(an_id(second)) for second in range(3)]
    damaged = put_parts(store, rows, 1)[1]
    store.objects[damaged] = data
    done = compact(store, MODEL, SMALL)
    assert done.damaged_files == 1
    assert all_rows(store) == [rows[0], rows[2]]
    assert store.objects["unrecoverable/" + damaged] == data
    assert b"cannot be read as parquet" in store.objects[f"unrecoverable/{damaged}.reason.txt"]
    assert damaged not in store.objects


def test_a_file_without_rows_goes() -> None:
    store = MemoryStore()
    rows = [a_decision(an_id(1)), a_decision(an_id(2))]
    empty = put_parts(store, rows, 2)[0].replace("-2-", "-0-")
    store.objects[empty] = partition_file(MODEL, table_of(rows)).data
    store.objects[empty] = _without_rows(store.objects[empty])
    compact(store, MODEL, SMALL)
    assert empty not in store.objects
    assert all_rows(store) == rows


def _without_rows(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pq.read_table(pa.BufferReader(data)).slice(0, 0), sink)
    empty: bytes = sink.getvalue().to_pybytes()
    return empty


def test_names_that_lie_about_their_rows_are_put_right() -> None:
    store = MemoryStore()
    rows = [a_decision(an_id(second)) for second in range(60)]
    keys = put_parts(store, rows, 10)
    for one, other in ((0, 3), (1, 5)):
        store.objects[keys[one]], store.objects[keys[other]] = store.objects[keys[other]], store.objects[keys[one]]
    put_rows(store, [a_reward(an_id(25), an_id(90_000)), a_reward(an_id(5), an_id(90_000, 1))])
    compact(store, MODEL, SMALL)
    assert sorted(row.decision_id for row in all_rows(store)) == [row.decision_id for row in rows]


def test_a_damaged_file_under_the_name_of_an_output_is_no_copy_of_it() -> None:
    rows = [a_decision(an_id(second)) for second in range(4)]
    clean, store = MemoryStore(), MemoryStore()
    for each in (clean, store):
        put_parts(each, rows, 2)
    compact(clean, MODEL, SMALL)
    (output,) = clean.objects
    store.objects[output] = b"cut off"
    compact(store, MODEL, SMALL)
    assert all_rows(store) == rows


def test_progress_ends_at_the_number_of_files() -> None:
    store = MemoryStore()
    put_parts(store, traffic(random.Random(2)), 7)
    seen: list[tuple[int, int]] = []
    compact(store, MODEL, SMALL, progress=lambda done, of: seen.append((done, of)))
    assert all(done <= of for done, of in seen)
    assert seen[-1][0] == seen[-1][1]


def test_a_long_chain_of_files_takes_one_round_though_its_seconds_have_many_rows() -> None:
    store = MemoryStore()
    rows = [a_decision(an_id(number // 5, number % 5), item=number) for number in range(400)]
    for start in range(0, 400, 8):
        put_rows(store, rows[start : start + 10])  # two rows of each file are in the next one too
    done = compact(store, MODEL, CompactionSettings(max_file_rows=12, max_buffer_rows=60))
    assert (done.rounds, done.is_complete) == (1, True)
    assert all_rows(store) == rows


def test_rounds_that_run_out_are_told() -> None:
    store = MemoryStore()
    put_parts(store, traffic(random.Random(3)), 2)
    assert not compact(store, MODEL, CompactionSettings(10, 60, max_rounds=1)).is_complete
