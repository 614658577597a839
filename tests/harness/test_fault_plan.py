from __future__ import annotations

import pytest

from tests.harness.fault_plan import FAULTS, LASTING, schedule, seeds_of


def test_a_seed_gives_the_same_schedule_each_time() -> None:
    assert [schedule(seed) for seed in range(50)] == [schedule(seed) for seed in range(50)]
    assert len({str(schedule(seed).strikes) for seed in range(50)}) == 50


def test_ten_seeds_have_every_fault_and_every_place() -> None:
    schedules = [schedule(seed) for seed in seeds_of(None)]
    assert len(schedules) == 10
    assert {strike.fault for each in schedules for strike in each.strikes} == set(FAULTS)
    assert len({(each.source, each.bucket) for each in schedules}) == 4


def test_a_job_suffers_only_what_it_is_connected_with() -> None:
    for each in map(schedule, range(200)):
        for strike in each.strikes:
            assert FAULTS[strike.fault] in {"any", each.bucket, "kafka" if each.source == "kafka" else "any"}
            assert (strike.lasting_seconds > 0) == (strike.fault in LASTING)
            assert strike.lasting_seconds <= 20


def test_it_says_how_to_have_it_again() -> None:
    assert str(schedule(7)).startswith("FAULT_SEEDS=7: ")


@pytest.mark.parametrize(
    ("text", "seeds"), [("3", [3]), ("3 17", [3, 17]), ("3,5-7", [3, 5, 6, 7]), (None, list(range(10)))]
)
def test_seeds_are_numbers_and_ranges(text: str | None, seeds: list[int]) -> None:
    assert seeds_of(text) == seeds


def test_random_seeds_are_new_each_time() -> None:
    assert len(set(seeds_of("random"))) == 10
    assert seeds_of("random") != seeds_of("random")


def test_other_words_are_refused() -> None:
    with pytest.raises(ValueError, match="'ten'"):
        seeds_of("ten")
