from __future__ import annotations

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest

from lambda_learner.archive.merge import merge
from lambda_learner.archive.partition import (
    Partition,
    all_partitions,
    first_id,
    models_of,
    parse_key,
    partition_file,
    partitions,
    prefix_of,
)
from lambda_learner.archive.rows import table_of
from lambda_learner.events import ksuid
from tests.harness.archive import START_S, MemoryStore, a_decision, an_id, put_rows

# improve_protocol.md §3: the Gym's own pattern of valid keys
GYM_KEY = r"rewarded_decisions/.+/parquet/\d{4}/\d{2}/\d{2}/\d{8}T\d{6}Z-\d{8}T\d{6}Z-\d+-(.){36}.parquet"
TABLE = merge([table_of([a_decision(an_id(0)), a_decision(an_id(9400))])])
UUID_TEXT = "f93f51cf-a75f-4a1d-8716-f33b0dd3b62c"
KEY = f"rewarded_decisions/movies/parquet/2023/11/15/20231115T005000Z-20231114T221320Z-2-{UUID_TEXT}.parquet"


def test_a_key_has_the_newest_second_first_and_its_day_as_folders() -> None:
    key = partition_file("movies", TABLE).key
    assert key.startswith("rewarded_decisions/movies/parquet/2023/11/15/20231115T005000Z-20231114T221320Z-2-")
    assert re.fullmatch(GYM_KEY, key)
    assert UUID(key.removesuffix(".parquet")[-36:]).version == 5


def test_a_key_tells_what_is_in_the_file() -> None:
    file = partition_file("movies", TABLE)
    assert parse_key(file.key, 7) == Partition(file.key, "movies", START_S, START_S + 9400, 2, 7)


def test_a_key_of_the_gym_is_understood() -> None:
    assert parse_key(KEY) == Partition(KEY, "movies", START_S, START_S + 9400, 2)


def test_the_same_rows_have_the_same_key_and_bytes_and_others_another_key() -> None:
    other = merge([table_of([a_decision(an_id(0)), a_decision(an_id(9400), count=4)])])
    assert partition_file("movies", TABLE) == partition_file("movies", merge([TABLE]))
    assert partition_file("movies", TABLE).key != partition_file("movies", other).key


def test_a_key_can_follow_from_its_inputs() -> None:
    one, same, other = (partition_file("movies", TABLE, inputs) for inputs in (["a", "b"], ["a", "b"], ["ab"]))
    assert one == same
    assert one.key != other.key
    assert one.data == other.data


@pytest.mark.parametrize(
    "key",
    [
        KEY + ".gz",
        KEY.replace("parquet/2023", "parquet/x/2023"),
        KEY.replace("-2-", "-two-"),
        KEY.replace("T005000Z", "T995000Z"),
        KEY.replace("movies", "mo/vies"),
        KEY.replace("movies", "_movies"),
        KEY.replace("2023/11/15", "2023/11"),
        KEY.replace("rewarded_decisions", "unrecoverable/rewarded_decisions"),
        KEY + "\n",
        "",
    ],
)
def test_other_keys_are_no_partitions(key: str) -> None:
    assert parse_key(key) is None


def test_a_name_whose_times_are_swapped_still_gives_a_range() -> None:
    swapped = KEY.replace("20231115T005000Z-20231114T221320Z", "20231114T221320Z-20231115T005000Z")
    partition = parse_key(swapped)
    assert partition is not None
    assert (partition.min_s, partition.max_s) == (START_S, START_S + 9400)


def test_a_model_whose_name_begins_another_has_its_own_files_only() -> None:
    store = MemoryStore()
    keys = {model: put_rows(store, [a_decision(an_id(0))], model) for model in ("song", "songs", "song.s", "song-2")}
    assert {model: [file.key for file in partitions(store, model)] for model in keys} == {
        model: [key] for model, key in keys.items()
    }
    assert models_of(store) == sorted(keys)


def test_what_is_no_partition_is_not_listed() -> None:
    store = MemoryStore()
    store.objects[prefix_of("movies") + "2023/11/15/notes.txt"] = b"hello"
    key = put_rows(store, [a_decision(an_id(0))])
    assert [file.key for file in partitions(store, "movies")] == [key]


def test_a_name_that_no_model_has_is_refused() -> None:
    with pytest.raises(ValueError, match="model must be"):
        prefix_of("../songs")


def test_a_listing_in_the_middle_of_a_compaction_misses_no_row() -> None:
    store = MemoryStore()
    middle = put_rows(store, [a_decision(an_id(50_000))])
    late = put_rows(store, [a_decision(an_id(90_000))])
    early = middle.replace("20231115T", "20231114T")

    def move(listed: str) -> None:
        """Behind the walk's place the row is written, before it it is deleted."""
        if listed == middle:
            store.objects[early] = store.objects.pop(late, b"")

    store.while_listing = move
    assert [file.key for file in partitions(store, "movies")] == [middle]  # neither the old place nor the new one
    store.objects[late] = store.objects.pop(early)
    assert {early, middle} <= {file.key for file in all_partitions(store, "movies")}


def test_the_first_id_of_a_second_parts_the_ids_by_time() -> None:
    assert an_id(4, 2**128 - 1) < first_id(START_S + 5) <= an_id(5, 0)
    assert first_id(0) == "0" * 27
    assert first_id(2**40) > ksuid.MAX


def test_a_name_of_the_folders_is_the_day_of_the_newest_row_in_utc() -> None:
    key = partition_file("movies", TABLE).key
    day = datetime.fromtimestamp(START_S + 9400, tz=UTC)
    assert f"/{day:%Y/%m/%d}/" in key
