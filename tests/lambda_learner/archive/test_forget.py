from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest

from lambda_learner.archive.compaction import compact
from lambda_learner.archive.forget import forget
from lambda_learner.archive.forget_record import DamagedForgetRecord, record_key
from lambda_learner.archive.parquet_file import from_parquet
from lambda_learner.archive.partition import partition_file, partitions
from lambda_learner.archive.rows import ArchiveRow, table_of
from tests.harness.archive import MODEL, Crash, MemoryStore, a_decision, a_reward, an_id, put_rows, rows_of

PATHS = ["context.user_id"]
U1 = '["u1"]'


def of_user(second: int, user: object) -> ArchiveRow:
    return a_decision(an_id(second), context={"user_id": user})


def rows_in(store: MemoryStore, model: str = MODEL) -> list[ArchiveRow]:
    rows = rows_of(from_parquet(store.objects[file.key], file.key) for file in partitions(store, model))
    return sorted(rows, key=lambda row: row.decision_id)


def a_store() -> MemoryStore:
    """Decisions of u1 and u2 in three files; a reward of each in a file of its own."""
    store = MemoryStore()
    put_rows(store, [of_user(1, "u1"), of_user(2, "u2")])
    put_rows(store, [of_user(3, "u1"), of_user(4, "u1")])
    put_rows(store, [of_user(5, "u2"), of_user(6, "u2")])
    put_rows(store, [a_reward(an_id(1), an_id(50)), a_reward(an_id(2), an_id(51)), a_reward(an_id(9), an_id(52))])
    return store


KEPT = [2, 2, 5, 6, 9]


def seconds_left(store: MemoryStore) -> list[str]:
    return [row.decision_id for row in rows_in(store)]


def test_all_rows_of_an_entity_go_and_no_others() -> None:
    store = a_store()
    record = forget(store, MODEL, U1, PATHS, now_ms=7)
    assert seconds_left(store) == [an_id(second) for second in KEPT]
    assert record.decision_ids == (an_id(1), an_id(3), an_id(4))
    assert (record.rows_removed, record.files_rewritten, record.files_deleted) == (4, 2, 1)
    assert (record.state, record.started_ms, record.finished_ms) == ("done", 7, 7)


def test_a_file_without_their_rows_is_not_touched() -> None:
    store = a_store()
    untouched = {key for key in store.objects if b"u1" not in store.objects[key]}
    key = put_rows(store, [of_user(20, "u3")])
    forget(store, MODEL, U1, PATHS, now_ms=0)
    assert key in store.objects
    assert untouched


def test_the_record_says_what_was_done_without_naming_the_entity() -> None:
    store = a_store()
    forget(store, MODEL, U1, PATHS, now_ms=7)
    data = store.objects[record_key(MODEL, U1)]
    assert b"u1" not in data
    fields = orjson.loads(data)
    assert (fields["format_version"], fields["model"], fields["state"]) == (1, MODEL, "done")
    assert len(fields["entity_sha256"]) == 64


def test_forgetting_again_changes_nothing() -> None:
    store = a_store()
    first = forget(store, MODEL, U1, PATHS, now_ms=7)
    before = dict(store.objects)
    assert forget(store, MODEL, U1, PATHS, now_ms=99) == first
    assert store.objects == before


def test_what_comes_back_is_forgotten_again_without_its_decision_too() -> None:
    store = a_store()
    forget(store, MODEL, U1, PATHS, now_ms=7)
    put_rows(store, [a_reward(an_id(3), an_id(60))])  # a late reward
    put_rows(store, [of_user(1, "u1")])  # a replay of the archive
    record = forget(store, MODEL, U1, PATHS, now_ms=99)
    assert seconds_left(store) == [an_id(second) for second in KEPT]
    assert (record.rows_removed, record.finished_ms) == (6, 99)


def number_of_changes() -> int:
    store = a_store()
    forget(store, MODEL, U1, PATHS, now_ms=7)
    return store.changes


@pytest.mark.parametrize("crash_at", range(number_of_changes()))
def test_a_crash_at_any_change_is_made_good_by_the_next_run(crash_at: int) -> None:
    store = a_store()
    store.crash_at = crash_at
    with pytest.raises(Crash):
        forget(store, MODEL, U1, PATHS, now_ms=7)
    kept = [row for row in rows_in(store) if row.decision_id in {an_id(second) for second in KEPT}]
    assert {row.decision_id for row in kept} == {an_id(second) for second in KEPT}  # nothing of others is lost
    store.crash_at = None
    record = forget(store, MODEL, U1, PATHS, now_ms=8)
    assert sorted(set(seconds_left(store))) == sorted({an_id(second) for second in KEPT})
    assert record.state == "done"
    assert record.decision_ids == (an_id(1), an_id(3), an_id(4))


def test_an_entity_is_its_typed_values() -> None:
    store = MemoryStore()
    put_rows(store, [of_user(1, 7), of_user(2, "7"), of_user(3, 7.0), of_user(4, None), of_user(5, True)])
    forget(store, MODEL, "[7]", PATHS, now_ms=0)
    assert seconds_left(store) == [an_id(2), an_id(4), an_id(5)]


def test_an_entity_in_the_item_and_the_context_is_found() -> None:
    store = MemoryStore()
    both = [a_decision(an_id(second), item={"shop": second % 2}, context={"user_id": "u1"}) for second in range(4)]
    put_rows(store, both)
    forget(store, MODEL, '["u1",1]', [*PATHS, "item.shop"], now_ms=0)
    assert seconds_left(store) == [an_id(0), an_id(2)]


def test_an_entity_that_was_never_there_has_a_record_too() -> None:
    store = a_store()
    before = seconds_left(store)
    record = forget(store, MODEL, '["nobody"]', PATHS, now_ms=5)
    assert (record.rows_removed, record.decision_ids, record.state) == (0, (), "done")
    assert seconds_left(store) == before


def test_the_whole_model_is_no_entity_to_forget() -> None:
    with pytest.raises(ValueError, match="entity_paths must name"):
        forget(a_store(), MODEL, "[]", [], now_ms=0)


def test_another_model_keeps_its_rows() -> None:
    store = a_store()
    put_rows(store, [of_user(1, "u1")], MODEL + "s")
    forget(store, MODEL, U1, PATHS, now_ms=0)
    assert len(rows_in(store, MODEL + "s")) == 1


def test_bad_rows_that_were_set_aside_are_forgotten_too() -> None:
    store = a_store()
    theirs, others = of_user(7, "u1")._replace(sample="{"), of_user(8, "u2")._replace(sample="{")
    no_id = of_user(7, "u1")._replace(decision_id="nonsense")
    file = partition_file(MODEL, table_of([of_user(5, "u2"), theirs, others, no_id, of_user(9, "u2")]))
    store.objects[file.key] = file.data
    forget(store, MODEL, U1, PATHS, now_ms=0)
    compact(store, MODEL)
    aside = [key for key in store.objects if key.startswith("unrecoverable/")]
    assert [rows_of(from_parquet(store.objects[key], key)) for key in aside] == [[others]]
    assert {row.decision_id for row in rows_in(store)} == {an_id(second) for second in KEPT}


def test_files_that_nobody_can_read_are_named() -> None:
    store = a_store()
    damaged = put_rows(store, [of_user(7, "u1")])
    store.objects[damaged] = b"damaged"
    assert forget(store, MODEL, U1, PATHS, now_ms=0).unexamined == (damaged,)
    compact(store, MODEL)
    assert forget(store, MODEL, U1, PATHS, now_ms=0).unexamined == ("unrecoverable/" + damaged,)


def at_read(store: MemoryStore, number: int, act: Callable[[], object]) -> Callable[[], int]:
    """Have something else happen at the store's read of that number; the number of reads up to then."""
    reads = 0

    def interrupt(_: str) -> None:
        nonlocal reads
        reads += 1
        if reads == number:
            store.before_get = lambda key: None
            act()

    store.before_get = interrupt
    return lambda: reads


@pytest.mark.parametrize("read", range(1, 12))
def test_a_compaction_in_the_middle_brings_nothing_back(read: int) -> None:
    store = a_store()
    at_read(store, read, lambda: compact(store, MODEL))
    forget(store, MODEL, U1, PATHS, now_ms=0)
    assert seconds_left(store) == [an_id(second) for second in sorted(set(KEPT))]


@pytest.mark.parametrize("read", range(1, 5))
def test_a_compaction_that_ends_later_brings_nothing_back(read: int) -> None:
    store = a_store()
    reads = at_read(store, read, lambda: forget(store, MODEL, U1, PATHS, now_ms=0))
    compact(store, MODEL)
    assert reads() >= read
    assert set(seconds_left(store)) == {an_id(second) for second in KEPT}


def test_a_damaged_record_is_named() -> None:
    store = a_store()
    store.objects[record_key(MODEL, U1)] = b"{}"
    with pytest.raises(DamagedForgetRecord, match="forgotten/movies/"):
        forget(store, MODEL, U1, PATHS, now_ms=0)
