from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.events import fields
from lambda_learner.publish import FolderStore, keys

MODEL_NAMES = fields._MODEL  # what the wire format accepts


def test_the_keys_are_those_of_the_design() -> None:
    folder = keys.shard_folder("movies", "0123456789ab-2", 3)
    assert keys.generation_key("movies") == "coefficients/movies/generation.json"
    assert folder == "coefficients/movies/0123456789ab-2/03/"
    assert keys.manifest_key("movies", "0123456789ab-2", 3) == folder + "manifest.json"
    assert keys.delta_key(folder, 1_706_745_590_000) == folder + "20240131T235950Z-delta.parquet"
    assert keys.base_key(folder, 1_706_745_590_000) == folder + "20240131T235950Z-base.parquet"


@pytest.mark.parametrize(
    "model", ["", ".", "..", "a/b", "a\n", "-a", "é", "a" * 65, "a\0", "_owner.json", "a b", "../x"]
)
def test_a_model_that_is_not_safe_in_a_key_is_refused(model: str) -> None:
    with pytest.raises(ValueError, match="model must be"):
        keys.generation_key(model)


@pytest.mark.parametrize("generation", ["", "..", "a/b", "generation.json", "a\n"])
def test_a_generation_that_is_not_safe_in_a_key_is_refused(generation: str) -> None:
    with pytest.raises(ValueError, match="generation must be"):
        keys.manifest_key("movies", generation, 0)


@pytest.mark.parametrize("shard", [-1, 10_000])
def test_a_shard_outside_of_the_range_is_refused(shard: int) -> None:
    with pytest.raises(ValueError, match="shard must be"):
        keys.shard_text(shard)


@pytest.mark.parametrize("close_ms", [-1000, 1, 999, 253_402_300_800_000])
def test_a_close_that_is_no_whole_second_is_refused(close_ms: int) -> None:
    with pytest.raises(ValueError, match="close_ms must be"):
        keys.close_text(close_ms)


def test_keys_of_later_closes_sort_later() -> None:
    closes = [0, 1000, 59_000, 86_400_000, 1_706_745_590_000, 253_402_300_799_000]
    texts = [keys.close_text(close) for close in closes]
    assert texts == sorted(texts)


def test_a_manifest_is_known_by_its_key() -> None:
    assert keys.is_manifest_key("coefficients/movies/0123456789ab/00/manifest.json")
    assert not keys.is_manifest_key("coefficients/movies/generation.json")
    assert not keys.is_manifest_key("other/movies/0123456789ab/00/manifest.json")


def test_the_shard_of_an_entity_is_its_crc32_modulo_the_shards() -> None:
    assert keys.shard_of('["u1"]', 4) == zlib.crc32(b'["u1"]') % 4
    assert keys.shard_of('["\u00e9\0"]', 7) == zlib.crc32('["é\0"]'.encode()) % 7


def test_a_key_with_its_checksum_keeps_its_folder_and_suffix() -> None:
    assert keys.other_key("a/b-delta.parquet", "ff") == "a/b-delta-ff.parquet"


@given(model=st.from_regex(MODEL_NAMES, fullmatch=True))
def test_every_model_name_of_the_wire_format_has_keys_and_none_of_them_is_the_owner(model: str) -> None:
    folder = keys.generation_key(model).rpartition("/")[0]
    assert not keys.OWNER_KEY.startswith(folder + "/")
    assert folder != keys.OWNER_KEY


def test_a_folder_store_keeps_and_lists_the_owner(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put(keys.OWNER_KEY, b"{}")
    assert [info.key for info in store.list(keys.COEFFICIENTS)] == [keys.OWNER_KEY]


def test_a_model_may_be_called_as_the_owner_was(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put(keys.OWNER_KEY, b"{}")
    store.put(keys.generation_key("owner.json"), b"{}")
    assert len(list(store.list(keys.COEFFICIENTS))) == 2
