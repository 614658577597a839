from __future__ import annotations

import pytest

from lambda_learner.archive.forget_record import DamagedForgetRecord
from lambda_learner.archive.forgotten import add_forgotten, forgotten_key, read_all_forgotten, read_forgotten
from tests.harness.archive import MemoryStore

U1, U2 = '["u1"]', '["u2"]'


def test_nobody_is_forgotten_at_first() -> None:
    assert read_forgotten(MemoryStore(), "movies") == {}
    assert read_all_forgotten(MemoryStore()).until_ms("movies", U1) == 0


def test_an_entity_is_forgotten_up_to_the_latest_time() -> None:
    store = MemoryStore()
    for until_ms in (5, 9, 7):
        add_forgotten(store, "movies", U1, until_ms)
    add_forgotten(store, "movies", U2, 3)
    forgotten = read_all_forgotten(store)
    assert (forgotten.until_ms("movies", U1), forgotten.until_ms("movies", U2)) == (9, 3)
    assert (forgotten.until_ms("movies", '["u3"]'), forgotten.until_ms("songs", U1)) == (0, 0)


def test_the_object_does_not_name_the_entity() -> None:
    store = MemoryStore()
    add_forgotten(store, "movies", U1, 5)
    assert b"u1" not in store.objects[forgotten_key("movies")]


def test_an_object_that_is_there_and_says_so_already_is_not_written_again() -> None:
    store = MemoryStore()
    add_forgotten(store, "movies", U1, 5)
    changes = store.changes
    add_forgotten(store, "movies", U1, 5)
    assert store.changes == changes


@pytest.mark.parametrize("data", [b"{}", b"x", b'{"format_version": 1, "entities": {"a": "b"}}'])
def test_a_damaged_object_is_named(data: bytes) -> None:
    store = MemoryStore()
    store.objects[forgotten_key("movies")] = data
    with pytest.raises(DamagedForgetRecord, match=r"forgotten/movies/entities\.json"):
        read_all_forgotten(store)
