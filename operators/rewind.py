"""What a source without end reads again when a release keeps its open windows in another form: all that is in them.

What join and batch keep is the state of SQL, which fits no other SQL. A checkpoint of before is gone on from without
it: the source hands on again, once, all that may be of a window that was open, as chunks that say so. Of these nothing
counts but rows of windows that end after `after_ms`: no counter, no dead letter, no archive, no time (so that none is
late). Windows that end later, and were learned all the same, are known to learn by their key.

Keyed state, in the source: `windows`, the version of the windows that its chunks went to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pyflink.common import Types
from pyflink.datastream import RuntimeContext
from pyflink.datastream.state import ValueStateDescriptor

__all__ = ["FIRST_WINDOWS", "NO_REWIND", "WINDOWS", "Rewind", "WindowsRead"]

FIRST_WINDOWS: Final = 1
# To be raised when the SQL of join or batch is changed so that a checkpoint does not fit it any more.
WINDOWS: Final = 1


@dataclass(frozen=True, slots=True)
class Rewind:
    """How far back a source goes that has read for other windows than version `windows`.

    All that ends at `after_ms` or before was learned and published. `reach_ms` is how long before the end of its window
    a line arrives at the earliest.
    """

    windows: int = WINDOWS
    after_ms: int = 0
    reach_ms: int = 0

    @property
    def arrived_ms(self) -> int:
        """The earliest arrival of a line that counts."""
        return max(self.after_ms - self.reach_ms, 0)


NO_REWIND: Final = Rewind()


class WindowsRead:
    """Which windows the chunks of a source have gone to; for the current key."""

    def __init__(self, context: RuntimeContext, rewind: Rewind) -> None:
        self._state: Any = context.get_state(ValueStateDescriptor("windows", Types.LONG()))
        self._windows = rewind.windows
        self.are_known = False  # in this process: the state need not be asked at each tick

    def are_others(self, *, has_read: bool) -> bool:
        """Whether what was read has gone to others than there are now."""
        return has_read and (self._state.value() or FIRST_WINDOWS) != self._windows

    def are_these(self) -> None:
        """From now on it has gone to those that there are now."""
        self._state.update(self._windows)
        self.are_known = True
