"""The calls of the Tracker: what each sends, and what it refuses to send."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lambda_learner.serve as package
from lambda_learner.events import Decision, Reward, decode, ksuid
from lambda_learner.serve import Tracker
from lambda_learner.serve.sender import wall_clock_ms
from tests.lambda_learner.serve.endpoint import TrackEndpoint

URL = "http://127.0.0.1:1/track"  # nobody listens: these events are read from the queue
NOW_S = 1_795_406_033
ID = ksuid.encode(NOW_S, b"decision-0000001")
SONGS = [{"genre": "rock"}, {"genre": "jazz"}, {"genre": "folk"}]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Tracker]]:
    made: list[Tracker] = []

    def tracker(**options: Any) -> Tracker:
        defaults = {"queue": tmp_path / f"queue{len(made)}", "now_ms": lambda: NOW_S * 1000 + 999}
        made.append(Tracker("songs", URL, **{**defaults, **options}))
        return made[-1]

    yield tracker
    for each in made:
        each.close(0)


@pytest.fixture
def tracker(make: Callable[..., Tracker]) -> Tracker:
    return make(rng=np.random.default_rng(5))


def queued(tracker: Tracker) -> list[dict[str, Any]]:
    outbox = tracker._mailbox._opened().outbox
    return [json.loads(event.body) for event in outbox.after(0, 1_000_000)]


def last(tracker: Tracker) -> dict[str, Any]:
    return queued(tracker)[-1]


def test_a_decision_is_what_the_sdk_sends(tracker: Tracker) -> None:
    reward_id = tracker.track(SONGS[0], SONGS[:2], {"hour": 9})
    assert json.dumps(last(tracker)) == json.dumps(
        {
            "message_id": reward_id, "model": "songs", "item": {"genre": "rock"}, "count": 2,
            "sample": {"genre": "jazz"}, "context": {"hour": 9},
        }
    )  # fmt: skip
    assert ksuid.unix_seconds(reward_id) == NOW_S


def test_a_reward_is_what_the_sdk_sends(tracker: Tracker) -> None:
    tracker.add_reward(1, ID)
    message_id = last(tracker)["message_id"]
    expected = {"message_id": message_id, "model": "songs", "reward": 1.0, "decision_id": ID}
    assert json.dumps(last(tracker)) == json.dumps(expected)
    assert ksuid.unix_seconds(message_id) == NOW_S
    assert message_id != ID


def test_the_job_reads_both(tracker: Tracker) -> None:
    tracker.add_reward(2.5, tracker.track("a", ["a", "b"]))
    decision, reward = (decode(json.dumps(event).encode(), arrival_ms=NOW_S * 1000) for event in queued(tracker))
    assert isinstance(decision, Decision)
    assert isinstance(reward, Reward)
    assert (reward.decision_id, reward.value) == (decision.message_id, 2.5)


def test_ids_are_distinct_though_the_generator_is_seeded(make: Callable[..., Tracker]) -> None:
    seeded = [make(rng=np.random.default_rng(1)) for _ in range(2)]
    assert len({each.track(1, [1]) for each in seeded for _ in range(100)}) == 200


def test_the_sample_is_uniform_among_the_other_places(tracker: Tracker) -> None:
    drawn = 3_000
    for _ in range(drawn):
        tracker.track("b", ["a", "b", "c", "b"])
    counts = Counter(event["sample"] for event in queued(tracker))
    assert set(counts) == {"a", "b", "c"}
    for number in counts.values():
        assert number == pytest.approx(drawn / 3, abs=5 * (drawn * 2 / 9) ** 0.5)


def test_samples_without_a_generator_are_of_the_other_places_too(make: Callable[..., Tracker]) -> None:
    tracker = make()
    for _ in range(100):
        tracker.track(1, [0, 1, 2])
    assert {event["sample"] for event in queued(tracker)} == {0, 2}


def test_an_equal_candidate_at_another_place_can_be_the_sample(tracker: Tracker) -> None:
    tracker.track("a", ["a", "a"])
    assert last(tracker)["sample"] == "a"


def test_one_candidate_has_no_sample(tracker: Tracker) -> None:
    tracker.track("a", ["a"])
    assert (last(tracker)["count"], "sample" in last(tracker)) == (1, False)


def test_a_null_candidate_is_a_null_sample_and_a_null_item_is_sent(tracker: Tracker) -> None:
    tracker.track(1, [1, None])
    tracker.track(None, [None, 1])
    first, second = queued(tracker)
    assert first["sample"] is None
    assert (second["item"], second["sample"]) == (None, 1)


@pytest.mark.parametrize(
    "candidates", [["a", "b"], ("a", "b"), np.array(["a", "b"]), np.array(["a", "b"], dtype=object)]
)
def test_candidates_are_a_list_a_tuple_or_an_array(tracker: Tracker, candidates: Any) -> None:
    tracker.track("a", candidates)
    assert (last(tracker)["item"], last(tracker)["sample"]) == ("a", "b")


def test_numbers_and_rows_of_numpy_are_numbers_and_lists(tracker: Tracker) -> None:
    rows = np.array([[1.5, 2.0], [3.0, 4.0]])
    tracker.track(rows[1], rows, {"at": np.float64(0.5), "tags": np.array([1, 2])})
    sent = last(tracker)
    assert (sent["item"], sent["sample"]) == ([3.0, 4.0], [1.5, 2.0])
    assert sent["context"] == {"at": 0.5, "tags": [1, 2]}


@pytest.mark.parametrize("item", [None, 0, -0.5, True, "", "é🎧", [], [1, ["a"]], {}, {"a": {"b": None}}])
def test_items_are_any_json(tracker: Tracker, item: Any) -> None:
    tracker.track(item, [item, "other"], item)
    assert last(tracker)["item"] == item
    assert last(tracker).get("context") == item


def test_a_change_after_the_call_changes_nothing(tracker: Tracker) -> None:
    item = {"genre": "rock"}
    tracker.track(item, [item])
    item["genre"] = "jazz"
    assert last(tracker)["item"] == {"genre": "rock"}


def test_all_candidates_are_logged_on_request(make: Callable[..., Tracker], tracker: Tracker) -> None:
    logging = make(log_candidates=True)
    logging.track(SONGS[1], SONGS)
    tracker.track(SONGS[1], SONGS)
    assert last(logging)["candidates"] == SONGS
    assert "candidates" not in last(tracker)


def test_propensity_and_model_version_are_sent_when_they_are_given(tracker: Tracker) -> None:
    quarter: Any = np.float64(0.25)
    tracker.track("a", ["a", "b"], propensity=quarter, model_version="v3")
    tracker.track_with_sample("a", 2, None, "b", propensity=1, model_version="v3")
    assert [(event["propensity"], event["model_version"]) for event in queued(tracker)] == [(0.25, "v3"), (1, "v3")]
    tracker.track("a", ["a", "b"])
    assert last(tracker).keys() == {"message_id", "model", "item", "count", "sample"}


def test_a_given_sample_is_sent_in_the_order_of_the_sdks_arguments(tracker: Tracker) -> None:
    reward_id = tracker.track_with_sample("item", 3, {"c": 1}, "sample")
    expected = {"message_id": reward_id, "model": "songs", "item": "item", "count": 3, "sample": "sample"}
    assert last(tracker) == {**expected, "context": {"c": 1}}


def test_a_null_sample_differs_from_none_given(tracker: Tracker) -> None:
    tracker.track_with_sample("a", 2, None, None)
    tracker.track_with_sample("a", 2)
    given, absent = queued(tracker)
    assert given["sample"] is None
    assert "sample" not in absent


def test_one_candidate_with_a_null_sample_sends_none(tracker: Tracker) -> None:
    tracker.track_with_sample("a", 1, None, None)
    one: Any = np.int64(1)
    tracker.track_with_sample("a", one)
    assert all("sample" not in event for event in queued(tracker))


@pytest.mark.parametrize(
    ("reward", "sent"), [(0, 0.0), (-2.5, -2.5), (True, 1.0), (np.float32(0.5), 0.5), (2**60, 2.0**60)]
)
def test_a_reward_is_any_finite_number(tracker: Tracker, reward: float, sent: float) -> None:
    tracker.add_reward(reward, ID)
    assert last(tracker)["reward"] == sent
    assert isinstance(last(tracker)["reward"], float)


REFUSED: list[tuple[Callable[[Tracker], object], type[Exception], str]] = [
    (lambda t: t.track("x", ["a", "b"]), ValueError, "item must be one of the 2 candidates, got 'x'"),
    (lambda t: t.track("a", []), ValueError, "candidates must hold at least one item"),
    (lambda t: t.track("a", np.array([])), ValueError, "candidates must hold at least one item"),
    (lambda t: t.track("a", "abc"), TypeError, "candidates must be a list, a tuple or an array .* got 'abc'"),
    (lambda t: t.track("a", None), TypeError, "candidates must be a list, a tuple or an array .* got None"),
    (lambda t: t.track("a", {"a": 1}), TypeError, "candidates must be a list, a tuple or an array"),
    (lambda t: t.track("a", np.array("a")), TypeError, "candidates must be a list, a tuple or an array"),
    (lambda t: t.track({1}, [{1}]), TypeError, r"item must be JSON .* got \{1\}"),
    (lambda t: t.track("a", ["a"], {1: 2}), TypeError, "context must be JSON"),
    (lambda t: t.track("a", ["a"], 2**70), TypeError, "context must be JSON .*64.bit"),
    (lambda t: t.track("a", ["a"], "\ud800"), TypeError, "context must be JSON"),
    (lambda t: t.track("a", ["a"], "x" * 1_100_000), ValueError, "event must be at most .* bytes"),
    (lambda t: t.track("a", ["a"], propensity=0), ValueError, "propensity must be a number over 0 and at most 1"),
    (lambda t: t.track("a", ["a"], propensity=1.5), ValueError, "propensity must .* got 1.5"),
    (lambda t: t.track("a", ["a"], model_version=""), ValueError, "model_version must be a text of 1 to 256"),
    (lambda t: t.track_with_sample("a", 0), ValueError, "num_candidates must be an integer ≥ 1, got 0"),
    (lambda t: t.track_with_sample("a", -1), ValueError, "num_candidates must be an integer ≥ 1, got -1"),
    (lambda t: t.track_with_sample("a", 2.0), TypeError, "num_candidates must be an integer ≥ 1, got 2.0"),  # type: ignore[arg-type]
    (lambda t: t.track_with_sample("a", True), TypeError, "num_candidates must be an integer ≥ 1, got True"),
    (lambda t: t.track_with_sample("a", None), TypeError, "num_candidates must be an integer"),  # type: ignore[arg-type]
    (lambda t: t.track_with_sample("a", 1, None, "b"), ValueError, "sample must not be there"),
    (lambda t: t.add_reward(float("nan"), ID), ValueError, "reward must be a finite number, got nan"),
    (lambda t: t.add_reward(float("-inf"), ID), ValueError, "reward must be a finite number, got -inf"),
    (lambda t: t.add_reward(10**400, ID), ValueError, "reward must be a finite number, got 1000"),
    (lambda t: t.add_reward("1", ID), ValueError, "reward must be a finite number, got '1'"),  # type: ignore[arg-type]
    (lambda t: t.add_reward(None, ID), ValueError, "reward must be a finite number, got None"),  # type: ignore[arg-type]
    (lambda t: t.add_reward(1, "nope"), ValueError, 'reward_id must be a KSUID.* got "nope"'),
    (lambda t: t.add_reward(1, None), ValueError, "reward_id must be a KSUID.* got null"),  # type: ignore[arg-type]
    (lambda t: t.add_reward(1, {1}), TypeError, r"reward_id must be JSON .* got \{1\}"),  # type: ignore[arg-type]
    (lambda t: t.add_reward(1, "z" * 27), ValueError, "reward_id must be a KSUID"),
    (lambda t: t.add_reward(1, ksuid.encode(NOW_S + 1000, bytes(16))), ValueError, "reward_id .*check the clock"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_a_wrong_argument_is_named_with_its_value_and_nothing_is_queued(tracker: Tracker, number: int) -> None:
    call, kind, message = REFUSED[number]
    with pytest.raises(kind, match=message) as caught:
        call(tracker)
    assert caught.type is kind
    assert len(str(caught.value)) < 1000
    assert queued(tracker) == []


def test_an_id_of_a_machine_whose_clock_is_a_little_ahead_is_taken(tracker: Tracker) -> None:
    tracker.add_reward(1, ksuid.encode(NOW_S + 600, bytes(16)))
    assert len(queued(tracker)) == 1


@pytest.mark.parametrize("name", ["", "_songs", "so ngs", "x" * 65, "songs\n", "é", None, 5])
def test_a_wrong_model_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"model_name must be 1 to 64 .* got"):
        Tracker(name, URL)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_queue_bytes": 1000}, "max_queue_bytes must be at least 1048576, got 1000"),
        ({"sync": "off"}, "sync must be normal or full, got 'off'"),
        ({"connections": 0}, "connections must be at least 1, got 0"),
        ({"timeout_s": 0}, "timeout_s must be a number of seconds > 0, got 0"),
        ({"timeout_s": float("nan")}, "timeout_s must be a number of seconds > 0, got nan"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tracker("songs", URL, **options)


def test_what_is_wrong_is_said_before_a_file_is_made(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="track_url"):
        Tracker("songs", "nowhere", queue=tmp_path / "queue")
    assert list(tmp_path.iterdir()) == []


def test_a_closed_tracker_says_so(make: Callable[..., Tracker]) -> None:
    tracker = make()
    tracker.close(0)
    tracker.close(0)
    with pytest.raises(RuntimeError, match="closed"):
        tracker.track("a", ["a"])


def test_the_context_delivers_before_it_ends() -> None:
    with TrackEndpoint() as server:
        with Tracker("songs", server.url, "secret123") as tracker:
            tracker.add_reward(1, tracker.track("a", ["a"]))
        assert len(server.accepted) == 2
        assert {asked.headers["x-api-key"] for asked in server.asked} == {"secret123"}


def test_the_default_clock_is_the_systems() -> None:
    with TrackEndpoint() as server, Tracker("songs", server.url) as tracker:
        before_ms = wall_clock_ms()
        made_s = ksuid.unix_seconds(tracker.track("a", ["a"]))
        assert before_ms // 1000 <= made_s <= wall_clock_ms() // 1000


IMPORTS = {
    "Ranker": ["urllib3", "sqlite3"],
    "Tracker": ["pyarrow", "scipy", "numba"],
    "__all__": ["urllib3", "pyarrow"],
}


@pytest.mark.parametrize(("name", "absent"), IMPORTS.items())
def test_neither_ranker_nor_tracker_imports_what_only_the_other_needs(name: str, absent: list[str]) -> None:
    program = f"import sys; from lambda_learner.serve import {name}; print(sorted(set(sys.modules) & set({absent})))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Trakcer'"):
        package.Trakcer  # type: ignore[attr-defined]  # noqa: B018
    assert all(getattr(package, name) is not None for name in package.__all__)
