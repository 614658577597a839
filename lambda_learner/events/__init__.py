"""Events of the log: what a line is (schema), how it is read and checked (wire), and its ids (ksuid)."""

from __future__ import annotations

from lambda_learner.events.bad_record import BadRecord
from lambda_learner.events.schema import Decision, Event, Forget, Heartbeat, Record, Reward
from lambda_learner.events.wire import decode

__all__ = ["BadRecord", "Decision", "Event", "Forget", "Heartbeat", "Record", "Reward", "decode"]
