from __future__ import annotations

from lambda_learner.archive.partition import Partition
from lambda_learner.archive.plan import Round, plan_round


def a_file(name: str, min_s: int, max_s: int, rows: int = 10) -> Partition:
    return Partition(name, "movies", min_s, max_s, rows)


def planned(*files: Partition, max_rows: int = 100) -> Round | None:
    return plan_round(files, max_file_rows=10, max_rows=max_rows)


def test_an_empty_archive_and_one_of_one_file_have_nothing_to_do() -> None:
    assert planned() is None
    assert planned(a_file("a", 0, 9, rows=1)) is None


def test_large_files_apart_in_time_have_nothing_to_do() -> None:
    assert planned(a_file("a", 0, 9), a_file("b", 10, 19, rows=3)) is None


def test_large_files_that_share_a_second_are_one_cluster() -> None:
    a, b, c = a_file("a", 0, 9), a_file("b", 9, 19), a_file("c", 20, 29)
    assert planned(c, b, a) == Round((), ((a, b), (c,)))


def test_overlaps_chain_though_the_ends_do_not_meet() -> None:
    long, inner, last = a_file("long", 0, 50), a_file("inner", 5, 9), a_file("last", 40, 60)
    assert planned(long, inner, last) == Round((), ((long, inner, last),))


def test_small_files_are_absorbed_by_the_large_ones() -> None:
    large, small = a_file("large", 0, 9), a_file("small", 50, 60, rows=2)
    assert planned(large, small) == Round((small,), ((large,),))


def test_a_round_takes_small_files_up_to_its_memory_but_two_at_least() -> None:
    small = [a_file(name, 0, 9, rows=2) for name in "abcd"]
    assert planned(*small, max_rows=7) == Round(tuple(small[:3]), ())
    assert planned(*small, max_rows=1) == Round(tuple(small[:2]), ())


def test_a_file_that_is_too_large_is_cut_unless_it_is_of_one_second() -> None:
    large, second = a_file("large", 0, 9, rows=11), a_file("second", 10, 10, rows=11)
    assert planned(large) == Round((), ((large,),))
    assert planned(second) is None
