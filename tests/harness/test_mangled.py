from __future__ import annotations

import random
from collections import Counter

import orjson

from tests.harness.mangled import mangled, parts_of, received_ms, slices_of

LINES = [orjson.dumps({"n": n, "received_at": n * 10}) for n in range(20_000)]


def test_no_line_is_lost_and_some_come_again() -> None:
    counts = Counter(mangled(LINES, random.Random(1)))
    assert counts.keys() >= set(LINES)
    assert 200 < sum(counts[line] == 2 for line in LINES) < 600


def test_what_is_no_line_is_the_beginning_of_one() -> None:
    cut = Counter(mangled(LINES, random.Random(1))) - Counter(LINES * 2)
    assert 20 < cut.total() < 80
    assert all(any(line.startswith(each) for line in LINES) for each in cut)


def test_lines_overtake_each_other_but_not_by_much() -> None:
    latest, worst = 0, 0
    for line in mangled(LINES, random.Random(1)):
        at_ms = received_ms(line)
        worst, latest = max(worst, latest - at_ms if at_ms else 0), max(latest, at_ms)
    assert 1_000 < worst <= 12_000


def test_the_same_dice_give_the_same_lines() -> None:
    assert mangled(LINES, random.Random(5)) == mangled(LINES, random.Random(5))


def test_parts_and_slices_hold_all_lines_in_order() -> None:
    parts = parts_of(LINES, [0.1, 0.1, 0.9])
    assert [len(part) for part in parts] == [2_000, 0, 16_000, 2_000]
    slices = list(slices_of(LINES, 1_000))
    assert [line for each in slices for _, line in each] == LINES
    assert all(each[-1][0] - each[0][0] <= 1_000 for each in slices)
