from __future__ import annotations

from itertools import islice

import numpy as np

from jobs.demo_kafka.world import CANDIDATES, REGULARS, Visit, World


def visits(number: int, *, seed: int = 3) -> list[Visit]:
    rng = np.random.default_rng(seed)
    return list(islice(World(rng).visits(rng), number))


def test_the_same_seed_gives_the_same_visits() -> None:
    assert visits(50) == visits(50)
    assert visits(50) != visits(50, seed=4)


def test_a_visit_offers_different_items_with_a_chance_each() -> None:
    for visit in visits(50):
        assert len({tuple(item.values()) for item in visit.candidates}) == CANDIDATES == len(visit.chances)
        assert all(0 < chance < 1 for chance in visit.chances)


def test_one_visit_in_five_is_of_somebody_new_who_never_comes_again() -> None:
    new = [visit.user for visit in visits(2_000) if visit.is_new]
    assert 300 < len(new) < 500
    assert len(set(new)) == len(new)


def test_the_others_are_the_regulars() -> None:
    assert len({visit.user for visit in visits(2_000) if not visit.is_new}) == REGULARS


def test_people_like_different_items_and_the_new_ones_like_the_same() -> None:
    chances: dict[bool, dict[tuple[str, ...], set[float]]] = {True: {}, False: {}}
    for visit in visits(2_000):
        for item, chance in zip(visit.candidates, visit.chances, strict=True):
            chances[visit.is_new].setdefault(tuple(item.values()), set()).add(round(chance, 9))
    assert all(len(found) == 1 for found in chances[True].values())
    assert all(len(found) > REGULARS // 2 for found in chances[False].values())


def test_chance_and_best_are_the_mean_and_the_greatest() -> None:
    visit = Visit("user-1", False, ({"topic": "art"}, {"topic": "food"}), (0.2, 0.6))
    assert (visit.by_chance, visit.best) == (0.4, 0.6)
