"""What a user of `lambda-learner retrain` can mend.

RetrainError
├── NoArchive       nothing is archived of the model
├── TookTooLong     training.max_runtime is over
├── NoRoom          temporary files cannot be written
└── ExtraMissing    what trains is not installed
"""

from __future__ import annotations

from lambda_learner.retrain.errors import RetrainError

__all__ = ["ExtraMissing", "NoArchive", "NoRoom", "TookTooLong"]


class NoArchive(RetrainError):
    """The train bucket has no file of the model."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"nothing is archived of model {model!r} in bucket.train: check the model's name, and run the job, "
            "or replay a history, with stream.archive: true"
        )


class TookTooLong(RetrainError):
    """A training that the settings allow no more time."""

    def __init__(self, max_runtime_ms: int) -> None:
        super().__init__(
            f"the training took longer than training.max_runtime, {max_runtime_ms / 1000:g} s: "
            "allow it more, or train on fewer decisions (max_decision_records)"
        )


class NoRoom(RetrainError):
    """The disk has no room for what does not fit into the memory."""

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"temporary files cannot be written ({error.strerror or error}): free some space, name another folder by "
            "TMPDIR, or raise training.max_memory"
        )


class ExtraMissing(RetrainError):
    """XGBoost or another package of the extra is not there."""

    def __init__(self, package: str) -> None:
        super().__init__(f"{package} is not installed: pip install 'lambda-learner-flink[train]'")
