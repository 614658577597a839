from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.counts import CountKey, counts_text, read_sums
from operators.rows import FIELD, ROW

KEYS = st.tuples(
    st.integers(0, 10**13),
    st.just("") | st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_\-.]{0,9}", fullmatch=True),
    st.sampled_from(["lines", "joined", "progressive.entity.positive.0007"]),
)
COUNTS = st.dictionaries(KEYS, st.integers(1, 2**60), max_size=5).map(Counter[CountKey])


def sums(increments: list[Counter[CountKey]]) -> list[str]:
    """The upsert log that the JVM's sums write for increments: an insert of each key, then its updates."""
    total: Counter[str] = Counter()
    changes = []
    for increment in increments:
        for text in counts_text(increment).split(ROW) if increment else ():
            n, key = int(text[:19]), text[19:]
            if total[key]:
                changes.append(f"-U[{total[key]}{FIELD}{key}]")
            changes.append(f"{'+U' if total[key] else '+I'}[{total[key] + n}{FIELD}{key}]")
            total[key] += n
    return changes


def write(folder: Path, changes: list[str], name: str = "part-0") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(f"{change}\n" for change in changes))


@given(increments=st.lists(COUNTS, max_size=4), shuffled=st.randoms(use_true_random=False))
def test_sums_come_back_in_whatever_order_the_files_are_read(
    tmp_path_factory: pytest.TempPathFactory, increments: list[Counter[CountKey]], shuffled: Random
) -> None:
    folder = tmp_path_factory.getbasetemp() / "sums"
    changes = sums(increments)
    shuffled.shuffle(changes)
    write(folder, changes[::2], "part-a")
    write(folder, changes[1::2], "part-b")
    assert read_sums(folder) == sum(increments, Counter())


def test_a_restart_that_writes_older_sums_again_leaves_the_greatest(tmp_path: Path) -> None:
    key = (60_000, "m", "joined")
    changes = sums([Counter({key: 5}), Counter({key: 4})])
    write(tmp_path, [*changes, *changes[:2]])
    assert read_sums(tmp_path) == {key: 9}


def test_what_no_checkpoint_has_committed_is_read_on_demand_only(tmp_path: Path) -> None:
    key = (0, "", "updates")
    write(tmp_path / "2023", sums([Counter({key: 1})]), "part-0-0")
    write(tmp_path / "2023", sums([Counter({key: 3})]), ".part-0-1.inprogress.5e1f")
    assert read_sums(tmp_path) == {key: 1}
    assert read_sums(tmp_path, with_open=True) == {key: 3}


def test_a_job_that_has_counted_nothing_has_no_sums(tmp_path: Path) -> None:
    assert read_sums(tmp_path / "counts") == {}
