"""What is known of checkpoints where they are kept, in a folder and in S3 alike."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobs.checkpoint_place import Checkpoint, Place, folder_place, newest_first, place_of, s3_place
from lambda_learner.publish.s3_address import parse_address
from lambda_learner.publish.s3_client import connect
from tests.harness.s3 import S3

FIRST, SECOND = "0a1b2c3d", "9f8e7d6c"  # attempts


def put(place: Place, *keys: str, data: bytes = b"state") -> None:
    for key in keys:
        place.store.put(key, data)


def test_a_checkpoint_is_named_as_flink_names_it(place: Place) -> None:
    put(place, f"{FIRST}/chk-7/_metadata", f"{FIRST}/chk-7/b", f"{FIRST}/shared/c")
    (found,) = place.checkpoints()
    assert found.name == f"{place.directory}/{FIRST}/chk-7"
    assert found.number == 7
    assert found.modified_ms > 0


def test_one_that_was_cut_short_does_not_count(place: Place) -> None:
    put(place, f"{FIRST}/chk-7/b")
    assert place.checkpoints() == []


def test_nothing_that_flink_does_not_name_so_is_a_checkpoint(place: Place) -> None:
    put(place, "chk-1/_metadata", f"{FIRST}/chk-x/_metadata", f"{FIRST}/x/_metadata", f"{FIRST}/chk-1/b/_metadata")
    assert place.checkpoints() == []


def test_a_directory_that_is_not_there_has_none(place: Place) -> None:
    assert place.checkpoints() == []
    place.keep_only(())


def test_its_files_are_told_with_their_sizes_and_read(place: Place) -> None:
    put(place, f"{FIRST}/chk-7/b", data=b"12345")
    assert place.files() == {f"{FIRST}/chk-7/b": 5}
    assert place.read(f"{FIRST}/chk-7/b") == b"12345"
    assert place.read(f"{FIRST}/chk-7/c") is None


def test_attempts_without_a_checkpoint_that_is_kept_are_removed_whole(place: Place) -> None:
    put(place, f"{FIRST}/chk-1/_metadata", f"{FIRST}/chk-2/_metadata", f"{FIRST}/taskowned/x")
    put(place, f"{SECOND}/chk-3/_metadata", f"{SECOND}/chk-3/b")
    place.keep_only([f"{place.directory}/{FIRST}/chk-2", "file:///elsewhere/9f8e7d6c/chk-3"])
    assert set(place.files()) == {f"{FIRST}/chk-1/_metadata", f"{FIRST}/chk-2/_metadata", f"{FIRST}/taskowned/x"}
    place.keep_only(())
    assert place.files() == {}


def test_a_path_is_known_by_its_key(place: Place) -> None:
    path = "/" + place.directory.partition("://")[2].partition("/")[2]
    assert place.key_of_path(f"{path}/{FIRST}/chk-1/b") == f"{FIRST}/chk-1/b"
    assert place.key_of_path("/elsewhere/b") == "/elsewhere/b"


def test_a_folder_that_is_empty_is_removed_too(tmp_path: Path) -> None:
    (tmp_path / FIRST / "shared").mkdir(parents=True)
    folder_place(tmp_path).keep_only(())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.services
def test_an_object_that_stands_for_a_folder_is_removed_too(s3: S3) -> None:
    url = s3.new_url()
    place, address = s3_place(url, "owner"), parse_address(url)
    client = connect(address)
    client.put_object(Bucket=address.bucket, Key=f"{address.prefix}/owner/{FIRST}/shared/", Body=b"")
    place.keep_only(())
    assert client.list_objects_v2(Bucket=address.bucket, Prefix=f"{address.prefix}/").get("KeyCount") == 0


@pytest.mark.services
def test_two_jobs_with_one_address_are_nothing_to_each_other(s3: S3) -> None:
    url = s3.new_url()
    one, other = s3_place(url, "one"), s3_place(url, "other")
    put(one, f"{FIRST}/chk-1/_metadata")
    assert other.checkpoints() == []
    other.keep_only(())
    assert len(one.checkpoints()) == 1


def test_a_bucket_without_a_prefix_has_a_folder_for_each_job() -> None:
    assert s3_place("s3://bucket", "owner").directory == "s3://bucket/owner"
    assert s3_place("s3://bucket/a/b?region=eu-west-1", "owner").directory == "s3://bucket/a/b/owner"


def test_the_newest_of_all_places_comes_first_and_in_one_second_that_of_the_higher_number() -> None:
    found = [Checkpoint(1_000, 9, "a"), Checkpoint(2_000, 9, "b"), Checkpoint(2_000, 10, "c")]
    assert [each.name for each in sorted(found, reverse=True)] == ["c", "b", "a"]


def test_the_checkpoints_of_two_places_are_in_one_order(tmp_path: Path) -> None:
    places = [folder_place(tmp_path / name) for name in ("new", "old")]
    for place, name, seconds in ((places[0], "chk-2", 200), (places[1], "chk-1", 100), (places[1], "chk-3", 300)):
        put(place, f"{FIRST}/{name}/_metadata")
        os.utime(tmp_path / place.directory.rpartition("/")[2] / FIRST / name / "_metadata", (seconds, seconds))
    found = newest_first(places)
    assert [name.rpartition("/")[2] for name in found] == ["chk-3", "chk-2", "chk-1"]
    assert [place_of(name, places) for name in found] == [places[1], places[0], places[1]]
