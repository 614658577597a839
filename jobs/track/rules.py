"""What is accepted of the bodies that clients send."""

from __future__ import annotations

from dataclasses import dataclass

from lambda_learner.events.accept import Acceptance, Stored, stored

__all__ = ["Rules"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What is accepted: as strictly as the job reads it, or as loosely as the original endpoint."""

    acceptance: Acceptance
    max_message_bytes: int
    max_clock_skew_ms: int

    def event(self, body: bytes, received_ms: int) -> Stored:
        """What is stored of a body, or BadRecord."""
        return stored(
            body,
            received_ms=received_ms,
            acceptance=self.acceptance,
            max_message_bytes=self.max_message_bytes,
            max_clock_skew_ms=self.max_clock_skew_ms,
        )
