"""Publishes with crashes and replays are a dict, and leave what a run without crashes leaves."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_learner.publish.coefficients import EntityCoefficients, Tombstone, Update
from lambda_learner.publish.manifest import read_manifest
from lambda_learner.publish.reader import NOTHING_PUBLISHED, load_shard, read_shard
from lambda_learner.publish.shard_writer import ShardWriter

NewStore = Callable[[], Any]


class Step(NamedTuple):
    """A window's entities (True: dropped), where the writer dies, how many windows the replay goes back."""

    entities: dict[str, bool]
    crash_at: int | None
    after_writing: bool
    back: int


STEPS = st.lists(
    st.builds(
        Step,
        st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([False, False, True]), max_size=4),
        st.none() | st.integers(0, 3),
        st.booleans(),
        st.integers(0, 4),
    ),
    max_size=25,
)


def _updates(step: Step, close_ms: int) -> list[Update]:
    return [
        Tombstone(entity, close_ms)
        if gone
        else EntityCoefficients(
            entity,
            close_ms,
            close_ms // 1000,
            (("a", entity),),
            np.array([close_ms / 7]),
            np.array([close_ms / 3]),
        )
        for entity, gone in step.entities.items()
    ]


def _publish(store: Any, steps: list[Step], number: int) -> None:
    close_ms = (number + 1) * 1000
    ShardWriter(store, "m", "g", 0, 1).publish(close_ms, _updates(steps[number], close_ms))


def _publish_with_a_crash(store: Any, steps: list[Step], number: int) -> None:
    """Publish a window; die at its n-th write; start again some windows earlier."""
    step = steps[number]
    if step.crash_at is not None:
        store.crash_at = store.writes + step.crash_at
        store.crash_after_writing = step.after_writing
    with contextlib.suppress(Exception):
        _publish(store, steps, number)
    store.crash_at = None
    for replayed in range(max(0, number - step.back), number + 1):
        _publish(store, steps, replayed)


def _values(entities: Any) -> dict[str, tuple[int, float]]:
    return {entity: (of.close_ms, of.mean[0]) for entity, of in entities.items()}


def _live(store: Any) -> dict[str, bytes]:
    found = read_manifest(store, "m", "g", 0)
    if found is None:
        return {}
    keys = [entry.key for entry in found.manifest.files] + ["coefficients/m/g/00/manifest.json"]
    return {key: store.objects[key] for key in keys}


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_publishes_with_crashes_and_replays_are_a_dict(steps: list[Step], new_store: NewStore) -> None:
    store, crashless = new_store(), new_store()
    model: dict[str, tuple[int, float]] = {}
    followed = NOTHING_PUBLISHED
    for number, step in enumerate(steps):
        close_ms = (number + 1) * 1000
        _publish_with_a_crash(store, steps, number)
        _publish(crashless, steps, number)
        for entity, gone in step.entities.items():
            model.pop(entity, None)
            if not gone:
                model[entity] = (close_ms, close_ms / 7)
        assert _values(read_shard(store, "m", "g", 0)) == model
        followed = load_shard(store, "m", "g", 0, previous=followed)
        assert _values(followed.entities) == model
        assert _live(store) == _live(crashless)


@pytest.mark.parametrize("after_writing", [False, True])
@pytest.mark.parametrize("crash_at", range(3))
@pytest.mark.parametrize("windows", [1, 8])  # the eighth is a merge
def test_a_crash_at_each_write_of_a_publish_is_healed_by_the_replay(
    *, windows: int, crash_at: int, after_writing: bool, new_store: NewStore
) -> None:
    steps = [Step({"a": False, f"e{number}": False}, None, False, 0) for number in range(windows)]
    steps[-1] = steps[-1]._replace(crash_at=crash_at, after_writing=after_writing, back=windows)
    store, crashless = new_store(), new_store()
    for number in range(windows):
        _publish_with_a_crash(store, steps, number)
        _publish(crashless, steps, number)
    assert store.objects == crashless.objects
