"""Replay: the main job's graph in Flink's batch mode, where no order of files or lines matters and nothing is late.

It has no checkpoints: after a failure it starts again. What it publishes goes live when all of it is there.
"""

from __future__ import annotations

from collections.abc import Sequence

from jobs.job_state import StateError
from lambda_learner.policy import Policies
from lambda_learner.publish.generation import publish_generation
from lambda_learner.publish.keys import COEFFICIENTS, is_manifest_key
from lambda_learner.publish.store import Store
from operators.files import FileChunk


def is_replay(chunks: Sequence[FileChunk], choice: bool | None) -> bool:
    """Whether a run is in batch mode: by choice, else for a bounded input of more than one file."""
    if choice and not chunks:
        message = "stream.source: a replay reads files and ends, got an input without end: set follow: false"
        raise StateError(message)
    return choice if choice is not None else len({chunk.path for chunk in chunks}) > 1


def go_live(store: Store, policies: Policies, *, epoch: int) -> None:
    """Make the generations that a replay has published the live ones of their models.

    The bucket says which: a replay that is started again publishes nothing that is there already.
    """
    manifests = (info.key.split("/") for info in store.list(COEFFICIENTS) if is_manifest_key(info.key))
    for model, generation in sorted({(model, generation) for _, model, generation, *_ in manifests}):
        policy = policies.of(model)
        if policy is not None and policy.generation == generation:
            publish_generation(store, model, policy.as_generation(), epoch=epoch)
