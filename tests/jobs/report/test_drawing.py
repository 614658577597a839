from __future__ import annotations

import pytest
from matplotlib.axes import Axes

from jobs.report.drawing import event_time_axis, svg_of, times

SECOND, HOUR = 1_000, 3_600_000
START_MS = 1_795_464_833_000


# Some are too short for three ticks of one unit, and too long for six of the unit below.
@pytest.mark.parametrize(
    "span_ms", [20 * SECOND, 100 * SECOND, 150 * SECOND, 400 * SECOND, 150 * HOUR // 60, 60 * HOUR]
)
def test_every_span_of_time_has_ticks_and_no_warning(span_ms: int) -> None:
    def draw(axes: Axes) -> None:
        axes.plot(times([START_MS, START_MS + span_ms]), [0.0, 1.0])
        event_time_axis(axes, "time")
        assert 2 <= len(axes.get_xticks()) <= 8

    svg_of(draw, name="ticks", description="ticks")
