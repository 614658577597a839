"""What is read again when a release keeps its open windows in another form, stage by stage."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from lambda_learner.policy import Policies
from operators import files
from operators.batch import batch_sql
from operators.chunks import Chunk, KafkaChunk, chunk_from_json
from operators.files import FileChunk, plan_folder
from operators.follow import Follow
from operators.join import join_sql
from operators.kafka_client import Connection, TopicsSettings
from operators.offsets import MAX_RECORDS, OffsetRange, Partition
from operators.parse import Parser
from operators.reading import Reading, ReadSettings
from operators.rewind import NO_REWIND, WINDOWS, Rewind
from operators.rows import ROW, clock_row, close_ms_of, row_again
from operators.topics import CHUNKS_A_TICK, Topics
from tests.harness.cases import POLICY, T0_MS, T0_S, decision_line, ksuid, reward_line
from tests.harness.fake_flink import Driven
from tests.harness.fake_kafka import A, B, Kafka, kafka

__all__ = ["kafka"]

AFTER_MS = T0_MS + 30_000
OTHER = Rewind(WINDOWS + 1, AFTER_MS, reach_ms=20_000)
RECORDS = {A: 50_000, B: 40_000}


SQL = {1: "81681f14fe910004"}


def test_another_sql_is_another_version_of_the_windows() -> None:
    """If this fails, and a checkpoint of before does not fit any more (test_upgrade.py): raise WINDOWS."""
    sql = " ".join(f"{join_sql('rows')} {batch_sql('joined')}".split())
    assert hashlib.sha256(sql.encode()).hexdigest()[:16] == SQL[WINDOWS]


def reading(train: Path | None = None) -> Reading:
    parser = Parser(Policies({}, POLICY), max_message_bytes=10_000, max_clock_skew_ms=900_000)
    return Reading(ReadSettings(parser, f"file:{train}" if train else None))


def write(path: Path, *lines: bytes, second: int = 100) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    os.utime(path, (T0_S + second, T0_S + second))


def parsed(given: Reading, chunk: Chunk) -> tuple[list[str], list[str], list[str]]:
    """Rows, texts of counts, dead letters."""
    texts = list(given.texts(chunk))
    rows = [row for each in texts for row in each.rows.split(ROW) if row]
    return rows, [each.counts for each in texts if each.counts], [one for each in texts for one in each.dead_letters]


def test_of_lines_read_again_only_rows_of_windows_that_were_open_count(tmp_path: Path) -> None:
    write(tmp_path / "a", decision_line(1), decision_line(11, 1), reward_line(12, 2, ksuid(11, 1)), b"{")
    (chunk,) = plan_folder(str(tmp_path))
    before, _, _ = parsed(reading(), chunk)
    rows, counts, letters = parsed(reading(tmp_path / "train"), chunk._replace(again_after_ms=AFTER_MS))
    assert [close_ms_of(row) > AFTER_MS for row in before] == [False, True, True]
    assert rows == [row_again(row, AFTER_MS) for row in before[1:]]
    assert (counts, letters) == ([], [])
    assert not (tmp_path / "train").exists()


def test_a_row_read_again_differs_in_its_time_alone(tmp_path: Path) -> None:
    write(tmp_path / "a", decision_line(1))
    (row,), _, _ = parsed(reading(), plan_folder(str(tmp_path))[0])
    again = row_again(row, 0)
    assert again is not None
    assert (again[:14], again[14:27], again[27:]) == (row[:14], "0" * 13, row[27:])


def test_a_row_that_moves_time_is_not_given_again() -> None:
    assert row_again(clock_row(T0_MS), 0) is None


# A followed folder.


def chunks(texts: Sequence[str]) -> list[tuple[str, int | None]]:
    """The names of files, and after what they are read again."""
    found = [chunk_from_json(text) for text in texts]
    return [(Path(each.path).name, each.again_after_ms) for each in found if isinstance(each, FileChunk)]


@pytest.fixture
def followed(tmp_path: Path) -> Driven:
    """A folder of which all is read; a file came before any window could be open."""
    for second, name in ((9, "old"), (10, "a"), (90, "b")):
        write(tmp_path / name, b"1", second=second)
    driven = Driven(Follow(str(tmp_path)))
    driven.element(0, None)
    return driven


def test_files_are_read_again_once_and_before_what_is_new(followed: Driven, tmp_path: Path) -> None:
    write(tmp_path / "new", b"1", second=5)
    driven = followed.restored(Follow(str(tmp_path), rewind=OTHER))
    assert chunks(driven.element(0, None)) == [("a", AFTER_MS), ("b", AFTER_MS), ("new", None)]
    assert driven.element(0, None) == []
    assert driven.restored(Follow(str(tmp_path), rewind=OTHER)).element(0, None) == []


def test_a_backlog_is_read_again_in_some_chunks_a_tick(
    followed: Driven, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("operators.follow.BYTES_A_TICK", 1)
    write(tmp_path / "new", b"1", second=5)
    driven, given = followed, []
    for _ in range(6):
        driven = driven.restored(Follow(str(tmp_path), rewind=OTHER))
        given += chunks(driven.element(0, None))
    assert given == [("a", AFTER_MS), ("b", AFTER_MS), ("new", None)]


def test_of_a_file_that_was_handed_on_in_part_that_part_alone_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("operators.follow.chunks_of", lambda path: files.chunks_of(path, 4))
    write(tmp_path / "a", b"12345678901")
    with monkeypatch.context() as one_a_tick:
        one_a_tick.setattr("operators.follow.BYTES_A_TICK", 1)
        driven = Driven(Follow(str(tmp_path)))
        driven.element(0, None)
    given = driven.restored(Follow(str(tmp_path), rewind=OTHER)).element(0, None)
    found = [each for each in map(chunk_from_json, given) if isinstance(each, FileChunk)]
    assert [(each.start, each.again_after_ms) for each in found] == [(0, AFTER_MS), (4, None), (8, None)]


def test_a_release_with_the_same_windows_reads_nothing_again(followed: Driven, tmp_path: Path) -> None:
    assert followed.restored(Follow(str(tmp_path))).element(0, None) == []


def test_a_folder_without_files_is_of_the_windows_that_there_are(tmp_path: Path) -> None:
    driven = Driven(Follow(str(tmp_path), rewind=OTHER))
    driven.element(0, None)
    write(tmp_path / "a", b"1")
    assert chunks(driven.element(0, None)) == [("a", None)]
    assert driven.restored(Follow(str(tmp_path), rewind=OTHER)).element(0, None) == []


# Topics.


def covered(ranges: Sequence[OffsetRange]) -> dict[Partition, tuple[int, int]]:
    """From where to where each partition is read; the ranges of each follow one another."""
    found: dict[Partition, tuple[int, int]] = {}
    for each in ranges:
        start, end = found.get(Partition(each.topic, each.partition), (each.start, each.start))
        assert end == each.start
        found[Partition(each.topic, each.partition)] = start, each.end
    return found


def topics(rewind: Rewind = NO_REWIND) -> Topics:
    return Topics(TopicsSettings(Connection({}), ["t"]), rewind=rewind)


def records(text: str) -> int:
    chunk = chunk_from_json(text)
    assert isinstance(chunk, KafkaChunk)
    return sum(each.end - each.start for each in chunk.ranges)


def again_and_new(texts: Sequence[str]) -> tuple[dict[Partition, tuple[int, int]], dict[Partition, tuple[int, int]]]:
    found = [each for each in map(chunk_from_json, texts) if isinstance(each, KafkaChunk)]
    again = [one for each in found if each.again_after_ms == 30_000 for one in each.ranges]
    new = [one for each in found if each.again_after_ms is None for one in each.ranges]
    return covered(again), covered(new)


def test_records_are_read_again_once_also_when_kafka_is_away_at_first(kafka: Kafka) -> None:
    kafka.records = dict(RECORDS)
    driven = Driven(topics())
    for _ in range(5):
        driven.element(0, None)
    kafka.records[A] = 50_003
    driven = driven.restored(topics(Rewind(WINDOWS + 1, 30_000, reach_ms=20_000)))
    kafka.is_away = True
    assert driven.element(0, None) == []
    kafka.is_away = False
    given = driven.element(0, None)
    driven = driven.restored(topics(Rewind(WINDOWS + 1, 30_000, reach_ms=20_000)))  # before all is read again
    assert len(given) == CHUNKS_A_TICK
    for _ in range(5):
        given += driven.element(0, None)
    again, new = again_and_new(given)
    assert again == {A: (10_000, 50_000), B: (10_000, 40_000)}
    assert new == {A: (50_000, 50_003)}
    assert max(records(text) for text in given) <= MAX_RECORDS
    assert driven.restored(topics(Rewind(WINDOWS + 1, 30_000, reach_ms=20_000))).element(0, None) == []


def test_records_that_arrived_before_are_not_read_again(kafka: Kafka) -> None:
    kafka.records = dict(RECORDS)
    driven = Driven(topics())
    for _ in range(5):
        driven.element(0, None)
    assert driven.restored(topics(Rewind(WINDOWS + 1, 70_000, reach_ms=20_000))).element(0, None) == []
