"""Every valid decision and reward of a noisy log is in the train bucket, those that came late too."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

import orjson
import pytest

from lambda_learner.archive.reader import ArchiveReader, ReaderSettings
from lambda_learner.publish.store import FolderStore
from operators.files import plan_folder, read_chunk
from tests.end_to_end.noisy import MODELS, Noise
from tests.harness.job import Finished, Job

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

Key = tuple[str, str]  # model, decision id


class History(NamedTuple):
    """What was decided, as text, and rewarded: message id → value. Of conflicting copies the greatest."""

    decisions: dict[Key, str]
    rewards: dict[Key, dict[str, float]]


@pytest.fixture(scope="module")
def sent(noise: Noise, undisturbed: tuple[Job, Finished]) -> History:
    """The lines that are no dead letters, read without the code of the job."""
    dead = {letter["position"] for letter in undisturbed[0].dead_letters()}
    history = History({}, defaultdict(dict))
    for chunk in plan_folder(str(noise.events)):
        for line in read_chunk(chunk):
            if f"{chunk.path}:{line.offset}" not in dead:
                add(history, orjson.loads(line.data))
    return history


def add(history: History, event: dict[str, Any]) -> None:
    model = event.get("model", "")
    if event.get("count") is not None:
        key, copy = (model, event["message_id"]), text_of(event)
        history.decisions[key] = max(history.decisions.get(key, copy), copy)
    elif "decision_id" in event:
        rewards, name, value = history.rewards[model, event["decision_id"]], event["message_id"], event["reward"]
        rewards[name] = max(rewards.get(name, value), value)


def text_of(decision: dict[str, Any]) -> str:
    kept = {name: decision.get(name) for name in ("context", "count", "item")}
    kept |= {name: decision[name] for name in ("sample",) if name in decision}
    return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS).decode()


@pytest.fixture(scope="module")
def archived(undisturbed: tuple[Job, Finished]) -> History:
    """All that is in the train bucket, by its reader."""
    history = History({}, {})
    store = FolderStore(undisturbed[0].folder / "train")
    for model in MODELS:
        for table in ArchiveReader(store, model, ReaderSettings(partial_rows=True)):
            for row in table.to_pylist():
                key = model, row["decision_id"]
                if row["item"] is not None:
                    texts = {name: orjson.loads(row[name]) for name in ("item", "context")}
                    sample = {} if row["sample"] is None else {"sample": orjson.loads(row["sample"])}
                    history.decisions[key] = text_of({**texts, **sample, "count": int(row["count"])})
                if row["rewards"] != "{}":
                    history.rewards[key] = orjson.loads(row["rewards"])
    return history


def test_every_decision_is_archived(sent: History, archived: History) -> None:
    assert archived.decisions == sent.decisions


def test_every_reward_is_archived_once_late_ones_and_orphans_too(sent: History, archived: History) -> None:
    assert archived.rewards == sent.rewards
