"""What ends the bridge, and what it waits for.

RuntimeError
├── BridgeError        cannot go on; the message says why and what to do
│   ├── Fenced         another bridge has taken over
│   └── RecordsGone    records that were to be copied may be deleted
└── KinesisAway        the service does not answer, or not now: ask again
    ├── Throttled      asked too often
    └── ExpiredIterator  an iterator lasts five minutes; another one from the same position goes on
"""

from __future__ import annotations

__all__ = ["BridgeError", "ExpiredIterator", "Fenced", "KinesisAway", "RecordsGone", "Throttled"]


class BridgeError(RuntimeError):
    """The bridge cannot go on; the message says why and what to do."""


class Fenced(BridgeError):
    """Another bridge has taken over."""


class RecordsGone(BridgeError):
    """Records that were to be copied may be deleted: the stream keeps them for too short a time, or was made anew."""


class KinesisAway(RuntimeError):
    """The service does not answer, or not now: ask again."""


class Throttled(KinesisAway):
    """It was asked too often."""


class ExpiredIterator(KinesisAway):
    """An iterator was not used for five minutes; another one from the same position goes on."""
