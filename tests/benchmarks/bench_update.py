"""The compiled update of many entities against the L-BFGS trainer of Lambda Learner: updates/s, ratio, loss.

`make bench`, or alone: python -m pytest tests/benchmarks/bench_update.py -s. The workload is that of the original's
measurements (spec §14): dense records, δ 0.8, λ 10, 1 to 100 records and 20 to 200 features, log-uniform. The trainer's
time is that of `train()` alone, from ready matrices; ours starts from flat arrays and ends in them. They take turns in
one process; the ratio is the median of the rounds. BLAS on one thread: OPENBLAS_NUM_THREADS=1, as `make bench` sets.
"""

from __future__ import annotations

import os
import time
from statistics import median
from typing import NamedTuple

import numpy as np
import pytest
from scipy import sparse

from lambda_learner import (
    HessianType,
    IndexedDataset,
    IndexedModel,
    TrainerSequentialBayesianLogisticLossWithL2,
)
from lambda_learner.learn.many import Beliefs, Records, Updates, compile_kernel, update_many
from lambda_learner.learn.posterior import FloatArray
from lambda_learner.learn.state import CoefficientPrior

ENTITIES = int(os.environ.get("BENCH_ENTITIES", "200"))
ROUNDS = 5
DELTA, PENALTY = 0.8, 10.0
MAX_LOSS_ABOVE = 1e-6  # the trainer stops within 5e-5 of the optimum; rounding alone may put it below
CELLS = [((n, n), (d, d)) for n in (1, 10, 100) for d in (20, 200)] + [((1, 100), (20, 200))]


class Entity(NamedTuple):
    """One entity's dense records and prior."""

    x: FloatArray
    y: FloatArray
    mean: FloatArray
    precision: FloatArray


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("full", [False, True], ids=["diagonal", "full"])
def test_updates_of_many_entities(*, full: bool) -> None:
    print(f"\nto compile, or to load from the cache: {compile_kernel():.2f} s")
    print(
        f"{'records x features':>20} {'L-BFGS/s':>10} {'many/s':>10} {'records/s':>12} {'ratio':>7}   worst loss above"
    )
    for records, features in CELLS:
        entities = [an_entity(seed, records, features, full=full) for seed in range(ENTITIES)]
        many = flat(entities)
        ratios, slow, fast, above = [], 0.0, 0.0, -np.inf
        for _ in range(ROUNDS):
            trainers = [trainer_of(entity, full=full) for entity in entities]
            started = time.process_time()
            losses = [trainer.train()[1] for trainer in trainers]
            between = time.process_time()
            updates = by_many(*many, full=full)
            slow, fast = between - started, time.process_time() - between
            ratios.append(slow / fast)
            found = zip(entities, losses, updates.losses, strict=True)
            above = max(above, *(ours - comparable(theirs, entity, full=full) for entity, theirs, ours in found))
            assert updates.sound.all()
        assert above < MAX_LOSS_ABOVE
        total = sum(len(entity.y) for entity in entities)
        name = " x ".join(f"{low}" if low == high else f"{low}..{high}" for low, high in (records, features))
        print(
            f"{name:>20} {ENTITIES / slow:10,.0f} {ENTITIES / fast:10,.0f} {total / fast:12,.0f} "
            f"{median(ratios):6.1f}x   {above:.1e}"
        )


def an_entity(seed: int, records: tuple[int, int], features: tuple[int, int], *, full: bool) -> Entity:
    rng = np.random.default_rng(seed)
    n, d = (round(float(np.exp(rng.uniform(*np.log(bounds))))) for bounds in (records, features))
    x = rng.normal(size=(n, d))
    y = np.where(rng.random(n) < 1 / (1 + np.exp(-x @ rng.normal(size=d) / np.sqrt(d))), 1.0, -1.0)
    root = rng.normal(size=(d, d)) / np.sqrt(d)
    precision = PENALTY * (root @ root.T + np.eye(d)) if full else rng.uniform(1, 20, d)
    return Entity(x, y, rng.normal(size=d) / np.sqrt(d), precision)


def trainer_of(entity: Entity, *, full: bool) -> TrainerSequentialBayesianLogisticLossWithL2:
    n = len(entity.y)
    data = IndexedDataset(sparse.csc_matrix(entity.x), entity.y, np.ones(n), np.zeros(n))
    precision = sparse.csc_matrix(entity.precision if full else np.diag(entity.precision))
    return TrainerSequentialBayesianLogisticLossWithL2(
        training_data=data,
        initial_model=IndexedModel(entity.mean, precision),
        hessian_type=HessianType.FULL if full else HessianType.DIAGONAL,
        penalty=PENALTY,
        delta=DELTA,
    )


def comparable(loss: float, entity: Entity, *, full: bool) -> float:
    """The trainer's loss as ours: its prior has two parts, ours one; they differ by what those make where they meet."""
    forgotten = DELTA * (np.diag(entity.precision) if not full else entity.precision)
    total = forgotten + (1 - DELTA) * PENALTY * np.eye(len(entity.mean))
    mu = np.linalg.solve(total, forgotten @ entity.mean)
    shift = mu - entity.mean
    return float(loss - 0.5 * ((1 - DELTA) * PENALTY * mu @ mu + shift @ forgotten @ shift))


def flat(entities: list[Entity]) -> tuple[Records, np.ndarray[tuple[int], np.dtype[np.int64]], Beliefs]:
    sizes = [entity.x.shape for entity in entities]
    per_record = [d for n, d in sizes for _ in range(n)]
    count = len(per_record)
    records = Records(
        np.cumsum([0, *per_record]),
        np.concatenate([np.tile(np.arange(d), n) for n, d in sizes]),
        np.concatenate([entity.x.ravel() for entity in entities]),
        np.concatenate([entity.y for entity in entities]),
        np.ones(count),
        np.zeros(count),
    )
    beliefs = Beliefs(
        np.cumsum([0, *(d for _, d in sizes)]),
        np.concatenate([entity.mean for entity in entities]),
        np.concatenate([entity.precision.ravel() for entity in entities]),
    )
    return records, np.cumsum([0, *(n for n, _ in sizes)]), beliefs


def by_many(
    records: Records, firsts: np.ndarray[tuple[int], np.dtype[np.int64]], beliefs: Beliefs, *, full: bool
) -> Updates:
    prior = CoefficientPrior(0.0, PENALTY, 0.0, PENALTY)
    form = "full" if full else "diagonal"
    return update_many(records, firsts, beliefs, kind="logistic", form=form, kept=DELTA, prior=prior)  # type: ignore[arg-type]
