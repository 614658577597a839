"""Offsets from the parse stage to the learned state, against an oracle that scores one decision at a time."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.settings import Learner, Model, Reward, Settings
from lambda_learner.learn.state import EntityState
from lambda_learner.learn.state_format import to_bytes
from lambda_learner.policy import ModelPolicy, Policies
from lambda_learner.publish.store import FolderStore
from operators.bases import Bases, UnusableBase
from operators.files import Line, chunks_of
from operators.parse import Parsed, Parser
from operators.prefetch import ParsingProcess
from operators.reading import Reading, ReadSettings
from operators.rows import CHUNK, GROUP, ROW, close_ms_of
from tests.harness.bases import GENRES, put_base
from tests.harness.cases import POLICY, T0_MS, T0_S, decision_line, joined, ksuid, record_line, reward_line
from tests.harness.fake_flink import Driven
from tests.harness.learning import feed, learn, state_of, timeless
from tests.harness.oracle import replay

WINDOW_MS, INTERVAL_MS = POLICY.reward.window_ms, POLICY.update_interval_ms
SETTINGS = Settings(
    models={
        "m": Model(
            reward=Reward(window="20 s"),
            learner=Learner(entity=("context.user",), update_interval="10 s", features=("item",)),
        )
    }
)
ARRIVAL_S = T0_S + 10_000


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "models")


def traffic(decisions: int = 300, *, seconds: int = 200, records: int = 20) -> list[bytes]:
    """Decisions of six users between genres, their rewards, conflicting copies, orphans and records."""
    rng = np.random.default_rng(4)
    lines: list[bytes] = []
    for number in range(decisions):
        second, genre = int(rng.integers(0, seconds)), str(rng.choice(GENRES))
        fields: dict[str, Any] = {"item": {"genre": genre, "tempo": float(rng.random())}, "user": f"u{number % 6}"}
        lines.append(decision_line(second, number, **fields))
        if rng.random() < 0.05:
            lines.append(decision_line(second, number, **fields | {"item": {"genre": "rock"}}))
        if rng.random() < (0.8 if genre == "rock" else 0.2):
            lines.append(reward_line(second + 3, number, ksuid(second, number)))
    lines += [record_line(second * 7, second, entity=f"u{second % 6}", offset=0.5) for second in range(records)]
    return [*lines, reward_line(9, 7, ksuid(8, 999_999))]


def write(path: Path, lines: Iterable[bytes]) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    os.utime(path, (ARRIVAL_S, ARRIVAL_S))
    return path


def settings_of(store: FolderStore | None, tmp_path: Path, policy: ModelPolicy = POLICY) -> ReadSettings:
    parser = Parser(Policies({}, policy), max_message_bytes=10_000, max_clock_skew_ms=900_000)
    return ReadSettings(parser, models_bucket=None if store is None else f"file:{tmp_path / 'models'}")


def rows_of(settings: ReadSettings, path: Path, *, chunk_bytes: int = 1 << 18) -> list[str]:
    reading = Reading(settings)
    texts = [texts.rows for chunk in chunks_of(path, chunk_bytes) for texts in reading.texts(chunk)]
    return ROW.join(text for text in texts if text).split(ROW)


def learned(rows: Iterable[str], policy: ModelPolicy = POLICY, *, unordered: bool = False) -> dict[str, EntityState]:
    """The last state of each entity, all windows learned in their order."""
    windows = sorted(joined(rows).items(), key=lambda window: window[0][:2])
    batches = [(model, entity, close_ms, text) for (close_ms, model, entity), text in windows]
    driven = Driven(learn(policy, unordered=unordered))
    feed(driven, batches)
    driven.end()
    return {update[1]: state_of(update) for update in driven.main}


def close_s(second: int) -> int:
    """The close of a decision's window, in ms."""
    return -(-((T0_S + second) * 1000 + WINDOW_MS) // INTERVAL_MS) * INTERVAL_MS


def test_the_job_learns_what_the_oracle_learns_over_two_bases_and_a_constant(
    tmp_path: Path, store: FolderStore
) -> None:
    put_base(store, "b1", active_from_ms=T0_MS + 70_000, trained_through_ms=T0_MS + 5_000)
    put_base(store, "b2", active_from_ms=T0_MS + 130_000, trained_through_ms=T0_MS + 115_000)
    put_base(store, "c3", active_from_ms=T0_MS + 180_000, trained_through_ms=T0_MS + 150_000, constant=0.25)
    path = write(tmp_path / "events", traffic())
    expected = {entity: state for (_, entity), state in replay([path], SETTINGS, store).coefficients.items()}
    found = learned(rows_of(settings_of(store, tmp_path), path))
    assert found.keys() == expected.keys()
    for entity, state in found.items():
        assert to_bytes(replace(expected[entity], generation=POLICY.generation)) == to_bytes(state)
        assert state.base_version == "c3"
    without = learned(rows_of(settings_of(None, tmp_path), path))
    assert all(to_bytes(without[entity]) != to_bytes(state) for entity, state in found.items())


def test_chunks_processes_and_batch_mode_give_the_same_bytes(tmp_path: Path, store: FolderStore) -> None:
    put_base(store, "b1", active_from_ms=T0_MS + 70_000, trained_through_ms=T0_MS + 5_000)
    path, settings = write(tmp_path / "events", traffic(120)), settings_of(store, tmp_path)
    whole = rows_of(settings, path)
    assert rows_of(settings, path, chunk_bytes=1_000) == whole
    process = ParsingProcess(settings)
    (chunk,) = chunks_of(path)
    assert ROW.join(texts.rows for texts in process.texts(chunk)).split(ROW) == whole
    process.close()
    one, other = learned(whole), learned(whole[::-1], unordered=True)
    assert {entity: to_bytes(state) for entity, state in one.items()} == {
        entity: to_bytes(state) for entity, state in other.items()
    }


def test_a_restart_in_the_middle_goes_on_to_the_same_bytes(tmp_path: Path, store: FolderStore) -> None:
    put_base(store, "b1", active_from_ms=T0_MS + 70_000, trained_through_ms=T0_MS + 5_000)
    put_base(store, "b2", active_from_ms=T0_MS + 130_000, trained_through_ms=T0_MS + 60_000)
    path = write(tmp_path / "events", traffic(150))
    windows = sorted(joined(rows_of(settings_of(store, tmp_path), path)).items(), key=lambda window: window[0][:2])
    batches = [(model, entity, close_ms, text) for (close_ms, model, entity), text in windows]
    whole, first = Driven(learn()), Driven(learn())
    feed(whole, batches)
    half = len(batches) // 2
    feed(first, batches[:half])
    second = first.restored(learn())
    feed(second, batches[half:])
    assert timeless(first.main + second.main) == timeless(whole.main)


def parsed_by(bases: Bases, *lines: bytes, policy: ModelPolicy = POLICY) -> Parsed:
    parser = Parser(Policies({}, policy), max_message_bytes=10_000, max_clock_skew_ms=900_000)
    parsed = parser.parse([Line(0, line) for line in lines], source="f", arrival_ms=ARRIVAL_S * 1000)
    bases.add_to(parsed)
    return parsed


def base_texts(parsed: Parsed) -> list[str]:
    """The versions that rows carry, none where there is no base."""
    return [row.rpartition(CHUNK)[2] if row.count(GROUP) > 1 else "" for row in parsed.rows]


@pytest.mark.parametrize(
    ("active_from_ms", "version"), [(close_s(50), "b1"), (close_s(50) - 1, "b1"), (close_s(50) + 1, "")]
)
def test_a_base_counts_from_the_window_that_ends_with_its_time(
    store: FolderStore, active_from_ms: int, version: str
) -> None:
    put_base(store, "b1", active_from_ms=active_from_ms)
    parsed = parsed_by(Bases(store, Policies({}, POLICY)), decision_line(50))
    assert close_ms_of(parsed.rows[0]) == close_s(50)
    assert base_texts(parsed) == [version]


def test_no_base_scores_a_decision_that_may_have_trained_it_but_its_entity_goes_by_the_version(
    store: FolderStore,
) -> None:
    put_base(store, "b1", active_from_ms=T0_MS + 60_000, trained_through_ms=T0_MS + 50_000)
    parsed = parsed_by(Bases(store, Policies({}, POLICY)), decision_line(50), decision_line(51))
    offsets = [float(row.split(GROUP)[2].partition(CHUNK)[0]) for row in parsed.rows]
    assert base_texts(parsed) == ["b1", "b1"]
    assert offsets[0] == 0.0
    assert offsets[1] != 0.0


def test_records_and_only_they_go_without_an_offset(store: FolderStore) -> None:
    put_base(store, "b1", active_from_ms=T0_MS)
    given = (record_line(5), reward_line(2, 0, ksuid(1)), b"{", decision_line(1), b'{"type":"heartbeat","time":0}')
    parsed = parsed_by(Bases(store, Policies({}, POLICY)), *given)
    assert base_texts(parsed) == ["b1", "", "b1", ""]
    assert parsed.rows[0].split(GROUP)[2] == f"0.0{CHUNK}b1"


@pytest.mark.parametrize(
    "policy", [replace(POLICY, learned=False), replace(POLICY, learner=replace(POLICY.learner, kind="linear"))]
)
def test_a_model_that_is_not_learned_or_of_another_kind_has_no_base(store: FolderStore, policy: ModelPolicy) -> None:
    put_base(store, "b1", active_from_ms=T0_MS)
    parsed = parsed_by(Bases(store, Policies({}, policy)), decision_line(1), policy=policy)
    assert base_texts(parsed) == [""]


class Clock:
    """The job's wall clock, moved by hand."""

    now_ms = T0_MS

    def __call__(self) -> int:
        return self.now_ms


def test_a_base_that_is_activated_while_the_job_runs_is_used_without_a_restart(store: FolderStore) -> None:
    clock = Clock()
    bases = Bases(store, Policies({}, POLICY), clock_ms=clock)
    assert base_texts(parsed_by(bases, decision_line(1))) == [""]
    put_base(store, "b1", active_from_ms=T0_MS + 60_000)
    clock.now_ms = T0_MS + 61_000
    assert base_texts(parsed_by(bases, decision_line(30), decision_line(59))) == ["", ""]  # of the minute that is known
    assert base_texts(parsed_by(bases, decision_line(61))) == ["b1"]


class Counting:
    """A store that counts what is read of it."""

    def __init__(self, store: FolderStore) -> None:
        self._store, self.read = store, []  # type: FolderStore, list[str]

    def get(self, key: str) -> Any:
        self.read.append(key)
        return self._store.get(key)


def test_the_log_is_read_once_a_minute_of_arrivals_and_for_history_once(store: FolderStore) -> None:
    entry = put_base(store, "b1", active_from_ms=T0_MS)
    clock, counting = Clock(), Counting(store)
    bases = Bases(counting, Policies({}, POLICY), clock_ms=clock)  # type: ignore[arg-type]
    for second in range(0, 180, 5):
        clock.now_ms = T0_MS + second * 1000
        parsed_by(bases, decision_line(second))
    assert counting.read == ["models/base/m/log.json", entry.key, *["models/base/m/log.json"] * 2]
    clock.now_ms, counting.read = T0_MS + 10**9, []
    bases = Bases(counting, Policies({}, POLICY), clock_ms=clock)  # type: ignore[arg-type]
    for second in range(0, 180, 5):
        parsed_by(bases, decision_line(second))
    assert counting.read == ["models/base/m/log.json", entry.key]


@pytest.mark.parametrize("damaged", ["log.json", "b1.xgb.gz"])
def test_a_damaged_log_or_file_stops_the_job_with_what_to_do(tmp_path: Path, store: FolderStore, damaged: str) -> None:
    put_base(store, "b1", active_from_ms=T0_MS)
    store.put(f"models/base/m/{damaged}", b"x")
    process = ParsingProcess(settings_of(store, tmp_path))
    (chunk,) = chunks_of(write(tmp_path / "events", [decision_line(1)]))
    with pytest.raises(UnusableBase, match=rf"models/base/m/{damaged} is damaged: .*; restore it from a copy"):
        list(process.texts(chunk))
    process.close()


def test_the_settings_travel_to_the_process(tmp_path: Path, store: FolderStore) -> None:
    settings = settings_of(store, tmp_path)
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_a_job_without_bases_loads_no_xgboost(tmp_path: Path) -> None:
    path = write(tmp_path / "events", [decision_line(1)])
    program = f"""
import sys
from lambda_learner.policy import Policies
from operators.files import FileChunk
from operators.parse import Parser
from operators.reading import Reading, ReadSettings
from tests.harness.cases import POLICY
settings = ReadSettings(Parser(Policies({{}}, POLICY), 10_000, 900_000), models_bucket="file:{tmp_path / "models"}")
(texts,) = Reading(settings).texts(FileChunk({str(path)!r}, 0, {path.stat().st_size}, {ARRIVAL_S * 1000}))
assert texts.rows
assert "xgboost" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])
