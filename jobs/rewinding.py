"""Decides how a run goes on whose checkpoint has its open windows in another form: `operators/rewind.py`.

An input that ends is read from its start again, into the same generations: nothing more is needed. A source without
end is rewound once, from the newest checkpoint, to what may be of a window that was open in it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from config.settings import Settings
from jobs.job_state import Beginning, Rewound
from lambda_learner.events.forgets import FORGET_DELAY_MS
from lambda_learner.policy import Policies
from operators.part_files import part_lines
from operators.rewind import WINDOWS, Rewind

__all__ = ["begins_anew", "for_these_windows", "rewind_of", "usable"]

_MS: Final = 1_000  # a window ends with a whole second


def begins_anew(beginning: Beginning) -> bool:
    """Whether a run is to read its input from the start again."""
    return beginning.windows != WINDOWS and bool(beginning.chunks)


def for_these_windows(beginning: Beginning, restore_from: str, outputs: Path, *, is_newest: bool) -> Beginning:
    """What a run goes on with that was begun with any windows, when it is restored from this checkpoint."""
    if beginning.windows == WINDOWS:
        return beginning
    until_ns = None if is_newest else _written_ns(restore_from)
    return replace(beginning, windows=WINDOWS, rewound=Rewound(restore_from, _published_ms(outputs, until_ns)))


def _published_ms(outputs: Path, until_ns: int | None) -> int:
    """A time that windows were learned and published up to; what the newest checkpoint does not know is not told."""
    lines = part_lines(outputs / "published", until_ns=until_ns)
    return max((int(json.loads(line)["close_ms"]) for line in lines), default=0)


def _written_ns(checkpoint: str) -> int:
    """When a checkpoint or savepoint was written; 0, before all that was published, where it is not in a folder."""
    metadata = Path(checkpoint.removeprefix("file://")) / "_metadata"
    return metadata.stat().st_mtime_ns if metadata.exists() else 0


def usable(checkpoints: Sequence[str], rewound: Rewound | None) -> list[str]:
    """Those of the checkpoints, newest first, that are not older than what the run was rewound from."""
    if rewound is None or rewound.checkpoint not in checkpoints:
        return list(checkpoints)
    return list(checkpoints[: checkpoints.index(rewound.checkpoint) + 1])


def rewind_of(settings: Settings, policies: Policies, rewound: Rewound | None) -> Rewind:
    """How far the source goes back where it has not yet."""
    return Rewind(WINDOWS, rewound.after_ms if rewound else 0, _reach_ms(settings, policies))


def _reach_ms(settings: Settings, policies: Policies) -> int:
    """How long before the end of its window a line arrives at the earliest."""
    each = [*policies.named.values(), *([policies.unknown] if policies.unknown else [])]
    waits_ms = (max(policy.reward.window_ms, FORGET_DELAY_MS) + policy.update_interval_ms for policy in each)
    return max(waits_ms, default=0) + settings.stream.max_clock_skew_ms + _MS
