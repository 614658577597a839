"""`lambda-learner forget`: who is forgotten leaves the buckets, and the job is told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from kafka.errors import KafkaConnectionError

from config.load import load
from config.settings import Settings
from jobs import cli
from jobs.forget.errors import ForgetError
from jobs.forget.log import tell_the_job
from jobs.forget.steps import SETTLE_SECONDS, Forgotten, Order, carry_out
from jobs.job_state import Beginning, JobState
from jobs.run import RunOptions, decide, plan_of
from lambda_learner.archive.forget_record import read_record, record_key
from lambda_learner.archive.forgotten import read_all_forgotten
from lambda_learner.archive.load import load as load_partition
from lambda_learner.archive.partition import partition_file, partitions
from lambda_learner.archive.rows import table_of
from lambda_learner.events import decode, ksuid
from lambda_learner.events.forgets import FORGET_DELAY_MS
from lambda_learner.events.schema import Forget
from lambda_learner.learn.state import INTERCEPT
from lambda_learner.publish import EntityCoefficients, FolderStore, ShardWriter, publish_generation, shard_of
from lambda_learner.publish.owner import claim
from lambda_learner.publish.reader import read_shard
from operators.files import FileChunk
from tests.harness.archive import a_decision, an_id
from tests.harness.cases import POLICY

U1, U2 = '["u1"]', '["u2"]'
OLD = "oldoldoldold"
NOW_MS = 1_795_406_033_000


@dataclass
class Shop:
    """Two users in an archive and in two generations of coefficients; the newer one is live."""

    place: Path

    def __post_init__(self) -> None:
        for second, user in enumerate(("u1", "u2", "u1")):
            file = partition_file("m", table_of([a_decision(an_id(second), context={"user": user})]))
            self.train.put(file.key, file.data)
        epoch = claim(self.models, "job", take_over=False)
        for generation in (OLD, POLICY.generation):
            for close_ms, user in ((10_000, U1), (20_000, U2)):
                shard = shard_of(user, POLICY.shards)
                mean = np.zeros(1)
                update = EntityCoefficients(user, close_ms, 1, (INTERCEPT,), mean, np.ones(1))
                ShardWriter(self.models, "m", generation, shard, epoch).publish(close_ms, [update])
        publish_generation(self.models, "m", POLICY.as_generation(), epoch=epoch)

    @property
    def models(self) -> FolderStore:
        return FolderStore(self.place / "models")

    @property
    def train(self) -> FolderStore:
        return FolderStore(self.place / "train")

    @property
    def events(self) -> Path:
        return self.place / "events"

    def config(self, *, follow: bool = False, entity: Any = "context.user", **document: Any) -> Path:
        path = self.place / "config.yaml"
        stream = {"source": {"path": str(self.events), "follow": follow}, "state": str(self.place / "state")}
        bucket = {"models": f"file:{self.place / 'models'}", "train": f"file:{self.place / 'train'}"}
        models = {"m": {"learner": {"entity": entity}}}
        path.write_text(yaml.safe_dump({"stream": stream, "bucket": bucket, "models": models} | document))
        return path

    def published(self, generation: str = POLICY.generation) -> set[str]:
        shards = (read_shard(self.models, "m", generation, shard) for shard in range(POLICY.shards))
        return {entity for shard in shards for entity in shard}

    def archived(self) -> list[str]:
        found = (load_partition(self.train, file.key, latest_id=ksuid.MAX) for file in partitions(self.train, "m"))
        return sorted(each for checked in found if checked for each in checked.sound["decision_id"].to_pylist())


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def forget(shop: Shop, *, follow: bool = True, values: Any = ("u1",), slept: list[float] | None = None) -> Forgotten:
    order = Order("m", values, NOW_MS, bytes(16))
    sleep = (slept if slept is not None else []).append
    return carry_out(load(shop.config(follow=follow)), order, sleep=sleep, say=print)


def ended(shop: Shop, entity: str, *, model: str = "m") -> int:
    """The exit code of the command."""
    arguments = ["forget", "--config", str(shop.place / "config.yaml"), "--model", model, "--entity", entity]
    with pytest.raises(SystemExit) as raised:
        cli.main(arguments)
    assert isinstance(raised.value.code, int)
    return raised.value.code


def test_the_entity_leaves_the_archive_and_all_generations(shop: Shop) -> None:
    done = forget(shop)
    assert shop.archived() == [an_id(1)]
    assert (shop.published(), shop.published(OLD)) == ({U2}, {U2})
    assert (done.shards, done.record.rows_removed, done.record.state) == (2, 2, "done")
    assert done.as_fields()["record"] == record_key("m", U1)
    assert read_record(shop.train, "m", U1) == done.record


def test_no_file_of_a_generation_that_is_not_live_holds_it(shop: Shop) -> None:
    forget(shop)
    files = [path for path in (shop.place / "models").rglob("*.parquet") if OLD in path.parts]
    assert files
    assert not any(b"u1" in path.read_bytes() for path in files)


def test_the_job_is_told_by_a_line_in_the_folder_that_it_follows(shop: Shop) -> None:
    done = forget(shop)
    (path,) = shop.events.iterdir()
    event = decode(path.read_bytes(), arrival_ms=NOW_MS)
    assert isinstance(event, Forget)
    assert (event.model, event.entity, event.until_ms) == ("m", U1, NOW_MS + FORGET_DELAY_MS)
    assert (done.told, done.until_ms) == (str(path), event.until_ms)


def test_who_is_forgotten_is_known_before_the_job_is_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(*_: object) -> None:
        assert read_all_forgotten(shop.train).until_ms("m", U1) == NOW_MS + FORGET_DELAY_MS
        message = "told"
        raise ForgetError(message)

    monkeypatch.setattr("jobs.forget.steps.tell_the_job", tell)
    with pytest.raises(ForgetError, match="told"):
        forget(shop)


def test_the_archive_is_searched_when_a_running_job_has_seen_it(shop: Shop) -> None:
    slept: list[float] = []
    forget(shop, slept=slept)
    assert slept == [SETTLE_SECONDS]
    forget(shop, follow=False, slept=slept)
    assert slept == [SETTLE_SECONDS]


def test_an_input_that_ends_is_left_as_it_is(shop: Shop) -> None:
    assert forget(shop, follow=False).told is None
    assert not shop.events.exists()


def test_a_run_that_begins_knows_who_is_forgotten(shop: Shop) -> None:
    forget(shop, follow=False)
    shop.events.mkdir()
    (shop.events / "1").write_text("{}\n")
    settings = load(shop.config())
    state = JobState(shop.place / "state")
    with state.locked():
        plan = plan_of(decide(settings, RunOptions(take_over=True), state))
    assert plan.forgotten.until_ms("m", U1) == NOW_MS + FORGET_DELAY_MS
    assert plan.forgotten.until_ms("m", U2) == 0


def test_a_run_that_is_not_finished_is_finished_first(shop: Shop) -> None:
    state = JobState(shop.place / "state")
    state.folder.mkdir()
    state.begin(Beginning([FileChunk("f", 0, 1, 0)], {}))
    with pytest.raises(ForgetError, match=r"not finished.*let it run to its end"):
        forget(shop, follow=False)
    assert shop.archived() == [an_id(0), an_id(1), an_id(2)]


def test_a_folder_that_cannot_be_written_is_named(shop: Shop) -> None:
    shop.events.write_text("a file")
    with pytest.raises(ForgetError, match=r"stream\.source\.path: .*forget again"):
        forget(shop)


def test_a_broker_that_is_away_is_named(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        message = "nobody answers"
        raise KafkaConnectionError(message)

    monkeypatch.setattr("jobs.forget.log._producer", away)
    source = {"kind": "kafka", "connection": {"bootstrap_servers": "localhost:9092"}, "topics": "events"}
    settings = Settings.model_validate({"stream": {"source": source}})
    problem = r"Kafka topic events at localhost:9092 does not take the line \(.*nobody answers\).*forget again"
    with pytest.raises(ForgetError, match=problem):
        tell_the_job(settings, b"line", "id")


def test_again_is_no_error_and_finds_nothing(shop: Shop) -> None:
    first, again = forget(shop), forget(shop)
    assert (again.shards, again.record.rows_removed) == (0, first.record.rows_removed)


def test_the_command_prints_what_was_done_as_one_line(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.config()
    assert ended(shop, "u1") == 0
    fields = json.loads(capsys.readouterr().out)
    assert (fields["model"], fields["entity"], fields["shards_rewritten"], fields["told"]) == ("m", U1, 2, None)
    assert fields["archive"] == {"rows_removed": 2, "files_rewritten": 0, "files_deleted": 2, "unexamined": []}


@pytest.mark.parametrize(
    ("given", "entity"), [("7", "[7]"), ('"7"', '["7"]'), ("seven", '["seven"]'), ("true", "[true]")]
)
def test_an_entity_nobody_knows_is_told_as_it_was_understood(
    shop: Shop, capsys: pytest.CaptureFixture[str], given: str, entity: str
) -> None:
    shop.config()
    assert ended(shop, given) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["entity"] == entity
    assert f"nothing of {entity} was found in the buckets" in said.err


@pytest.mark.parametrize(
    ("paths", "entity", "problem"),
    [
        ([], "u1", "there is nobody to forget"),
        (["context.user"], '["u1", 2]', "for each entity path (context.user)"),
        (["context.user", "item.shop"], "u1", "for each entity path (context.user, item.shop)"),
        (["context.user"], "null", "must be a text, number or boolean"),
        (["context.user"], '{"u": 1}', "must be a text, number or boolean"),
    ],
)
def test_what_the_model_cannot_have_is_refused(
    shop: Shop, capsys: pytest.CaptureFixture[str], paths: list[str], entity: str, problem: str
) -> None:
    shop.config(entity=paths)
    assert ended(shop, entity) == 2
    assert problem in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_a_model_that_is_rejected_is_refused(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.config(unknown_models="reject")
    assert ended(shop, "u1", model="other") == 2
    assert "one that the configuration names" in " ".join(capsys.readouterr().err.replace("│", " ").split())
