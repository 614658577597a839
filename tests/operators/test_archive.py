from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from lambda_learner.archive.partition import partitions
from lambda_learner.archive.reader import ArchiveReader, ReaderSettings
from lambda_learner.policy import Policies
from lambda_learner.publish.errors import StoreError
from lambda_learner.publish.store import FolderStore
from operators.archive import Archive, open_archive
from operators.files import Line
from operators.parse import Parser
from tests.harness.cases import POLICY, T0_MS, decision_line, ksuid, record_line, reward_line


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "train")


def write(store: FolderStore, *lines: bytes) -> None:
    parser = Parser(Policies({}, POLICY), max_message_bytes=10_000, max_clock_skew_ms=900_000)
    parsed = parser.parse([Line(0, each) for each in lines], source="s", arrival_ms=T0_MS + 10_000_000)
    Archive(store).write(parsed.archived)


def rows(store: FolderStore, model: str = "m") -> list[tuple[str, str | None, str]]:
    reader = ArchiveReader(store, model, ReaderSettings(partial_rows=True))
    return [(row["decision_id"], row["item"], row["rewards"]) for table in reader for row in table.to_pylist()]


def test_a_decision_and_its_reward_are_one_row(store: FolderStore) -> None:
    write(store, decision_line(1, 1), reward_line(2, 2, ksuid(1, 1), 0.5))
    assert rows(store) == [(ksuid(1, 1), '{"a":1}', f'{{"{ksuid(2, 2)}":0.5}}')]


def test_a_reward_after_its_deadline_is_archived_though_it_is_not_joined(store: FolderStore) -> None:
    write(store, reward_line(10_000, 2, ksuid(1, 1)))
    assert rows(store) == [(ksuid(1, 1), None, f'{{"{ksuid(10_000, 2)}":1.0}}')]


def test_records_heartbeats_and_bad_lines_are_not_archived(store: FolderStore) -> None:
    write(store, record_line(1), orjson.dumps({"type": "heartbeat", "time": T0_MS}), b"{", decision_line(1, 1, count=0))
    assert list(store.list("")) == []


def test_each_model_has_files_of_its_own(store: FolderStore) -> None:
    write(store, decision_line(1, 1), decision_line(1, 2, model="other"))
    assert [len(rows(store, model)) for model in ("m", "other")] == [1, 1]


def test_lines_that_are_read_again_write_the_same_file(store: FolderStore) -> None:
    lines = [decision_line(1, number) for number in range(5)]
    write(store, *lines)
    before = partitions(store, "m")
    write(store, *lines)
    assert partitions(store, "m") == before
    assert len(before) == 1


def test_lines_that_are_cut_otherwise_are_merged_by_the_reader(store: FolderStore) -> None:
    lines = [decision_line(1, 1), reward_line(2, 2, ksuid(1, 1)), decision_line(1, 3)]
    write(store, *lines)
    before = rows(store)
    write(store, *lines[:1])
    write(store, *lines[1:])
    assert len(partitions(store, "m")) == 3
    assert rows(store) == before


def test_a_bucket_that_takes_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError):
        write(FolderStore(tmp_path / "file" / "train"), decision_line(1, 1))


def test_without_a_bucket_there_is_no_archive() -> None:
    assert open_archive(None, Policies({}, POLICY)) is None
