"""Flink's options for a submitted job: those of a local run, except what the cluster and `flink run` decide."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Final

from jobs.flink import Runtime, options
from jobs.job_state import KEPT_CHECKPOINTS
from jobs.run import Start, leaves_state

__all__ = ["RESTORE_FROM", "options_of", "warnings_of_cluster"]

RESTORE_FROM: Final = "execution.state-recovery.path"  # what `flink run -s` sets
KEPT: Final = "execution.checkpointing.num-retained"
_ANSWER_SECONDS: Final = 10.0
# Where processes listen is the cluster's alone.
_OF_THE_CLUSTER: Final = ("rest.", "jobmanager.", "taskmanager.", "metrics.")
# What the cluster's configuration or the command line may say otherwise.
_GIVES_WAY: Final = (
    "python.executable",
    "python.client.executable",
    "execution.checkpointing.dir",
    KEPT,
    "restart-strategy.",
)


def options_of(start: Start, given: Mapping[str, str]) -> dict[str, str]:
    """The options that the job sets, where `given` are those that are set already."""
    stream = start.settings.stream
    runtime = Runtime(
        state=start.state.folder,
        python_mode=stream.python_mode,
        parallelism=_parallelism(start, given),
        checkpoint_interval_ms=stream.checkpoint_interval_ms,
        restore_from=start.options.restore_from,
        leaves_state=leaves_state(start),
        places=start.state.places(),
    )
    return {key: value for key, value in options(runtime).items() if not _is_given(key, given)}


def warnings_of_cluster(address: str) -> Iterator[str]:
    """What to set in the configuration of a cluster, by its REST interface; nothing where that does not tell.

    How many checkpoints are kept is read from there alone, whatever a job asks for: one, if it is silent.
    """
    try:
        with urllib.request.urlopen(f"{address}/jobmanager/config", timeout=_ANSWER_SECONDS) as answer:  # noqa: S310
            set_there = {each["key"]: each["value"] for each in json.load(answer)}
    except OSError:
        return
    kept = int(set_there.get(KEPT, 1))
    if kept < KEPT_CHECKPOINTS:
        yield (
            f"the cluster keeps {kept} of a job's checkpoints, so that one which is damaged has none before it: set "
            f"{KEPT}: {KEPT_CHECKPOINTS} in the cluster's configuration"
        )


def _is_given(key: str, given: Mapping[str, str]) -> bool:
    return key.startswith(_OF_THE_CLUSTER) or (key in given and key.startswith(_GIVES_WAY))


def _parallelism(start: Start, given: Mapping[str, str]) -> int:
    """That of the configuration file if it names one, else that of `flink run -p`, else the cluster's."""
    stream = start.settings.stream
    if "parallelism" in stream.model_fields_set:
        return stream.parallelism
    return int(given.get("parallelism.default", stream.parallelism))
