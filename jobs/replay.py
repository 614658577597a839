"""Replay: the main job's graph in Flink's batch mode, where no order of files or lines matters and nothing is late.

It has no checkpoints: after a failure it starts again. What it publishes goes live when all of it is there.
"""

from __future__ import annotations

import json
from pathlib import Path

from config.settings import Settings
from lambda_learner.policy import Policies
from lambda_learner.publish.generation import publish_generation
from lambda_learner.publish.store import Store
from operators.files import event_files
from operators.part_files import part_lines


def is_replay(settings: Settings, choice: bool | None) -> bool:
    """Whether a run is in batch mode: by choice, else for a bounded folder of more than one file."""
    source = settings.stream.source
    return choice if choice is not None else not source.follow and len(event_files(source.path)) > 1


def go_live(outputs: Path, store: Store, policies: Policies, *, epoch: int) -> None:
    """Make the generations that a replay has published the live ones of their models."""
    for model in sorted({json.loads(line)["model"] for line in part_lines(outputs / "published")}):
        policy = policies.of(model)
        assert policy is not None, "what is published has a policy"
        publish_generation(store, model, policy.as_generation(), epoch=epoch)
