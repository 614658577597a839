from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lambda_learner.publish.errors import PreconditionFailed, StoreError
from lambda_learner.publish.store import FolderStore, etag_of, open_store


@pytest.fixture
def folder(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "bucket")


def _keys(store: FolderStore, prefix: str = "") -> list[str]:
    return [info.key for info in store.list(prefix)]


def test_what_is_put_is_got_with_the_hash_of_its_content(folder: FolderStore) -> None:
    folder.put("a/b.json", b"one")
    found = folder.get("a/b.json")
    assert found is not None
    assert found.data == b"one"
    assert found.etag == etag_of(b"one") != etag_of(b"two")


def test_what_is_not_there_is_none(folder: FolderStore) -> None:
    folder.put("a/b", b"")
    assert folder.get("a/c") is None
    assert folder.get("a") is None
    assert folder.get("a/b/c") is None


def test_put_if_writes_over_the_expected_object_only(folder: FolderStore) -> None:
    etag = folder.put_if("k", b"one", None)
    assert folder.put_if("k", b"two", etag) == etag_of(b"two")
    with pytest.raises(PreconditionFailed, match="k was changed by another writer"):
        folder.put_if("k", b"three", etag)
    with pytest.raises(PreconditionFailed):
        folder.put_if("k", b"three", None)
    with pytest.raises(PreconditionFailed):
        folder.put_if("new", b"three", etag)
    assert folder.get("k") is not None
    assert folder.get("new") is None


def test_a_listing_is_in_order_of_key_and_takes_any_prefix(folder: FolderStore) -> None:
    for key in ["b", "a/x", "a/y/z", "a-b", "ab/c"]:
        folder.put(key, b"12")
    assert _keys(folder) == ["a-b", "a/x", "a/y/z", "ab/c", "b"]
    assert _keys(folder, "a") == ["a-b", "a/x", "a/y/z", "ab/c"]
    assert _keys(folder, "a/") == ["a/x", "a/y/z"]
    assert _keys(folder, "a/y/z") == ["a/y/z"]
    assert _keys(folder, "none/") == []
    assert next(folder.list("b")).size == 2


def test_a_listing_of_a_bucket_that_is_not_there_is_empty(folder: FolderStore) -> None:
    assert _keys(folder) == []


def test_a_deleted_object_is_gone_and_may_be_deleted_again(folder: FolderStore) -> None:
    folder.put("a/b", b"x")
    folder.delete("a/b")
    folder.delete("a/b")
    folder.delete("never/was")
    assert folder.get("a/b") is None
    assert _keys(folder) == []


def test_modified_is_the_time_of_the_last_put_even_of_the_same_content(folder: FolderStore, tmp_path: Path) -> None:
    folder.put("a", b"x")
    os.utime(tmp_path / "bucket" / "a", ns=(0, 5_000_000_000))
    assert next(folder.list("a")).modified_ms == 5_000
    folder.put("a", b"x")
    assert next(folder.list("a")).modified_ms > 5_000


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", ".", "../a", "a/../b", "a/.hidden", "a\0", "a\\b"])
def test_a_key_that_could_leave_the_bucket_or_meet_our_own_files_is_refused(folder: FolderStore, key: str) -> None:
    with pytest.raises(ValueError, match="a key is names joined by"):
        folder.get(key)
    with pytest.raises(ValueError, match="a key is names joined by"):
        folder.put(key, b"")


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


@pytest.mark.parametrize("url", ["s3://bucket", "http://x/y", "", "file:"])
def test_a_url_of_another_kind_is_refused_and_says_what_is_accepted(url: str) -> None:
    with pytest.raises(StoreError, match="bucket must"):
        open_store(url)


def test_opening_a_store_writes_nothing(tmp_path: Path) -> None:
    open_store(tmp_path / "new").get("k")
    assert not (tmp_path / "new").exists()
