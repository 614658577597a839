"""How a model is trained: the Gym's hyper-parameters, in their text forms too, and our own settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, TypeAlias

from lambda_learner.join import RewardPolicy

__all__ = ["Compatible", "LateRewards", "TrainingSettings", "parse_hyperparameters"]

Compatible: TypeAlias = Literal["no", "gym"]
LateRewards: TypeAlias = Literal["include", "exclude"]

GIB: Final = 1 << 30
MIB: Final = 1 << 20
MAX_BLOCK_ROWS: Final = 8192
MAX_PATHS: Final = 1_000_000  # keys that are ids (`{"u17": 1}`) would grow without end
_TRUE: Final = frozenset({"yes", "true", "t", "1"})
_FALSE: Final = frozenset({"no", "false", "f", "0", ""})
_UNIT_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_DURATION: Final = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(second|minute|hour|day)s?\s*")


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Settings of one training; ValueError for what cannot be.

    The first block is the Gym's, by its names. `max_decision_records` None takes all rows; `max_features`
    includes the propensity model's time. `max_checkpoint_age_s` is read and not used: the propensity model is
    trained anew, so that new features are never missed.

    `compatible` gym makes the original's choices where ours differ (improve_protocol.md §11). `noise` None
    draws one a row. What lies at or under `exclude_paths` is no feature of the decision model. `threads` None:
    one for each 250,000 decisions, at most one a CPU. `max_memory_bytes` bounds what the data set takes in
    memory; what is over it goes to temporary files in `spool_folder` (None: the system's).
    """

    max_decision_records: int | None = None
    max_trees: int = 150
    max_features: int = 1000
    max_strings_per_feature: int = 10_000
    tree_depth: int = 6
    explore: bool = True
    normalize_rewards: bool = True
    binary_rewards: bool = False
    max_checkpoint_age_s: float = 0.0

    reward: RewardPolicy = field(default_factory=RewardPolicy)
    late_rewards: LateRewards = "include"
    compatible: Compatible = "no"
    noise: float | None = None
    exclude_paths: tuple[str, ...] = ()
    threads: int | None = None
    max_memory_bytes: int = 2 * GIB
    spool_folder: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no training can be."""
        for name, (least, most) in _BOUNDS.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                message = f"{name} must be in {least}…{most}, got {value!r}"
                raise ValueError(message)
        for name, accepted in (("late_rewards", ("include", "exclude")), ("compatible", ("no", "gym"))):
            if getattr(self, name) not in accepted:
                message = f"{name} must be {' or '.join(accepted)}, got {getattr(self, name)!r}"
                raise ValueError(message)

    @property
    def is_gym(self) -> bool:
        """Whether the original's choices are made."""
        return self.compatible == "gym"

    @property
    def block_rows(self) -> int:
        """Decisions that are worked on at once: their matrices are a few times rows · features · 8 bytes."""
        return min(max(self.max_memory_bytes // (512 * self.max_features), 256), MAX_BLOCK_ROWS)

    @property
    def block_text_bytes(self) -> int:
        """JSON that is worked on at once; parsed it takes about ten times as much."""
        return min(self.max_memory_bytes // 64, 32 * MIB)

    @property
    def max_paths(self) -> int:
        """Distinct paths that are told apart: about 200 bytes each."""
        return min(max(self.max_memory_bytes // 2048, 10_000), MAX_PATHS)

    def excludes(self, path: str) -> bool:
        """Whether a path is no feature of the decision model."""
        return any(path == excluded or path.startswith(f"{excluded}.") for excluded in self.exclude_paths)


_BOUNDS: Final[dict[str, tuple[float, float]]] = {
    "max_decision_records": (1, 10**12),
    "max_trees": (1, 100_000),
    "max_features": (2, 65_536),  # the propensity model's time and one more
    "max_strings_per_feature": (0, 1_000_000),
    "tree_depth": (1, 16),  # XGBoost keeps 2^depth histograms
    "noise": (0.0, 1 - 2**-53),
    "threads": (1, 1024),
    "max_memory_bytes": (MIB, 1 << 50),
}


def parse_hyperparameters(texts: Mapping[str, Any]) -> dict[str, Any]:
    """The Gym's hyper-parameters as arguments of `TrainingSettings`; ValueError names a wrong one.

    Values may be texts, as the original passes them, or what YAML makes of them. Booleans are yes, true, t, 1
    or no, false, f, 0; `max_checkpoint_age` is a number with second(s), minute(s), hour(s) or day(s).

    >>> parse_hyperparameters({"max_trees": "60", "explore": "No", "max_checkpoint_age": "1.5 hours"})
    {'max_trees': 60, 'explore': False, 'max_checkpoint_age_s': 5400.0}
    """
    unknown = sorted(texts.keys() - _READERS.keys())
    if unknown:
        message = f"{unknown[0]} is no hyper-parameter; known are {', '.join(_READERS)}"
        raise ValueError(message)
    read = {}
    for name, value in texts.items():
        field_name = "max_checkpoint_age_s" if name == "max_checkpoint_age" else name
        read[field_name] = _READERS[name](name, value)
    return read


def _integer(name: str, value: Any) -> int | None:
    if value is None and name == "max_decision_records":
        return None
    try:
        return int(str(value))
    except ValueError as error:
        message = f"{name} must be a whole number, got {value!r}"
        raise ValueError(message) from error


def _boolean(name: str, value: Any) -> bool:
    text = str(value).lower()
    if text not in _TRUE | _FALSE:
        message = f"{name} must be yes, true, t or 1, or no, false, f or 0, got {value!r}"
        raise ValueError(message)
    return text in _TRUE


def _seconds(name: str, value: Any) -> float:
    found = _DURATION.fullmatch(str(value))
    if found is None:
        message = f"{name} must be a number of seconds, minutes, hours or days ('24 hours'), got {value!r}"
        raise ValueError(message)
    return float(found[1]) * _UNIT_SECONDS[found[2]]


_READERS: Final[dict[str, Callable[[str, Any], Any]]] = {
    **dict.fromkeys(("explore", "normalize_rewards", "binary_rewards"), _boolean),
    **dict.fromkeys(
        ("max_decision_records", "max_trees", "max_features", "max_strings_per_feature", "tree_depth"), _integer
    ),
    "max_checkpoint_age": _seconds,
}
assert {*_READERS} - {"max_checkpoint_age"} < {each.name for each in fields(TrainingSettings)}
