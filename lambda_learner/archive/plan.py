"""What one round of compaction does: which files it merges, and which it leaves alone. Pure: names only.

Large files (a quarter of the limit or more) are kept apart in time; small ones are absorbed: each of their rows goes to
the large file that is next to it in time. So a reward that comes a month late has one large file rewritten, not a
month of them, and once all is compacted nothing is left to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from lambda_learner.archive.partition import Partition

__all__ = ["Round", "is_settled", "plan_round"]

# Under a quarter of the limit is small. Cuts give halves, or less, being between seconds: those must not be absorbed
# again by the next round, which would move the cuts.
_SMALL: Final = 4


class Round(NamedTuple):
    """`small` is absorbed into `clusters`: large files that overlap, in order of time, of one file mostly."""

    small: tuple[Partition, ...]
    clusters: tuple[tuple[Partition, ...], ...]

    @property
    def files(self) -> int:
        """How many files may be read."""
        return len(self.small) + sum(map(len, self.clusters))


def plan_round(files: Sequence[Partition], *, max_file_rows: int, max_rows: int) -> Round | None:
    """The next round; None when all large files are settled and none is small, unless it is the only one.

    `max_rows` bounds the rows of small files that one round takes, oldest first; further ones wait for the next.
    """
    small = [file for file in files if file.rows * _SMALL < max_file_rows]
    clusters = _clusters(file for file in files if file.rows * _SMALL >= max_file_rows)
    if (small and len(files) > 1) or not all(is_settled(cluster, max_file_rows=max_file_rows) for cluster in clusters):
        return Round(_first(small, max_rows), clusters)
    return None


def is_settled(cluster: Sequence[Partition], *, max_file_rows: int) -> bool:
    """Whether a cluster may stay as it is: one file, not too large to be cut between two seconds."""
    return not cluster or (
        len(cluster) == 1 and (cluster[0].rows <= max_file_rows or cluster[0].min_s == cluster[0].max_s)
    )


def _clusters(files: Iterable[Partition]) -> tuple[tuple[Partition, ...], ...]:
    clusters: list[list[Partition]] = []
    end_s = -1
    for file in sorted(files, key=lambda file: (file.min_s, file.key)):
        if file.min_s > end_s:
            clusters.append([])
        clusters[-1].append(file)
        end_s = max(end_s, file.max_s)
    return tuple(map(tuple, clusters))


def _first(small: Sequence[Partition], max_rows: int) -> tuple[Partition, ...]:
    chosen: list[Partition] = []
    rows = 0
    for file in small:
        if len(chosen) > 1 and rows + file.rows > max_rows:  # two at least: one alone might change nothing
            break
        chosen.append(file)
        rows += file.rows
    return tuple(chosen)
