from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest

from lambda_learner.publish.errors import DamagedObject
from lambda_learner.publish.model_history import Activation, DamagedHistory, append, read_history
from lambda_learner.publish.model_keys import archive_stem, latest_key
from lambda_learner.publish.models import (
    DamagedArchive,
    NoSuchModel,
    archived_models,
    live_stem,
    publish_model,
    read_lineage,
    roll_back,
    stem_before,
)

XGB, MLMODEL = ".xgb.gz", ".mlmodel.gz"
LATEST, LATEST_APPLE = "models/latest/movies.xgb.gz", "models/latest/movies.mlmodel.gz"
SECOND = 1000
AT = 1_706_702_415_000  # 2024-01-31 12:00:15 UTC
LINEAGE = {"rows": 7, "seeds": {"model": 3}, "data": {"from": "a", "to": "b"}}


@pytest.fixture
def crash(new_store: Callable[[], Any]) -> type[Exception]:
    """What a store raises at the write that it is told to die at."""
    store = new_store()
    store.crash_at = 0
    with pytest.raises(Exception) as caught:  # noqa: PT011
        store.put("k", b"")
    return caught.type


def packed(text: str) -> bytes:
    return gzip.compress(text.encode(), mtime=0)


def published(store: Any, request_id: str, *, at_ms: int = AT, files: dict[str, bytes] | None = None) -> str:
    given = files or {XGB: packed(request_id), MLMODEL: packed("apple " + request_id)}
    return publish_model(store, "movies", given, request_id=request_id, time_ms=at_ms, lineage=LINEAGE)


def actions(store: Any) -> list[tuple[str, str]]:
    return [(entry.stem, entry.action) for entry in read_history(store, "movies").activations]


def test_a_model_lies_under_the_gym_s_keys(store: Any) -> None:
    stem = published(store, "r1")
    assert stem == archive_stem("movies", AT, "r1")
    assert stem.startswith("movies-2024-01-31-12-00-15-")
    assert set(store.objects) == {
        LATEST,
        LATEST_APPLE,
        f"models/archive/movies/{stem}.xgb.gz",
        f"models/archive/movies/{stem}.mlmodel.gz",
        f"models/archive/movies/{stem}.json",
        "models/history/movies.json",
    }
    assert store.objects[LATEST] == packed("r1")
    assert store.objects[LATEST_APPLE] == packed("apple r1")


def test_the_stem_is_a_function_of_model_second_and_request() -> None:
    stem = archive_stem("movies", AT, "r1")
    assert stem == archive_stem("movies", AT + 999, "r1")
    others = {archive_stem(*args) for args in (("m2", AT, "r1"), ("movies", AT + SECOND, "r1"), ("movies", AT, "r2"))}
    assert len(others | {stem}) == 4


def test_the_lineage_is_kept_beside_the_archived_model(store: Any) -> None:
    stem = published(store, "r1")
    lineage = read_lineage(store, "movies", stem)
    assert lineage is not None
    assert (lineage.model, lineage.stem, lineage.request_id, lineage.published_ms) == ("movies", stem, "r1", AT)
    assert lineage.fields == LINEAGE


def test_the_list_has_the_newest_first_and_the_live_one_is_told_by_its_bytes(store: Any) -> None:
    stems = [published(store, f"r{n}", at_ms=AT + n * SECOND) for n in range(3)]
    assert [archived.stem for archived in archived_models(store, "movies")] == stems[::-1]
    assert live_stem(store, "movies") == stems[2]
    store.put(LATEST, packed("from elsewhere"))
    assert live_stem(store, "movies") is None


def test_a_rollback_copies_an_archived_model_and_is_recorded(store: Any) -> None:
    first, second = published(store, "r1"), published(store, "r2", at_ms=AT + SECOND)
    assert stem_before(store, "movies") == first
    history = roll_back(store, "movies", first, at_ms=AT + 9 * SECOND, reason="fewer plays")
    assert store.objects[LATEST] == packed("r1")
    assert store.objects[LATEST_APPLE] == packed("apple r1")
    assert history.activations[-1] == Activation(first, "rollback", AT + 9 * SECOND, "fewer plays")
    assert actions(store) == [(first, "publish"), (second, "publish"), (first, "rollback")]
    assert live_stem(store, "movies") == first
    assert stem_before(store, "movies") is None


def test_two_steps_back_are_two_steps(store: Any) -> None:
    stems = [published(store, f"r{n}", at_ms=AT + n * SECOND) for n in range(3)]
    for stem in (stems[1], stems[0]):
        back = stem_before(store, "movies")
        assert back == stem
        roll_back(store, "movies", back, at_ms=AT)


def test_a_rollback_said_twice_is_one(store: Any) -> None:
    first, _ = published(store, "r1"), published(store, "r2", at_ms=AT + SECOND)
    for at_ms in (1, 2):
        roll_back(store, "movies", first, at_ms=at_ms)
    assert len(actions(store)) == 3


def test_a_gym_s_archive_without_lineage_can_be_gone_back_to(store: Any) -> None:
    stem = "movies-2023-05-06-07-08-09-0a1b2c3d-0000-4000-8000-0123456789ab"
    store.put(f"models/archive/movies/{stem}.xgb.gz", packed("gym"))
    store.put("models/archive/movies/notes.txt", b"not ours")
    published(store, "r1")
    roll_back(store, "movies", stem, at_ms=AT)
    assert store.objects[LATEST] == packed("gym")
    assert store.objects[LATEST_APPLE] == packed("apple r1")  # the Gym's has none: what was there stays
    assert [archived.has_lineage for archived in archived_models(store, "movies")] == [True, False]
    assert read_lineage(store, "movies", stem) is None


@pytest.mark.parametrize(
    "stem", ["nothing", "../latest/movies", "movies-2023-05-06-07-08-09-0a1b2c3d-0000-4000-8000-0123456789ab", "", "."]
)
def test_what_is_not_archived_cannot_be_gone_back_to(store: Any, stem: str) -> None:
    published(store, "r1")
    before = dict(store.objects)
    with pytest.raises(NoSuchModel, match=r"has no archived.*models list"):
        roll_back(store, "movies", stem, at_ms=AT)
    assert store.objects == before


@pytest.mark.parametrize("damage", ["cut", "other"])
def test_a_damaged_archive_is_refused_and_the_latest_stays(store: Any, damage: str) -> None:
    first, _ = published(store, "r1"), published(store, "r2", at_ms=AT + SECOND)
    key = f"models/archive/movies/{first}.xgb.gz"
    store.put(key, packed("other") if damage == "other" else store.objects[key][:-3])
    before = dict(store.objects)
    with pytest.raises(DamagedArchive, match=r"is damaged.*roll back to another one"):
        roll_back(store, "movies", first, at_ms=AT)
    assert store.objects == before


def test_a_gym_s_archive_that_is_cut_off_is_refused(store: Any) -> None:
    stem = "movies-2023-05-06-07-08-09-0a1b2c3d-0000-4000-8000-0123456789ab"
    store.put(f"models/archive/movies/{stem}.xgb.gz", packed("gym")[:-3])
    with pytest.raises(DamagedArchive, match="no whole gzip file"):
        roll_back(store, "movies", stem, at_ms=AT)


@pytest.mark.parametrize(
    "files", [{}, {MLMODEL: packed("a")}, {XGB: packed("a"), ".json": packed("b")}, {XGB: b"binf"}, {XGB: b""}]
)
def test_files_that_clients_cannot_load_are_refused(store: Any, files: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match=r"files must be .xgb.gz|must be gzip data"):
        publish_model(store, "movies", files, request_id="r", time_ms=AT, lineage={})
    assert store.objects == {}


@pytest.mark.parametrize("crash_at", range(6))
@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_write_the_latest_is_whole_and_the_next_worker_completes_the_request(
    store: Any, crash: type[Exception], crash_at: int, after: bool
) -> None:
    published(store, "r1")
    store.crash_at, store.crash_after_writing = store.writes + crash_at, after
    with pytest.raises(crash):
        published(store, "r2", at_ms=AT + SECOND)
    assert store.objects[LATEST] in {packed("r1"), packed("r2")}
    stem = published(store, "r2", at_ms=AT + 7 * SECOND)
    assert store.objects[LATEST] == packed("r2")
    assert store.objects[LATEST_APPLE] == packed("apple r2")
    assert live_stem(store, "movies") == stem
    assert [action for _, action in actions(store)] == ["publish", "publish"]


@pytest.mark.parametrize("crash_at", range(3))
def test_a_rollback_that_was_killed_is_completed_when_it_is_said_again(
    store: Any, crash: type[Exception], crash_at: int
) -> None:
    first, _ = published(store, "r1"), published(store, "r2", at_ms=AT + SECOND)
    store.crash_at = store.writes + crash_at
    with pytest.raises(crash):
        roll_back(store, "movies", first, at_ms=AT)
    roll_back(store, "movies", first, at_ms=AT)
    assert (store.objects[LATEST], store.objects[LATEST_APPLE]) == (packed("r1"), packed("apple r1"))
    assert len(actions(store)) == 3


def test_a_request_published_again_after_a_rollback_does_not_undo_it(store: Any) -> None:
    first, second = published(store, "r1"), published(store, "r2", at_ms=AT + SECOND)
    roll_back(store, "movies", first, at_ms=AT + 2 * SECOND)
    again = published(store, "r2", at_ms=AT + 3 * SECOND, files={XGB: packed("trained anew")})
    assert again == second
    assert store.objects[LATEST] == packed("r1")
    assert not any("trained anew" in gzip.decompress(data).decode() for data in gzips(store))


def gzips(store: Any) -> list[bytes]:
    return [data for key, data in store.objects.items() if key.endswith(".gz")]


def test_of_two_writers_at_once_the_latest_is_what_the_history_says_last(store: Any) -> None:
    first, second = published(store, "r1"), published(store, "r2", at_ms=AT + SECOND)
    put = store.put

    def put_late(key: str, data: bytes) -> None:
        """Another writer logs and publishes between this one's look at the history and its put."""
        store.put = put
        if key == LATEST:
            roll_back(store, "movies", first, at_ms=AT + 5 * SECOND)
        put(key, data)
        if key != LATEST:
            store.put = put_late

    store.put = put_late
    published(store, "r3", at_ms=AT + 4 * SECOND, files={XGB: packed("r3")})
    assert actions(store)[-1] == (first, "rollback")
    assert live_stem(store, "movies") == first
    assert second != first


def test_the_history_keeps_the_newest_activations(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambda_learner.publish.model_history.MAX_ACTIVATIONS", 3)
    for n in range(5):
        append(store, "movies", Activation(f"s{n}", "publish", n))
    assert [stem for stem, _ in actions(store)] == ["s2", "s3", "s4"]


def test_a_damaged_history_or_lineage_is_an_error_that_says_what_to_do(store: Any) -> None:
    stem = published(store, "r1")
    store.put("models/history/movies.json", b'{"format_version": 1, "activations": [{"stem": "s", "action": "x"}]}')
    with pytest.raises(DamagedHistory, match=r"action must be one of publish, rollback, got 'x'.*delete it"):
        read_history(store, "movies")
    store.put(f"models/archive/movies/{stem}.json", b'{"format_version": 1}')
    with pytest.raises(DamagedObject, match="checksums must be an object"):
        read_lineage(store, "movies", stem)


@pytest.mark.parametrize("bad", ["_m", "a/b", "", "x" * 65])
def test_a_model_s_name_must_be_safe_in_a_key(bad: str) -> None:
    with pytest.raises(ValueError, match="model must be 1–64"):
        latest_key(bad, XGB)
