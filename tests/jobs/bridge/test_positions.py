"""Where a bridge begins, when records are lost, and who may copy."""

from __future__ import annotations

import pytest
from kafka.errors import KafkaConnectionError

from jobs.bridge.errors import BridgeError, Fenced, RecordsGone
from jobs.bridge.messages import Message
from jobs.bridge.positions import Position
from jobs.bridge.shards import GRACE_MS
from tests.jobs.bridge.kinesis_fake import HOUR_MS, T0_MS, Stopping, World

RETENTION_MS = 24 * HOUR_MS


@pytest.mark.parametrize(
    "position", [Position("1"), Position("1", "2", read_until_ms=3, finished=True), Position("1", since_ms=5)]
)
def test_a_position_is_read_as_it_was_written(position: Position) -> None:
    assert Position.of_json(position.to_json(), "key") == position


@pytest.mark.parametrize("text", [b"", b"7", b"[]", b'{"x": 1}', b"\xff", b"{}"])
def test_what_is_no_position_is_an_error_that_shows_it(text: bytes) -> None:
    with pytest.raises(BridgeError, match="at key position eu/events/shard-0 is no position, but"):
        Position.of_json(text, "position eu/events/shard-0")


def test_a_first_run_begins_with_the_oldest_records(world: World) -> None:
    shard = world.kinesis.make()
    world.kinesis.put(shard, "old")
    world.kinesis.now_ms += HOUR_MS
    world.run()
    assert world.kafka.values() == ["old"]


def test_a_first_run_from_the_latest_on_leaves_out_what_is_older_and_no_later_run_what_is_newer(world: World) -> None:
    parent = world.kinesis.make()
    world.kinesis.put(parent, "old")
    child = world.kinesis.make(parent)
    world.kinesis.put(child, "older child")
    world.kinesis.now_ms += HOUR_MS
    world.run(waits=1, start="latest")
    world.kinesis.put(child, "while it was away")
    world.kinesis.put(world.kinesis.make(child), "new shard")
    world.run(start="latest")
    assert world.kafka.values() == ["while it was away", "new shard"]


def test_records_past_the_retention_end_the_bridge_with_the_shard_and_the_position(world: World) -> None:
    shard = world.kinesis.make()
    world.kinesis.put(shard, "a")
    world.run()
    number = world.kinesis.number
    world.kinesis.now_ms += RETENTION_MS + GRACE_MS + 1
    world.kinesis.put(shard, "b")
    with pytest.raises(RecordsGone, match=f"shard {shard} was copied to after sequence number {number}, 24.0 h ago"):
        world.run()
    assert world.kafka.values() == ["a"]


def test_a_child_that_was_not_begun_when_the_bridge_went_away_is_as_old_as_its_parents(world: World) -> None:
    kinesis = world.kinesis
    parent = kinesis.make()
    kinesis.put(parent, "a")
    child = kinesis.make(parent)
    world.run(waits=1)
    kinesis.now_ms += RETENTION_MS + GRACE_MS + 1
    with pytest.raises(RecordsGone, match=f"shard {child} was copied to its beginning, 24.0 h ago"):
        world.run()


def test_a_child_is_no_newer_than_what_its_parent_had_however_late_that_was_copied(world: World) -> None:
    kinesis = world.kinesis
    parent = kinesis.make()
    kinesis.put(parent, "a")
    child = kinesis.make(parent)
    kinesis.put(child, "b")
    kinesis.now_ms += 20 * HOUR_MS
    world.run(waits=1)
    assert world.positions().keys() == {parent}
    kinesis.now_ms += 10 * HOUR_MS
    kinesis.shards[child].records.clear()
    with pytest.raises(RecordsGone, match=f"shard {child} was copied to its beginning, 30.0 h ago"):
        world.run()


def test_a_bridge_that_was_away_for_less_than_the_retention_goes_on(world: World) -> None:
    shard = world.kinesis.make()
    world.kinesis.put(shard, "a")
    world.run()
    world.kinesis.now_ms += RETENTION_MS - HOUR_MS
    world.kinesis.put(shard, "b")
    world.run()
    assert world.kafka.values() == ["a", "b"]


def test_a_shard_that_is_gone_before_its_end_was_copied_ends_the_bridge(world: World) -> None:
    world.kinesis.make()
    world.save("shard-9", Position("9", "10", read_until_ms=T0_MS))
    with pytest.raises(RecordsGone, match="shard shard-9 was copied to after sequence number 10, and is no longer ke"):
        world.run()


def test_a_stream_that_was_made_anew_is_not_taken_for_the_one_before(world: World) -> None:
    shard = world.kinesis.make()
    world.kinesis.put(shard, "a")
    world.save(shard, Position("another first", finished=True, read_until_ms=T0_MS))
    with pytest.raises(RecordsGone, match="made anew since .*--skip-deleted"):
        world.run()
    world.run(skip_deleted=True)
    assert world.kafka.values() == ["a"]


def test_of_a_stream_that_was_made_anew_the_oldest_records_are_copied_though_the_first_run_began_at_the_latest(
    world: World,
) -> None:
    shard = world.kinesis.make()
    world.kinesis.put(shard, "a")
    world.kinesis.now_ms += HOUR_MS
    world.save(shard, Position("another first", finished=True, read_until_ms=T0_MS))
    world.run(skip_deleted=True, start="latest")
    assert world.kafka.values() == ["a"]


def test_deleted_records_are_skipped_when_that_is_said_and_told(world: World) -> None:
    kinesis = world.kinesis
    shard = kinesis.make()
    kinesis.put(shard, "a")
    world.run()
    child = kinesis.make(shard)
    world.save("shard-9", Position("9", "10", read_until_ms=T0_MS))
    kinesis.now_ms += 2 * RETENTION_MS
    kinesis.shards[shard].records.clear()
    kinesis.put(child, "b")
    world.run(skip_deleted=True)
    assert world.kafka.values() == ["a", "b"]
    assert len([told for told in world.told if told.endswith("going on without them")]) == 2
    assert world.positions().keys() == {shard, child}


def test_positions_of_shards_that_are_long_gone_are_deleted(world: World) -> None:
    kinesis = world.kinesis
    parent = kinesis.make()
    kinesis.put(parent, "a")
    child = kinesis.make(parent)
    world.run()
    del kinesis.shards[parent]
    world.run()
    assert world.positions().keys() == {parent, child}
    for _ in range(5):
        kinesis.now_ms += RETENTION_MS // 2
        world.run()
    assert world.positions().keys() == {child}


def test_the_older_of_two_bridges_ends_when_the_newer_has_taken_over(world: World) -> None:
    shard = world.kinesis.make()
    world.kinesis.put(shard, "a")

    def begin_another(waits_left: int) -> None:
        if waits_left == 30:
            world.run(waits=5)
            world.kinesis.put(shard, "b")

    with pytest.raises(Fenced, match="another bridge with the transactional id bridge has taken over the stre"):
        world.run(between=begin_another)
    epoch = world.kafka.epoch
    world.run()
    assert (epoch, world.kafka.epoch) == (2, 3)  # the older did not stop the newer once more
    assert world.kafka.values() == ["a", "b"]


def test_a_bridge_that_was_only_stopped_by_time_goes_on(world: World) -> None:
    """A coordinator that was away aborts what took too long, and that looks as if another bridge had taken over."""
    shard = world.kinesis.make()

    def fence(waits_left: int) -> None:
        if waits_left == 30:
            world.kafka.epoch += 1
            world.kinesis.put(shard, "a")

    world.run(between=fence)
    assert world.kafka.values() == ["a"]


def test_a_bridge_that_fails_before_it_is_named_tries_again(world: World) -> None:
    world.kinesis.put(world.kinesis.make(), "a")
    world.kafka.failures = [(KafkaConnectionError(), False), (KafkaConnectionError(), True)]
    world.run()
    assert world.kafka.values() == ["a"]


def test_two_transactional_ids_may_not_copy_one_stream(world: World) -> None:
    world.kinesis.make()
    world.run(waits=3)
    with pytest.raises(BridgeError, match="bridge.transactional_id: got other, but the positions of .* are those of b"):
        world.bridge("other").run(Stopping(world.kinesis))  # type: ignore[arg-type]


def test_streams_that_share_a_topic_of_positions_do_not_see_each_other(world: World) -> None:
    shard = world.kinesis.make()
    world.kinesis.put(shard, "a")
    other = Position("9", "99", finished=True)
    world.kafka.committed.append(Message("positions", b"position us/events/" + shard.encode(), other.to_json()))
    world.run()
    assert world.kafka.values() == ["a"]
