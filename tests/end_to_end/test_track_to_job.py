"""The real Improve AI client, and requests as its sisters send them, through the endpoint into a job that follows it.

The endpoint is killed while they send. What it has answered is in the job once, with the sums that the clients know.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping

import pytest

from tests.end_to_end.other_clients import Event
from tests.end_to_end.track_story import Story, message_ids, tell
from tests.harness.compare import assert_identities, assert_same_coefficients
from tests.harness.improveai import CLIENT

# The environment of the real client takes a minute or two where nobody has made it yet.
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

CLASSES = (
    *("decisions", "joined", "duplicate_decisions", "conflicts", "no_entity", "dead_lettered"),
    *("rewards", "credited", "duplicate_rewards", "orphan_rewards", "after_deadline"),
)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return tell(tmp_path_factory.mktemp("track_to_job"), CLIENT.python())


@pytest.fixture(scope="module")
def labels(story: Story) -> Mapping[str, float]:
    """The label of each decision that the job has scored."""
    labels = {row["decision_id"]: row["label"] for row in story.job.scores()}
    assert len(labels) == len(story.job.scores())
    return labels


def test_what_came_over_the_wire_is_what_the_client_says_that_it_has_sent(story: Story) -> None:
    sent = [json.loads(exchange.body) for exchange in story.real]
    said = {call["decision"]: call for call in story.report if "decision" in call}
    for event in (event for event in sent if "count" in event):
        call = said.pop(event["message_id"])
        fields = {"decision": event["message_id"], "context": event.get("context")}
        assert call == {**fields, **{name: event[name] for name in ("model", "item", "count")}}
        assert ("sample" in event) == (event["count"] > 1)
    assert said == {}
    calls = Counter((call["rewarded"], call["reward"]) for call in story.report if "rewarded" in call)
    assert Counter((event["decision_id"], event["reward"]) for event in sent if "reward" in event) == calls


def test_the_client_takes_every_answer_for_success_and_tells_each_one_that_did_not_come(story: Story) -> None:
    assert {exchange.status for exchange in story.tap.exchanges} == {0, 200}
    assert story.told.count("Following error occurred:") == message_ids(story.real, answered=False).total() > 0
    assert "got an error with code" not in story.told


def test_what_was_answered_is_stored_once_and_what_was_not_once_at_most(story: Story) -> None:
    answered, unanswered = message_ids(story.real, answered=True), message_ids(story.real, answered=False)
    assert {name: story.stored[name] for name in answered} == dict.fromkeys(answered, 1)
    assert all(story.stored[name] <= 1 for name in unanswered)


def test_each_decision_is_learned_once_with_the_sum_of_its_rewards(story: Story, labels: Mapping[str, float]) -> None:
    """The sums are those of the client's report, without the rewards that were not stored."""
    sums: defaultdict[str, float] = defaultdict(float)
    for call in story.report:
        if "rewarded" in call:
            sums[call["rewarded"]] += call["reward"]
    for exchange in story.real:
        event = json.loads(exchange.body)
        if "reward" in event and event["message_id"] not in story.stored:
            sums[event["decision_id"]] -= event["reward"]
    learned = [call["decision"] for call in story.report if call.get("decision") in story.stored and has_entity(call)]
    assert {name: labels[name] for name in learned} == {name: sums[name] for name in learned}
    assert len(set(labels) - set(learned)) == len(story.insisted) // 2 + len(story.forms) + 1 + 1


def has_entity(call: Event) -> bool:
    return call["model"] == "plain" or call["context"] is not None


@pytest.mark.parametrize("name", ["Java", "Swift", "version 7"])
def test_the_forms_of_the_other_clients_mean_the_same(story: Story, labels: Mapping[str, float], name: str) -> None:
    said = [form.means for form in story.forms[name]]
    for each in (each for each in said if "count" in each):
        values = [reward["reward"] for reward in said if reward.get("decision_id") == each["message_id"]]
        assert labels[each["message_id"]] == sum(values) != 0


def test_what_is_sent_again_after_a_lost_answer_counts_once(story: Story, labels: Mapping[str, float]) -> None:
    assert story.tap.lose == set()
    assert [story.stored[said["message_id"]] for said in story.forgotten] == [2, 2, 2]
    assert labels[story.forgotten[0]["message_id"]] == 2.5


def test_who_insists_loses_nothing_though_the_endpoint_is_killed(story: Story, labels: Mapping[str, float]) -> None:
    decisions = [said["message_id"] for said in story.insisted if "count" in said]
    assert {name: labels[name] for name in decisions} == dict.fromkeys(decisions, 0.25)


def test_the_coefficients_are_a_replay_of_what_was_sent(story: Story) -> None:
    assert story.oracle is not None
    assert_same_coefficients(story.job.coefficients(), story.oracle.coefficients)


def test_every_line_is_counted_in_its_class(story: Story) -> None:
    assert story.oracle is not None
    assert_identities(story.summary)
    assert {name: story.summary[name] for name in CLASSES} == {name: story.oracle.counters[name] for name in CLASSES}
    assert story.summary["lines"] - story.summary["heartbeats"] == story.stored.total()
    assert [story.summary[name] for name in ("dead_lettered", "late_decisions", "late_rewards")] == [0, 0, 0]
    assert story.summary["duplicate_decisions"] >= 1
    assert story.summary["duplicate_rewards"] >= 2
