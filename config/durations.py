"""Durations as people write them ("10 s", "2 hours", "rate(4 hours)") to whole milliseconds."""

from __future__ import annotations

import re
from fractions import Fraction

__all__ = ["duration_ms", "rate_ms"]

_UNITS_MS = {
    ("ms", "millisecond", "milliseconds"): 1,
    ("s", "sec", "second", "seconds"): 1_000,
    ("min", "minute", "minutes"): 60_000,
    ("h", "hour", "hours"): 3_600_000,
    ("d", "day", "days"): 86_400_000,
}
_UNIT_MS = {name: size for names, size in _UNITS_MS.items() for name in names}
_DURATION = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([a-z]+)", re.ASCII)
_RATE = re.compile(r"rate\(\s*(.*?)\s*\)", re.ASCII)
_MAX_MS = 36_500 * 86_400_000  # a hundred years: more is a slip, and would leave the 64 bits of Flink's times


def duration_ms(value: object) -> int:
    """Milliseconds of "10 s", "1.5 hours" or of a number, which counts seconds.

    Raises ValueError for any other value, a negative one, one that is no whole number of milliseconds, or one
    of more than a hundred years.
    """
    if isinstance(value, str):
        exact = _text_ms(value.strip())
    elif isinstance(value, bool) or not isinstance(value, int | float):
        message = "neither text nor a number of seconds"
        raise ValueError(message)
    else:
        exact = _seconds_ms(value)
    if exact < 0 or exact > _MAX_MS:
        message = "negative" if exact < 0 else "more than a hundred years"
        raise ValueError(message)
    if exact.denominator != 1:
        message = "not a whole number of milliseconds"
        raise ValueError(message)
    return exact.numerator


def rate_ms(value: object) -> int:
    """Milliseconds between two runs of a schedule such as "rate(4 hours)". Raises ValueError."""
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        message = "not of the form rate(4 hours)"
        raise ValueError(message)
    return duration_ms(match[1])


def _text_ms(text: str) -> Fraction:
    match = _DURATION.fullmatch(text)
    if match is None:
        message = "not a number with a unit"
        raise ValueError(message)
    number, unit = match.groups()
    if unit not in _UNIT_MS:
        message = f"unknown unit {unit!r}; the units are ms, s, min, h, d and their long names"
        raise ValueError(message)
    return Fraction(number) * _UNIT_MS[unit]


def _seconds_ms(seconds: float) -> Fraction:
    try:
        # Through the shortest text, so that 0.1 is a tenth and not the binary number next to it.
        return Fraction(repr(seconds)) * 1_000
    except ValueError as error:  # nan, inf
        message = "not a finite number"
        raise ValueError(message) from error
