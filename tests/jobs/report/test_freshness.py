from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jobs.report import ReportInput
from jobs.report.data import Publication, read_publications
from jobs.report.freshness import Freshness, freshness, freshness_by_time, is_live


def test_a_live_delay_is_from_each_windows_close_and_counts_for_each_entity() -> None:
    delays = freshness([Publication(10_000, 50.0, ((8_000, 3), (9_000, 1)))], live=True)
    assert delays is not None
    assert delays.seconds.tolist() == [2.0, 1.0]
    assert [delays.quantile(share) for share in (0.0, 0.25, 0.26, 1.0)] == [1.0, 1.0, 2.0, 2.0]


def test_a_replays_delay_is_how_long_the_learners_update_waited() -> None:
    lines = [Publication(10_000, 50.0, ((0, 1),)), Publication(11_000, None, ((0, 1),))]
    delays = freshness(lines, live=False)
    assert delays is not None
    assert delays.seconds.tolist() == [0.05]


def test_nothing_published_has_no_freshness() -> None:
    assert freshness([], live=True) is None
    assert freshness([Publication(1, None, ())], live=False) is None


def test_quantiles_are_those_of_numpy_for_equal_weights() -> None:
    seconds = np.random.default_rng(0).exponential(size=1_001)
    delays = Freshness(seconds, np.ones(1_001), np.zeros(1_001))
    for share in (0.0, 0.1, 0.5, 0.9, 0.99, 1.0):
        assert delays.quantile(share) == np.quantile(seconds, share, method="inverted_cdf")


def test_delays_over_time_are_summed_up_in_bins_that_leave_no_one_out() -> None:
    at = np.repeat(np.arange(500.0) * 1_000, 2)
    bins = freshness_by_time(Freshness(np.tile([1.0, 3.0], 500), np.ones(1_000), at))
    assert len(bins) == 80
    assert {(b.p50, b.p99) for b in bins} == {(1.0, 3.0)}
    assert [b.time_ms for b in bins] == sorted(b.time_ms for b in bins)
    assert len(freshness_by_time(Freshness(np.ones(3), np.ones(3), np.full(3, 7.0)))) == 1


def test_a_line_without_closes_counts_its_entities_at_its_newest_close() -> None:
    line = '{"model":"m","shard":1,"close_ms":9000,"entities":4,"newest_close_ms":8000,"published_at_ms":9500}'
    assert read_publications([line], []) == (Publication(9_500, None, ((8_000, 4),)),)


def test_a_publication_that_a_restart_tells_of_again_counts_at_its_first_time() -> None:
    lines = [f'{{"model":"m","shard":1,"close_ms":9000,"waited_ms":1,"published_at_ms":{t}}}' for t in (9_900, 9_500)]
    assert [p.published_at_ms for p in read_publications(lines, [])] == [9_500]


@pytest.mark.parametrize(
    ("summary", "delay_ms", "live"),
    [({"in_open_windows": 0}, 2_000, True), ({"in_open_windows": 0}, 10**11, False), ({}, 2_000, False)],
)
def test_a_run_is_live_if_it_was_stopped_and_published_soon(
    summary: dict[str, int],
    delay_ms: int,
    live: bool,  # noqa: FBT001
) -> None:
    source = ReportInput("run", summary, None, Path("nowhere"))
    published = [Publication(10**12, 5.0, ((10**12 - delay_ms, 1),))]
    assert is_live(source, published) is live
