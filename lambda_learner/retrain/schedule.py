"""When a model is due for retraining: slots of time as pure functions of the time, in UTC.

A slot is a due time. Intervals are aligned to the epoch, so that neither a restart nor another machine moves them.
Cron expressions are AWS's six fields, `cron(minute hour day-of-month month day-of-week year)`, or the plain five.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cronsim import CronSim, CronSimError

__all__ = ["Cron", "Every", "Schedule"]

FIRST_YEAR, LAST_YEAR = 1970, 2199  # as AWS has them
_CRON: Final = re.compile(r"cron\(\s*(.*?)\s*\)", re.ASCII)
_DAY_NUMBER: Final = re.compile(r"(?<![\d#/])([1-7])(?!\d)")
_YEARS: Final = re.compile(r"(\*|\d{4})(?:-(\d{4}))?(?:/(\d+))?")
_AWS_FIELDS, _PLAIN_FIELDS = 6, 5
_SATURDAY: Final = "6"


@dataclass(frozen=True, slots=True)
class Every:
    """Due at each whole multiple of an interval in ms since the epoch."""

    interval_ms: int

    def __post_init__(self) -> None:
        """Refuse an interval that is not positive."""
        if self.interval_ms < 1:
            message = f"interval_ms must be an integer ≥ 1, got {self.interval_ms}"
            raise ValueError(message)

    def latest(self, time_ms: int) -> int:
        """The newest due time that is not after `time_ms`."""
        return time_ms - time_ms % self.interval_ms

    def following(self, time_ms: int) -> int:
        """The first due time after `time_ms`."""
        return self.latest(time_ms) + self.interval_ms


@dataclass(frozen=True, slots=True)
class Cron:
    """Due as a cron expression says; ValueError for one that is not understood, or is never due.

    AWS's `?`, `L`, `#`, names and years are understood; `W` (the nearest weekday) is not, except in `LW`. AWS counts
    days of the week from 1 (Sunday), the plain form from 0. In the plain form, as in Debian's cron, a day is due if
    the day of the month or that of the week fits, where both are given.
    """

    text: str
    _plain: str = field(init=False, repr=False, compare=False)
    _years: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read the expression."""
        plain, years = _read(self.text)
        object.__setattr__(self, "_plain", plain)
        object.__setattr__(self, "_years", years)
        try:
            CronSim(plain, datetime(FIRST_YEAR, 1, 1, tzinfo=UTC))
        except CronSimError as error:
            raise _refused(self.text, str(error)) from error
        if self.following(-1) is None:
            raise _refused(self.text, "it is never due")

    def latest(self, time_ms: int) -> int | None:
        """The newest due time that is not after `time_ms`; None if there was none since 1970."""
        end = _moment(time_ms)
        for year in reversed(self._years):
            if year > end.year:
                continue
            start = min(end, datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)) + timedelta(seconds=1)
            found = next(CronSim(self._plain, start, reverse=True), None)
            if found is not None and found.year == year:
                return _ms(found)
        return None

    def following(self, time_ms: int) -> int | None:
        """The first due time after `time_ms`; None if there is none until 2199."""
        begin = _moment(time_ms)
        for year in self._years:
            if year < begin.year:
                continue
            start = max(begin, datetime(year, 1, 1, tzinfo=UTC) - timedelta(seconds=1))
            found = next(CronSim(self._plain, start), None)
            if found is not None and found.year == year:
                return _ms(found)
        return None


Schedule = Every | Cron


def _read(text: str) -> tuple[str, tuple[int, ...]]:
    """The plain five fields of an expression, and its years in order."""
    match = _CRON.fullmatch(text.strip())
    fields = (match[1] if match else text).upper().split()
    if len(fields) == _PLAIN_FIELDS:
        return " ".join(fields), tuple(range(FIRST_YEAR, LAST_YEAR + 1))
    if len(fields) != _AWS_FIELDS:
        raise _refused(text, f"it has {len(fields)} fields")
    minute, hour, day, month, weekday, year = fields
    if (day == "?") == (weekday == "?"):
        raise _refused(text, "one of day-of-month and day-of-week must be ?")
    if "W" in day.replace("LW", ""):
        raise _refused(text, "W is not supported but in LW")
    return f"{minute} {hour} {_any(day)} {month} {_plain_weekday(weekday)}", _read_years(year, text)


def _any(day: str) -> str:
    return "*" if day == "?" else day


def _plain_weekday(weekday: str) -> str:
    """AWS's days of the week 1…7 as 0…6; L alone is Saturday."""
    if weekday == "L":
        return _SATURDAY
    return _DAY_NUMBER.sub(lambda match: str(int(match[1]) - 1), _any(weekday))


def _read_years(year: str, text: str) -> tuple[int, ...]:
    years: set[int] = set()
    for part in year.split(","):
        match = _YEARS.fullmatch(part)
        if match is None or (match[1] == "*" and match[2]):
            raise _refused(text, f"bad year {part!r}")
        first = FIRST_YEAR if match[1] == "*" else int(match[1])
        last = int(match[2]) if match[2] else (LAST_YEAR if match[1] == "*" or match[3] else first)
        step = int(match[3] or 1)
        if not FIRST_YEAR <= first <= last <= LAST_YEAR or step < 1:
            raise _refused(text, f"bad year {part!r}")
        years.update(range(first, last + 1, step))
    return tuple(sorted(years))


def _refused(text: str, why: str) -> ValueError:
    return ValueError(
        f"a schedule must be rate(4 hours), cron(0 */4 * * ? *) with AWS's six fields, or the five fields of cron, "
        f"got {text!r}: {why}"
    )


def _moment(time_ms: int) -> datetime:
    return datetime(FIRST_YEAR, 1, 1, tzinfo=UTC) + timedelta(seconds=time_ms // 1000)


def _ms(moment: datetime) -> int:
    return 1000 * round(moment.timestamp())
