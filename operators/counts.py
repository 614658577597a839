"""Counters as data: each stage sends increments of (minute, model, name); the JVM adds them up and keeps the sums.

State: one sum per key (generated id). The sums leave as an upsert log in files, of which the greatest value of a key
is its newest: sums of increments never fall, so a reader needs no order, and a restart neither loses nor doubles any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from operators.part_files import part_lines, row_text
from operators.rows import FIELD, ROW

CountKey = tuple[int, str, str]  # minute's start in ms (0: of the whole run), model ("" where unknown), name


def counts_text(counts: Mapping[CountKey, int]) -> str:
    """Increments as one text: n in 19 digits, then minute F model F name, between ROW separators."""
    return ROW.join([f"{_digits(n)}{_head(minute, model)}{name}" for (minute, model, name), n in counts.items()])


def counts_text_of(model: str, counts: Mapping[tuple[int, str], int]) -> str:
    """`counts_text` for the (minute, name) counts of one model."""
    return ROW.join([f"{_digits(n)}{_head(minute, model)}{name}" for (minute, name), n in counts.items()])


@lru_cache(maxsize=1024)  # most are small
def _digits(n: int) -> str:
    return f"{n:019d}"


@lru_cache(maxsize=1024)  # a stream is in few minutes at a time
def _head(minute: int, model: str) -> str:
    return f"{minute}{FIELD}{model}{FIELD}"


def sums_sql(increments: str) -> str:
    """The sum of all increments for each key, as one text: sum F minute F model F name."""
    return f"""
SELECT CONCAT(CAST(SUM(n) AS STRING), U&'\\001F', `key`) AS line FROM (
  SELECT CAST(SUBSTRING(line, 1, 19) AS BIGINT) AS n, SUBSTRING(line, 20) AS `key`
  FROM {increments} CROSS JOIN UNNEST(SPLIT(text, U&'\\001E')) AS T(line)
  WHERE line >= '0')  -- not the head of a text (heads.py): all other lines begin with a digit
GROUP BY `key`"""


def read_sums(folder: Path, *, with_open: bool = False) -> Counter[CountKey]:
    """The newest sum of each key in the part files of a folder (`part_lines`)."""
    sums: Counter[CountKey] = Counter()
    for change in part_lines(folder, with_open=with_open):
        if change.startswith(("+I[", "+U[")):
            total, minute, model, name = row_text(change).split(FIELD)
            key = int(minute), model, name
            sums[key] = max(sums[key], int(total))
    return sums
