from __future__ import annotations

from lambda_learner.simulate.arrivals import Block, in_order, with_heartbeats
from lambda_learner.simulate.lines import Line


def line(arrival_ms: int, sequence: int = 0) -> Line:
    return Line(arrival_ms, sequence, "bad", b"x")


def test_lines_of_all_blocks_come_by_arrival_then_by_sequence() -> None:
    blocks = [
        Block(10, [line(30), line(5, 2), line(5, 1)]),
        Block(20, [line(12), line(40)]),
        Block(20, [line(20)]),
    ]
    assert [entry[:2] for entry in in_order(blocks)] == [(5, 1), (5, 2), (12, 0), (20, 0), (30, 0), (40, 0)]


def test_a_line_is_given_before_later_blocks_are_made() -> None:
    made: list[int] = []

    def blocks() -> list[Block]:
        return [Block(10, [line(5)]), Block(20, [line(15)])]

    lines = in_order(made.append(block.until_ms) or block for block in blocks())  # type: ignore[func-returns-value]
    assert next(lines).arrival_ms == 5
    assert made == [10]


def test_a_heartbeat_stands_at_every_multiple_between_the_first_and_the_last_line() -> None:
    lines = with_heartbeats([line(1_500), line(2_000), line(4_100)], every_ms=1000)
    assert [(entry.arrival_ms, entry.kind) for entry in lines] == [
        (1_500, "bad"),
        (2_000, "heartbeat"),
        (2_000, "bad"),
        (3_000, "heartbeat"),
        (4_000, "heartbeat"),
        (4_100, "bad"),
    ]


def test_no_lines_have_no_heartbeats() -> None:
    assert list(with_heartbeats([], every_ms=1000)) == []
