from __future__ import annotations

import os
import pickle
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lambda_learner.publish.errors import PreconditionFailed, StoreError
from lambda_learner.publish.store import FolderStore, Store, etag_of, open_store

KEYS_BEYOND_A_PAGE = 1_003  # S3 lists 1,000 at a time
BAD_KEYS = ["", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "a/.hidden", "a\0", "a\\b"]


@pytest.fixture
def store(bucket_url: str) -> Store:
    return open_store(bucket_url)


@pytest.fixture
def folder(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "bucket")


def _keys(store: Store, prefix: str = "") -> list[str]:
    return [info.key for info in store.list(prefix)]


def test_what_is_put_is_got_and_its_etag_goes_with_its_content(store: Store) -> None:
    store.put("a/b.json", b"one")
    one = store.get("a/b.json")
    assert one is not None
    assert one.data == b"one"
    store.put("a/b.json", b"")
    other = store.get("a/b.json")
    assert other is not None
    assert other.data == b""
    assert other.etag != one.etag


def test_the_etag_of_a_folder_is_the_hash_of_the_content(folder: FolderStore) -> None:
    folder.put("a/b.json", b"one")
    found = folder.get("a/b.json")
    assert found is not None
    assert found.etag == etag_of(b"one") != etag_of(b"two")
    assert folder.put_if("c", b"two", None) == etag_of(b"two")


def test_what_is_not_there_is_none(store: Store) -> None:
    store.put("a/b", b"")
    assert store.get("a/c") is None
    assert store.get("a") is None
    assert store.get("a/b/c") is None


def test_put_if_writes_over_the_expected_object_only(store: Store) -> None:
    etag = store.put_if("k", b"one", None)
    assert store.put_if("k", b"two", etag) != etag
    with pytest.raises(PreconditionFailed, match="k was changed by another writer"):
        store.put_if("k", b"three", etag)
    with pytest.raises(PreconditionFailed):
        store.put_if("k", b"three", None)
    with pytest.raises(PreconditionFailed):
        store.put_if("new", b"three", etag)
    found = store.get("k")
    assert found is not None
    assert found.data == b"two"
    assert store.get("new") is None


def test_put_if_gives_the_etag_that_the_next_one_expects(store: Store) -> None:
    etag = store.put_if("k", b"0", None)
    for number in range(1, 4):
        assert (found := store.get("k")) is not None
        assert found.etag == etag
        etag = store.put_if("k", str(number).encode(), etag)


def test_a_listing_gives_the_etag_or_none(store: Store) -> None:
    etag = store.put_if("k", b"0", None)
    assert next(store.list("")).etag in {"", etag}


def test_a_listing_has_the_keys_beyond_a_page_too(store: Store) -> None:
    keys = [f"many/{number:04}" for number in range(KEYS_BEYOND_A_PAGE)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.put(key, b""), keys))
    assert _keys(store, "many/") == keys


@pytest.mark.parametrize(
    "key", ["a b/c d.json", "é/ü/漢字", "😀", "50%/a+b&c=d?e#f", "a'\"<>|*:;,@!$()~[]{}^`", "line\nfeed", "x" * 200]
)
def test_a_key_is_taken_as_it_is(store: Store, key: str) -> None:
    store.put(key, b"1")
    assert store.put_if(key, b"2", getattr(store.get(key), "etag", None))
    assert _keys(store) == [key]
    assert getattr(store.get(key), "data", None) == b"2"
    store.delete(key)
    assert _keys(store) == []


def test_an_object_of_ten_megabytes_comes_back_whole(store: Store) -> None:
    data = random.Random(1).randbytes(10_000_000)
    store.put("large", data)
    found = store.get("large")
    assert found is not None
    assert found.data == data
    assert next(store.list("large")).size == len(data)


def test_no_increment_by_compare_and_set_is_lost_between_threads(store: Store) -> None:
    def increment(_: int) -> None:
        while True:
            found = store.get("counter")
            value = int(found.data) if found else 0
            with suppress(PreconditionFailed):
                store.put_if("counter", str(value + 1).encode(), found.etag if found else None)
                return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(increment, range(40)))
    assert getattr(store.get("counter"), "data", None) == b"40"


def test_a_reader_sees_one_object_or_the_other_never_a_mixture(store: Store) -> None:
    store.put("k", bytes(100_000))

    def write() -> None:
        for number in range(20):
            store.put("k", bytes([number]) * 100_000)

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(write)
        while not written.done():
            found = store.get("k")
            assert found is not None
            assert len(found.data) == 100_000
            assert len(set(found.data)) == 1
        written.result()


def test_a_store_may_be_pickled(store: Store) -> None:
    store.put("k", b"v")
    other: Store = pickle.loads(pickle.dumps(store))
    assert other.get("k") == store.get("k")


def test_a_store_says_where_it_is(store: Store) -> None:
    assert "bucket" in repr(store) or "s3://" in repr(store)


def test_opening_a_store_writes_nothing(bucket_url: str) -> None:
    open_store(bucket_url).get("k")
    assert list(open_store(bucket_url).list("")) == []


def test_a_listing_is_in_order_of_key_and_takes_any_prefix(store: Store) -> None:
    for key in ["b", "a/x", "a/y/z", "a-b", "ab/c"]:
        store.put(key, b"12")
    assert _keys(store) == ["a-b", "a/x", "a/y/z", "ab/c", "b"]
    assert _keys(store, "a") == ["a-b", "a/x", "a/y/z", "ab/c"]
    assert _keys(store, "a/") == ["a/x", "a/y/z"]
    assert _keys(store, "a/y/z") == ["a/y/z"]
    assert _keys(store, "none/") == []
    assert next(store.list("b")).size == 2


def test_a_listing_of_an_empty_store_is_empty(store: Store) -> None:
    assert _keys(store) == []


def test_a_deleted_object_is_gone_and_may_be_deleted_again(store: Store) -> None:
    store.put("a/b", b"x")
    store.delete("a/b")
    store.delete("a/b")
    store.delete("never/was")
    assert store.get("a/b") is None
    assert _keys(store) == []


def test_modified_is_the_time_of_the_last_put_even_of_the_same_content(folder: FolderStore, tmp_path: Path) -> None:
    folder.put("a", b"x")
    os.utime(tmp_path / "bucket" / "a", ns=(0, 5_000_000_000))
    assert next(folder.list("a")).modified_ms == 5_000
    folder.put("a", b"x")
    assert next(folder.list("a")).modified_ms > 5_000


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_key_that_could_leave_the_bucket_or_meet_our_own_objects_is_refused(store: Store, key: str) -> None:
    with pytest.raises(ValueError, match="a key is names joined by"):
        store.get(key)
    with pytest.raises(ValueError, match="a key is names joined by"):
        store.put(key, b"")
    with pytest.raises(ValueError, match="a key is names joined by"):
        store.put_if(key, b"", None)
    with pytest.raises(ValueError, match="a key is names joined by"):
        store.delete(key)


@pytest.mark.parametrize("prefix", ["../", "a//b", "/", ".hidden/x", "a/../"])
def test_a_listing_cannot_leave_the_bucket(store: Store, prefix: str) -> None:
    with pytest.raises(ValueError, match="a key is names joined by"):
        list(store.list(prefix))


def test_the_leftover_of_a_crash_is_never_listed_and_goes_at_the_next_write(
    folder: FolderStore, tmp_path: Path
) -> None:
    folder.put("a/b", b"x")
    leftover = tmp_path / "bucket" / "a" / ".tmp"
    leftover.write_bytes(b"half")
    assert _keys(folder) == ["a/b"]
    folder.delete("a/b")
    assert not leftover.exists()


def test_a_write_that_fails_leaves_the_old_object_and_no_temporary_file(
    folder: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    folder.put("a/b", b"old")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(StoreError, match=r"cannot write a/b in .*No space left on device.*bucket"):
        folder.put("a/b", b"new")
    found = folder.get("a/b")
    assert found is not None
    assert found.data == b"old"
    assert not (tmp_path / "bucket" / "a" / ".tmp").exists()


@contextmanager
def _synced(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Collect, in order, what is synced and what is renamed."""
    calls: list[str] = []
    sync, rename = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        calls.append("sync " + Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        sync(descriptor)

    def replace(self: Path, target: Path) -> Path:
        calls.append(f"rename {self.name} {target.name}")
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        patched.setattr(Path, "replace", replace)
        yield calls


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to name descriptors")
def test_a_put_syncs_the_file_then_renames_it_then_syncs_the_folder(
    folder: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.put("a/b", b"old")
    with _synced(monkeypatch) as calls:
        folder.put("a/b", b"new")
    assert calls == ["sync .tmp", "rename .tmp b", "sync a"]


def test_a_bucket_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match=r"cannot write a.*give this user access .* or name another folder"):
        FolderStore(tmp_path / "file").put("a", b"")


def test_a_store_is_opened_by_file_url_by_path_text_or_by_path(tmp_path: Path) -> None:
    FolderStore(tmp_path).put("k", b"v")
    for url in (f"file:{tmp_path}", f"file://{tmp_path}", str(tmp_path), tmp_path):
        assert open_store(url).get("k") is not None


def test_a_relative_file_url_is_relative_to_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_store("file:bucket/models").put("k", b"v")
    assert (tmp_path / "bucket" / "models" / "k").read_bytes() == b"v"


@pytest.mark.parametrize("url", ["s3:bucket", "s3://", "s3://../x", "http://x/y", "", "file:"])
def test_a_url_of_another_kind_is_refused_and_says_what_is_accepted(url: str) -> None:
    with pytest.raises(StoreError, match="bucket must"):
        open_store(url)


def test_opening_a_folder_does_not_make_it(tmp_path: Path) -> None:
    open_store(tmp_path / "new").get("k")
    assert not (tmp_path / "new").exists()
