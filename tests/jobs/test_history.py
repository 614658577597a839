from __future__ import annotations

import gzip
from pathlib import Path
from unittest.mock import Mock, patch

import pytest
import typer

from config.settings import Settings
from jobs.history import gather, import_, with_history
from jobs.job_state import StateError
from lambda_learner.policy import Policies
from lambda_learner.publish.store import FolderStore
from operators.archive import Archive
from operators.files import Line, plan_folder, read_chunk
from operators.parse import Parser
from tests.harness.cases import POLICY, T0_MS, decision_line, ksuid, reward_line

LINES = [decision_line(1, 1), reward_line(2, 2, ksuid(1, 1), 0.5), decision_line(3, 3)]


def parse(lines: list[bytes]) -> list[object]:
    parser = Parser(Policies({}, POLICY), max_message_bytes=10_000, max_clock_skew_ms=900_000)
    parsed = parser.parse([Line(0, each) for each in lines], source="s", arrival_ms=T0_MS + 10_000_000)
    assert parsed.dead_letters == []
    return [event._replace(arrival_ms=0) for event in parsed.archived]


def read(folder: Path) -> list[bytes]:
    lines = [line for chunk in plan_folder(str(folder)) for line in read_chunk(chunk)]
    return [line.data for line in lines]


@pytest.fixture
def train(tmp_path: Path) -> str:
    parser = Parser(Policies({}, POLICY), max_message_bytes=10_000, max_clock_skew_ms=900_000)
    parsed = parser.parse([Line(0, each) for each in LINES], source="s", arrival_ms=T0_MS + 10_000_000)
    Archive(FolderStore(tmp_path / "train")).write(parsed.archived)
    return f"file:{tmp_path / 'train'}"


@pytest.fixture
def firehose(tmp_path: Path) -> str:
    key = "2026/11/23/14/acme-1-2026-11-23-14-09-05-0000"  # without .gz, as some are
    FolderStore(tmp_path / "firehose").put(key, gzip.compress(b"\n".join(LINES) + b"\n"))
    return f"file:{tmp_path / 'firehose'}"


def test_a_train_bucket_becomes_the_events_it_was_made_of(train: str, tmp_path: Path) -> None:
    gather(tmp_path / "out", firehose=None, train=train)
    assert sorted(map(repr, parse(read(tmp_path / "out")))) == sorted(map(repr, parse(LINES)))


def test_a_firehose_becomes_files_that_the_job_reads(firehose: str, tmp_path: Path) -> None:
    gather(tmp_path / "out", firehose=firehose, train=None)
    assert read(tmp_path / "out") == LINES


def test_the_same_import_again_writes_the_same_files(train: str, firehose: str, tmp_path: Path) -> None:
    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}

    gather(tmp_path / "out", firehose=firehose, train=train)
    before = files()
    gather(tmp_path / "out", firehose=firehose, train=train)
    assert files() == before
    assert len(before) == 2


def test_buckets_without_events_are_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=f"no events in file:{tmp_path}/nothing: name buckets with some"):
        gather(tmp_path / "out", firehose=None, train=f"file:{tmp_path}/nothing")


def test_an_import_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="--firehose, --train or both"):
        import_(tmp_path)


def test_a_replay_of_history_reads_it_instead_of_the_source(train: str, tmp_path: Path) -> None:
    settings = Settings.model_validate({"stream": {"state": str(tmp_path / "state")}})
    assert with_history(settings, firehose=None, train=None) is settings
    given = with_history(settings, firehose=None, train=train)
    assert given.stream.source.has_end
    assert len(read(tmp_path / "state" / "history")) == len(LINES)


def test_a_replay_leaves_nothing_of_the_one_before(train: str, firehose: str, tmp_path: Path) -> None:
    settings = Settings.model_validate({"stream": {"state": str(tmp_path / "state")}})
    with_history(settings, firehose=firehose, train=train)
    with_history(settings, firehose=firehose, train=None)
    assert read(tmp_path / "state" / "history") == LINES


def test_a_firehose_beside_the_own_archive_is_archived(train: str, firehose: str, tmp_path: Path) -> None:
    settings = Settings.model_validate({"stream": {"state": str(tmp_path / "state")}, "bucket": {"train": train}})
    assert with_history(settings, firehose=firehose, train=train).stream.archive


def test_the_address_of_the_own_archive_may_leave_out_the_server(tmp_path: Path, train: str) -> None:
    bucket = {"endpoint": "http://127.0.0.1:9", "train": "s3://ours/train"}
    settings = Settings.model_validate({"stream": {"state": str(tmp_path / "state")}, "bucket": bucket})
    seen = Mock(return_value=[tmp_path])
    with patch("jobs.history.gather", seen):
        assert not with_history(settings, firehose=None, train="s3://ours/train").stream.archive
    assert seen.call_args.kwargs["train"] == settings.bucket.train


def test_what_is_no_address_is_refused(tmp_path: Path) -> None:
    settings = Settings.model_validate({"stream": {"state": str(tmp_path / "state")}})
    with pytest.raises(StateError, match="s3://a b is no bucket"):
        with_history(settings, firehose=None, train="s3://a b")


@pytest.mark.parametrize("is_own", [True, False])
def test_what_comes_from_the_job_s_own_archive_is_not_archived_again(
    train: str, tmp_path: Path, *, is_own: bool
) -> None:
    bucket = {"train": train if is_own else "file:elsewhere"}
    settings = Settings.model_validate({"stream": {"state": str(tmp_path / "state")}, "bucket": bucket})
    assert with_history(settings, firehose=None, train=train).stream.archive is not is_own
