"""What the bridge copies, of a stream that is split and merged, from a service that throttles and goes away."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import NoCredentialsError
from hypothesis import given
from hypothesis import strategies as st
from kafka.errors import KafkaConnectionError, MessageSizeTooLargeError

from jobs.bridge.errors import BridgeError
from jobs.bridge.session import GROUP
from jobs.bridge.shard_reader import MIN_RECORDS, SAVE_MS
from jobs.bridge.stream import MAX_RECORDS
from tests.jobs.bridge.kinesis_fake import AWAY, HOUR_MS, T0_MS, FakeKinesis, World, client_error

FAILED = KafkaConnectionError("gone")


def test_a_record_has_its_key_bytes_and_time_of_arrival(world: World) -> None:
    shard = world.kinesis.make()
    world.kinesis.put(shard, "a", key="decision-\N{GREEK SMALL LETTER ALPHA}")
    world.run()
    (copy,) = [each for each in world.kafka.committed if each.topic == "copies"]
    assert (copy.key.decode(), copy.value, copy.time_ms) == ("decision-α", b"a", T0_MS)


def test_records_and_the_position_they_lead_to_are_one_transaction(world: World) -> None:
    shard = world.kinesis.make()
    world.kinesis.put(shard, "a", "b")
    world.run(waits=1)
    _, written = world.kafka.transactions  # the first names the bridge
    assert [each.topic for each in written] == ["copies", "copies", "positions"]
    assert world.positions()[shard].after == str(world.kinesis.number)


def test_what_several_shards_have_is_one_transaction_of_a_bounded_group(world: World) -> None:
    shards = [world.kinesis.make() for _ in range(GROUP + 2)]
    for shard in shards:
        world.kinesis.put(shard, "x")
    world.run(waits=2)
    sizes = [sum(each.topic == "copies" for each in one) for one in world.kafka.transactions]
    assert sizes == [0, GROUP, 2]


def test_a_second_run_goes_on_after_the_positions(world: World) -> None:
    shard = world.kinesis.make()
    world.kinesis.put(shard, "a", "b")
    world.run()
    world.kinesis.put(shard, "c")
    world.run()
    assert world.kafka.values() == ["a", "b", "c"]


def test_children_are_read_after_their_parents_are_copied(world: World) -> None:
    kinesis = world.kinesis
    parent = kinesis.make()
    kinesis.put(parent, *map(str, range(10)))
    left, right = kinesis.make(parent), kinesis.make(parent)
    kinesis.put(left, "left")
    kinesis.put(right, "right")
    merged = kinesis.make(left, right)
    kinesis.put(merged, "merged")
    world.run()
    values = world.kafka.values()
    assert values[:10] == list(map(str, range(10)))
    assert sorted(values[10:12]) == ["left", "right"]
    assert values[12:] == ["merged"]
    assert {name for name, each in world.positions().items() if each.finished} == {parent, left, right}


def test_a_child_of_two_waits_for_the_slower_one(world: World) -> None:
    kinesis = world.kinesis
    slow, fast = kinesis.make(), kinesis.make()
    kinesis.put(slow, "slow")
    kinesis.errors[slow] = [client_error("ProvisionedThroughputExceededException")] * 4
    merged = kinesis.make(slow, fast)
    kinesis.put(merged, "merged")
    world.run()
    assert world.kafka.values() == ["slow", "merged"]


def test_a_shard_that_is_split_while_it_is_read_is_followed(world: World) -> None:
    kinesis = world.kinesis
    shard = kinesis.make()
    kinesis.put(shard, "before")

    def split(waits_left: int) -> None:
        if waits_left == 30:
            kinesis.put(kinesis.make(shard), "after")

    world.run(between=split)
    assert world.kafka.values() == ["before", "after"]


def test_a_parent_that_is_no_longer_kept_holds_up_nobody(world: World) -> None:
    child = _orphan(world.kinesis)
    world.kinesis.put(child, "a")
    world.run()
    assert world.kafka.values() == ["a"]


def _orphan(kinesis: FakeKinesis) -> str:
    parent = kinesis.make()
    child = kinesis.make(parent)
    del kinesis.shards[parent]
    return child


def test_a_throttled_shard_is_asked_again_after_pauses_that_double_and_the_others_go_on(world: World) -> None:
    kinesis = world.kinesis
    hot, cold = kinesis.make(), kinesis.make()
    kinesis.put(hot, "hot")
    kinesis.put(cold, "cold")
    kinesis.errors[hot] = [client_error("ProvisionedThroughputExceededException")] * 4
    world.run()
    times = [time for name, time in kinesis.asked if name == hot][:5]
    assert [later - sooner for sooner, later in zip(times, times[1:], strict=False)] == [400, 800, 1_600, 3_200]
    assert world.kafka.values() == ["cold", "hot"]


def test_an_iterator_that_is_expired_is_replaced_at_once_by_one_from_the_position(world: World) -> None:
    kinesis = world.kinesis
    shard = kinesis.make()
    kinesis.put(shard, "a", "b", "c", "d")

    def expire(waits_left: int) -> None:
        if waits_left == 59:
            kinesis.errors[shard] = [client_error("ExpiredIteratorException")]

    world.run(between=expire)
    assert world.kafka.values() == ["a", "b", "c", "d"]
    assert kinesis.iterators == ["TRIM_HORIZON", "AFTER_SEQUENCE_NUMBER"]
    assert world.told == []


@pytest.mark.parametrize("error", [AWAY, client_error("InternalFailure")])
def test_a_service_that_is_away_is_told_once_and_waited_for(world: World, error: Exception) -> None:
    kinesis = world.kinesis
    one, two = kinesis.make(), kinesis.make()
    kinesis.put(one, "a")
    kinesis.list_errors = [error] * 3
    kinesis.errors = {one: [error] * 3, two: [error] * 2}
    world.run()
    assert world.kafka.values() == ["a"]
    assert len(world.told) == 2
    assert world.told[0].startswith("Kinesis does not answer as it should, and is asked again: Kinesis stream events")
    assert world.told[1] == "Kinesis answers again"


def test_fewer_records_are_asked_for_where_many_do_not_come_in_time(world: World) -> None:
    world.kinesis.most = 200
    world.kinesis.put(world.kinesis.make(), "a")
    world.run(waits=3)
    assert world.kinesis.limits[:3] == [10_000, 1_250, 156]
    assert world.kafka.values() == ["a"]


def test_a_stream_that_is_not_there_ends_the_bridge(world: World) -> None:
    world.kinesis.list_errors = [client_error("ResourceNotFoundException")]
    with pytest.raises(BridgeError, match="Kinesis stream events, its shards: .*ResourceNotFoundException"):
        world.run()


@pytest.mark.parametrize("error", [client_error("AccessDeniedException"), NoCredentialsError()])
def test_a_shard_that_may_not_be_read_ends_the_bridge(world: World, error: Exception) -> None:
    shard = world.kinesis.make()
    world.kinesis.errors[shard] = [error]
    with pytest.raises(BridgeError, match=f"Kinesis stream events, shard {shard}: "):
        world.run()


def test_what_a_killed_bridge_has_left_open_holds_up_nobody(world: World) -> None:
    world.kinesis.put(world.kinesis.make(), "a")
    world.kafka.is_open = True
    world.run(waits=1)
    assert world.kafka.values() == ["a"]
    assert not world.told


def test_brokers_that_are_away_are_told_once_and_waited_for(world: World) -> None:
    world.kinesis.put(world.kinesis.make(), "a")
    world.kafka.away = 4
    world.run()
    assert world.kafka.values() == ["a"]
    assert [each.partition(":")[0] for each in world.told] == [
        "Kafka does not answer as it should, and is asked again",
        "Kafka answers again",
    ]


def test_after_a_failure_the_first_transactions_are_small(world: World) -> None:
    world.kinesis.put(world.kinesis.make(), *"abcdef")
    world.kafka.failures = [None, (FAILED, False)]
    world.run()
    assert world.kafka.values() == list("abcdef")
    assert world.kinesis.limits[:3] == [MAX_RECORDS, MIN_RECORDS, 2 * MIN_RECORDS]


def test_a_clock_that_is_set_back_holds_up_nothing(world: World) -> None:
    shard = world.kinesis.make()

    def set_back(waits: int) -> None:
        if waits == 5:
            world.kinesis.now_ms -= HOUR_MS
            world.kinesis.put(shard, "a")
            world.kinesis.put(world.kinesis.make(shard), "b")

    world.run(between=set_back)
    assert world.kafka.values() == ["a", "b"]


def test_progress_is_told_while_brokers_are_away_too(world: World) -> None:
    world.kafka.away = 100
    world.run(waits=25)
    assert [json.loads(line)["time_ms"] - T0_MS for line in world.lines] == [10_000, 20_000]


def test_a_record_that_the_topic_does_not_take_ends_the_bridge(world: World) -> None:
    world.kinesis.put(world.kinesis.make(), "a")
    world.kafka.failures = [None, (MessageSizeTooLargeError("too large"), False)]
    with pytest.raises(BridgeError, match="too large"):
        world.run()


@given(
    failures=st.lists(st.none() | st.tuples(st.just(FAILED), st.booleans()), max_size=25),
    splits=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 5)), max_size=4),
)
def test_whatever_becomes_of_a_transaction_each_record_is_there_once_and_in_order(
    failures: list[tuple[Exception, bool] | None], splits: list[tuple[int, int]]
) -> None:
    """A failure that comes after the transaction was committed is one whose answer was lost."""
    world = World()
    kinesis = world.kinesis
    current = [kinesis.make(), kinesis.make()]
    world.kafka.failures = list(failures)
    sent = 0

    def put(waits_left: int) -> None:
        nonlocal sent
        for _, place in [each for each in splits if each[0] == waits_left]:
            current[place % 2] = kinesis.make(current[place % 2])
        if waits_left > 60:
            kinesis.put(current[sent % 2], str(sent))
            sent += 1

    world.run(waits=120, between=put)
    values = [int(value) for value in world.kafka.values()]
    assert sorted(values) == list(range(sent))
    for place in (0, 1):
        mine = [value for value in values if value % 2 == place]
        assert mine == sorted(mine)


def test_how_far_a_quiet_shard_is_read_is_kept_now_and_then(world: World) -> None:
    shard = world.kinesis.make()
    world.run(waits=2 * SAVE_MS // 500 + 5)
    assert len(world.kafka.transactions) == 1 + 3  # the name, the beginning, and twice
    assert world.positions()[shard].read_until_ms == T0_MS + 2 * SAVE_MS


def test_aggregated_records_are_copied_as_they_are_and_told_once(world: World) -> None:
    shard = world.kinesis.make()
    data = b"\xf3\x89\x9a\xc2\x0a\x01k"
    for _ in range(2):
        world.kinesis.put(shard, "plain")
        world.kinesis.shards[shard].records.append((world.kinesis.number + 1, "k", data, T0_MS))
        world.kinesis.number += 1
    world.run()
    assert [each.value for each in world.kafka.committed if each.topic == "copies"].count(data) == 2
    (told,) = world.told
    assert "aggregated by the Kinesis Producer Library" in told


def test_a_line_of_json_each_ten_seconds_says_what_was_copied_and_how_far_behind_each_shard_is(world: World) -> None:
    shard = world.kinesis.make()
    world.kinesis.put(shard, "a", "bc")
    world.run(waits=50)
    lines = [json.loads(line) for line in world.lines]
    assert [line["time_ms"] - T0_MS for line in lines] == [10_200, 20_200]  # at the first look after ten seconds
    first = lines[0]
    assert (first["records"], first["bytes"], first["behind_ms"]) == (2, 3, {shard: 0})
