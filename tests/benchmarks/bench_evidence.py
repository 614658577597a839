"""Prints the tables of docs/evaluation.md that are simulated: calibration, and regret in several worlds.

Run: python -m pytest tests/benchmarks/bench_evidence.py -o python_files='bench_*.py' -s
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from lambda_learner.evaluation.bandit import GRIDS, BanditWorld, Policy, best_of, paired_difference, regrets
from lambda_learner.evaluation.calibration import LinearWorld, coverage
from lambda_learner.learn.noise import NoisePrior

LINEAR_WORLDS: Final = (
    LinearWorld(records=40, coefficients=5, noise_variance=0.5),
    LinearWorld(records=20, coefficients=8, noise_variance=4.0, prior_precision=0.5),
    LinearWorld(records=10, coefficients=20, noise_variance=0.5, batch=5),
    LinearWorld(records=200, coefficients=5, noise_variance=0.5),
)
FORMS: Final[tuple[Literal["full", "diagonal"], ...]] = ("full", "diagonal")
GUESS: Final = NoisePrior(variance=1.0, records=1.0)
BANDITS: Final = {
    "20 items, all on offer": BanditWorld(),
    "10 items, all on offer, spread 0.5": BanditWorld(items=10, offered=10, spread=0.5),
    "10 of 50 on offer": BanditWorld(items=50, offered=10),
    "10 of 50 on offer, spread 0.5": BanditWorld(items=50, offered=10, spread=0.5),
    "10 of 50 on offer, 20 features": BanditWorld(items=50, offered=10, features=20, density=0.15),
    "10 of 50 on offer, base -4": BanditWorld(items=50, offered=10, base=-4.0),
}
SEEDS, TUNING_SEEDS = range(200), range(10_000, 10_040)


def printed(table: Table) -> None:
    console = Console(width=150)
    console.print()
    console.print(table)


def test_coverage_of_the_90_percent_intervals() -> None:
    table = Table("records", "coefficients", "σ²", "λ", "precision", "σ² known", "σ² estimated", title="Coverage, %")
    for world in LINEAR_WORLDS:
        models = 6_000 // world.coefficients
        for form in FORMS:
            covered = (
                coverage(world, np.random.default_rng(20), models=models, form=form, noise_prior=prior)
                for prior in (None, GUESS)
            )
            told = (world.records, world.coefficients, world.noise_variance, world.prior_precision, form)
            table.add_row(*map(str, told), *(f"{100 * share:.1f}" for share in covered))
    printed(table)


@pytest.mark.timeout(600)
def test_regret_of_policies() -> None:
    table = Table("world", "policy", "regret", "less α = 1 Thompson", "less tuned Thompson", title="Mean regret")
    for name, world in BANDITS.items():
        tuned = {kind: best_of(world, grid, TUNING_SEEDS) for kind, grid in GRIDS.items()}
        sampled, best = Policy("thompson", 1.0), tuned["thompson"]
        policies = dict.fromkeys((sampled, best, tuned["greedy"], Policy("inverted", 1.0), tuned["inverted"]))
        found = {policy: regrets(world, policy, SEEDS) for policy in policies}
        for policy, regret in found.items():
            differences = (paired_difference(regret, found[other]) for other in (sampled, best))
            shown = (f"{each.mean:+.1f} ({each.low:+.1f} to {each.high:+.1f})" for each in differences)
            table.add_row(name, f"{policy.how} {policy.amount}", f"{regret.mean():.1f}", *shown)
        table.add_section()
    printed(table)
