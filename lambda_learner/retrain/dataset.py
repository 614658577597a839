"""The decisions of a training: read once, flattened, kept in memory or on disk, to be passed over again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from lambda_learner.encoding import PathIds
from lambda_learner.retrain.block import Block, Floats, block_of
from lambda_learner.retrain.moments import Moments
from lambda_learner.retrain.progress import Report, silent
from lambda_learner.retrain.rows import BlockSize, decision_rows
from lambda_learner.retrain.settings import TrainingSettings
from lambda_learner.retrain.spool import Spool
from lambda_learner.retrain.weights import bootstrap_of

__all__ = ["Dataset"]


@dataclass(slots=True)
class Dataset:
    """Blocks of decisions, the paths that they have, and what was set aside with the reason.

    `rewards` are the moments of the rewards of the rows that the bootstrap sample has.
    """

    spool: Spool
    path_ids: PathIds
    set_aside: Counter[str] = field(default_factory=Counter)
    decisions: int = 0
    count_sum: float = 0.0
    first_s: float = float("inf")
    last_s: float = float("-inf")
    rewards: Moments = Moments()

    def read(
        self,
        tables: Iterable[pa.Table],
        settings: TrainingSettings,
        *,
        draws: int,
        hash_seeds: Sequence[int],
        report: Report = silent,
    ) -> None:
        """Take the rows in; the tables are passed over once. `draws` and `hash_seeds` as of `block_of`."""
        size = BlockSize(settings.block_rows, settings.block_text_bytes)
        for rows in decision_rows(tables, size, max_rows=settings.max_decision_records, set_aside=self.set_aside):
            block = block_of(
                rows, self.path_ids, settings, draws=draws, hash_seeds=hash_seeds, set_aside=self.set_aside
            )
            if block.decisions:
                self._add(block, bootstrap_of(block.draws, explore=settings.explore))
            report("read", self.decisions, None)

    def blocks(self) -> Iterator[Block]:
        """All blocks, one at a time."""
        return map(Block.of, self.spool)

    @property
    def mean_item_count(self) -> float:
        """The mean number of candidates."""
        return self.count_sum / self.decisions

    def _add(self, block: Block, bootstrap: Floats) -> None:
        self.spool.append(block.arrays())
        self.rewards = self.rewards.added(block.reward[bootstrap > 0])
        self.decisions += block.decisions
        self.count_sum += float(block.candidates.sum())
        self.first_s = min(self.first_s, float(block.seconds.min()))
        self.last_s = max(self.last_s, float(block.seconds.max()))
