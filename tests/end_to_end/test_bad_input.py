"""Input that is wrong in every way we know: each line has one clear outcome, and those around it count."""

from __future__ import annotations

import base64
import gzip
import json
import signal
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from lambda_learner.features.entity import entity_key
from tests.harness.compare import assert_identities, assert_same_coefficients
from tests.harness.feed import Folder, Maker, heartbeat, text
from tests.harness.job import Finished, Job
from tests.harness.oracle import Oracle, replay

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

T = 1_704_067_200_000
LATER = T + 100_000
USER = {"user_id": "u"}
LONG_ID = "x" * 65_536
ODD_ID = "a\x1eb\x1fc\x1dd\x00e\nf\u2028g\N{GRINNING FACE}"  # the separators of rows inside the job, and others
REWARDS = 10_000
MOST_REWARDS = 1_000  # of one decision that count
WINDOW = {"reward": {"window": "10 s"}}
MODELS: Mapping[str, Any] = {
    "m": WINDOW | {"learner": {"entity": "context.user_id", "update_interval": "1 s"}},
    "linear": WINDOW | {"learner": {"kind": "linear", "entity": "context.user_id", "update_interval": "1 s"}},
}
STREAM = {"out_of_orderness": "2 s", "publish_interval": "10 s", "shards": 1}
LATE = ("late_decisions", "late_rewards", "late_records")


def wrong_lines(maker: Maker) -> list[tuple[str, bytes]]:
    """Lines that must become dead letters, with the reason."""
    one = json.dumps(maker.decision(T))
    huge = json.dumps(maker.decision(T, item="x" * 2_000_000))
    return [
        ("not_json", one[:-10].encode()),
        ("not_json", one.replace('"jazz"', "NaN").encode()),
        ("not_json", one.replace('"jazz"', "-Infinity").encode()),
        ("not_json", one.replace("jazz", "\\ud800").encode()),
        ("not_utf8", one.replace("jazz", "caf\xe9").encode("latin-1")),
        ("too_large", huge.encode()),
        ("empty", b""),
        ("empty", b"  \r"),
        ("bad_count", one.replace('"count": 1', f'"count": {10**30}').encode()),
        ("bad_heartbeat", f'{{"type": "heartbeat", "time": {10**30}}}'.encode()),
        ("bad_received_at", one.replace(f'"received_at": {T}', f'"received_at": {2**70}').encode()),
    ]


def odd_lines(maker: Maker) -> list[dict[str, Any]]:
    """Lines that are valid, though nobody would expect them."""
    rewarded_often = maker.decision(T, context=USER)
    huge_reward = maker.decision(T, "linear", context=USER)
    value = {"name": "price", "term": "", "value": 1e308}
    record = {"type": "record", "message_id": maker.id_at(T), "model": "m", "entity": "r", "label": 1}
    return [
        maker.decision(T, item={"price": 1e308}, context=USER),
        maker.decision(T, item={"price": 10**30}, context=USER),
        maker.decision(T, item=None, context=USER),
        maker.decision(T),
        maker.decision(T, context={"user_id": None}),
        maker.decision(T, context={"user_id": {"name": "u"}}),
        maker.decision(T, context=7),
        maker.decision(T, context={"user_id": LONG_ID}),
        maker.decision(T, context={"user_id": ODD_ID}),
        rewarded_often,
        *(maker.reward(rewarded_often, T + 1000) for _ in range(REWARDS)),
        huge_reward,
        maker.reward(huge_reward, T + 1000, 1e308),
        maker.reward(huge_reward, T + 1000, 1.5e308),
        maker.reward(huge_reward, T + 1000, 10**30),
        record | {"features": [value, value], "received_at": T},
    ]


def some_lines(maker: Maker, number: int) -> bytes:
    return text([maker.decision(T, context={"user_id": f"g{place % 7}"}) for place in range(number)])


@dataclass(frozen=True)
class Input:
    """What is there when the job starts, what appears later, and what of it can be read."""

    at_first: list[tuple[str, bytes]]  # suffix, content
    later: list[tuple[str, bytes]]
    readable: bytes
    damaged: dict[str, int]  # by suffix, where the damage is
    reasons: Counter[str]


def make_input() -> Input:
    maker = Maker()
    wrong = wrong_lines(maker)
    plain = text([*(line for _, line in wrong), *odd_lines(maker)])
    packed, good = some_lines(maker, 2000), some_lines(maker, 50)
    whole = gzip.compress(packed)
    truncated = whole[: len(whole) // 2]
    whole_lines = gzip_readable(truncated)
    no_newline = text([maker.decision(LATER, context=USER)]).rstrip(b"\n")
    at_first = [
        (".jsonl", plain),
        ("-cut.jsonl.gz", truncated),
        ("-checksum.jsonl.gz", gzip.compress(good)[:-8] + b"\0\0\0\0\0\0\0\0"),
        ("-none.jsonl.gz", b"this is no gzip\n"),
        ("-empty.jsonl", b""),
        ("-crlf.jsonl", text([maker.decision(T, context=USER)]).replace(b"\n", b"\r\n")),
        (".jsonl", text([heartbeat(T + 60_000)])),
    ]
    later = [("-appears.jsonl", no_newline), (".jsonl", text([heartbeat(LATER + 60_000)]))]
    readable = plain + whole_lines + good + at_first[5][1] + at_first[6][1] + no_newline + b"\n" + later[1][1]
    damaged = {"-cut.jsonl.gz": len(whole_lines), "-checksum.jsonl.gz": len(good), "-none.jsonl.gz": 0}
    reasons = Counter(reason for reason, _ in wrong) + Counter({"damaged_file": len(damaged)})
    return Input(at_first, later, readable, damaged, reasons)


def gzip_readable(truncated: bytes) -> bytes:
    """The whole lines of what can be unpacked of a truncated .gz."""
    unpacked = zlib.decompressobj(wbits=31).decompress(truncated)
    return unpacked[: unpacked.rindex(b"\n") + 1]


@dataclass(frozen=True)
class Story:
    """A job over the wrong input, how it ended, and the oracle over what can be read of it."""

    input: Input
    job: Job
    end: Finished
    oracle: Oracle

    @property
    def entities(self) -> dict[str, int]:
        """Records learned by each entity of model m."""
        return {entity: c.count for (model, entity), c in self.job.coefficients().items() if model == "m"}


@pytest.fixture(scope="module", params=["followed", "replayed"])
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Story:
    place = tmp_path_factory.mktemp(request.param)
    given = make_input()
    folder = Folder(place / "events")
    for suffix, data in given.at_first:
        folder.put(data, suffix)
    job = Job(place, folder.path, MODELS, STREAM, follow=request.param == "followed")
    if job.follow:
        end = follow(job, folder, given)
    else:
        for suffix, data in given.later:
            folder.put(data, suffix)
        end = job.run()
    readable = place / "readable.jsonl"
    readable.write_bytes(given.readable)
    return Story(given, job, end, replay([readable], job.settings))


def follow(job: Job, folder: Folder, given: Input) -> Finished:
    with job.start() as running:
        running.until(lambda: job.committed_ms() > 0, "first publish")
        for suffix, data in given.later:
            folder.put(data, suffix)
        running.until(lambda: job.committed_ms() > LATER, "publish of the file that appeared")
        before = job.checkpoints()
        running.until(lambda: job.checkpoints() >= before + 2, "two checkpoints")
        running.interrupt(signal.SIGTERM)
        return running.wait()


def test_every_line_that_can_be_read_counts(story: Story) -> None:
    assert_identities(story.end.summary)
    summary, oracle = story.end.summary, story.oracle.counters
    damaged = len(story.input.damaged)
    assert summary["dead_lettered"] == oracle["dead_lettered"] + damaged
    assert summary["lines"] == oracle["lines"] + damaged
    names = set(oracle) - {"lines", "dead_lettered"} | set(LATE)
    assert {name: summary[name] for name in names} == {name: oracle[name] for name in names}


def test_what_can_be_read_is_learned(story: Story) -> None:
    assert_same_coefficients(story.job.coefficients(), story.oracle.coefficients)


def test_each_wrong_line_is_a_dead_letter_with_its_reason(story: Story) -> None:
    assert Counter(letter["reason"] for letter in story.job.dead_letters(with_open=True)) == story.input.reasons


def test_a_dead_letter_has_the_raw_line(story: Story) -> None:
    letters = story.job.dead_letters(with_open=True)
    raw = Counter(
        base64.b64decode(letter["raw_base64"]) if "raw_base64" in letter else letter["raw"].encode()
        for letter in letters
        if letter["reason"] != "damaged_file"
    )
    assert raw == Counter(line.rstrip(b"\r") for _, line in wrong_lines(Maker()))


def test_a_damaged_gz_is_one_dead_letter_that_names_path_and_offset(story: Story) -> None:
    letters = [letter for letter in story.job.dead_letters(with_open=True) if letter["reason"] == "damaged_file"]
    found = {letter["position"] for letter in letters}
    paths = {suffix: path for suffix in story.input.damaged for path in story.job.events.glob(f"*{suffix}")}
    assert found == {f"{paths[suffix]}:{offset}" for suffix, offset in story.input.damaged.items()}
    assert len(letters) == len(found)


def test_a_huge_number_is_no_feature(story: Story) -> None:
    assert story.end.summary["skipped_features"] == 2  # 1e308 and 10**30


def test_numbers_that_overflow_keep_the_prior(story: Story) -> None:
    assert story.end.summary["non_finite_updates"] == 2  # the sum of rewards, the feature of the record


def test_a_user_without_a_usable_id_is_counted_and_not_learned(story: Story) -> None:
    assert story.end.summary["no_entity"] == 4


@pytest.mark.parametrize("user", [LONG_ID, ODD_ID])
def test_any_text_is_a_user(story: Story, user: str) -> None:
    assert story.entities[entity_key([user]) or ""] == 1


def test_of_ten_thousand_rewards_a_thousand_count(story: Story) -> None:
    assert story.end.summary["excess_rewards"] == REWARDS - MOST_REWARDS
    assert story.end.summary["credited"] == REWARDS + 3


def test_a_file_that_appears_while_the_job_runs_is_read(story: Story) -> None:
    assert story.entities['["u"]'] == 6  # five of the odd lines and of the CRLF file, one of the new file
