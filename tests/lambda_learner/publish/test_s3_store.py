"""What only S3 does: lost answers, refusals, credentials, content types. The rest is in test_store.py."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.awsrequest import AWSResponse

from deploy.services.s3 import ENVIRON, S3Server
from lambda_learner.join import RewardPolicy
from lambda_learner.publish import EntityCoefficients, Generation, ShardWriter, claim, publish_generation, shard_of
from lambda_learner.publish.errors import PreconditionFailed, StoreError
from lambda_learner.publish.s3_address import S3Address, parse_address
from lambda_learner.publish.s3_client import ATTEMPTS, connect
from lambda_learner.publish.s3_store import MAX_KEY_BYTES, READ_ATTEMPTS, S3Store
from lambda_learner.publish.store import Store, open_store
from lambda_learner.serve import Ranker
from tests.harness.s3 import S3, Fate, Pass, Road, answered, broken_off, lost, new_bucket, unsent

pytestmark = pytest.mark.services
ROOT = Path(__file__).parents[3]

Action = Callable[[Store], object]
ACTIONS: dict[str, Action] = {
    "get": lambda store: store.get("k"),
    "put": lambda store: store.put("k", b""),
    "put_if": lambda store: store.put_if("k", b"", None),
    "list": lambda store: list(store.list("")),
    "delete": lambda store: store.delete("k"),
}


@pytest.fixture
def url(s3: S3) -> str:
    return s3.new_url()


@pytest.fixture
def road() -> Road:
    return Road()


@pytest.fixture
def store(road: Road, url: str) -> S3Store:
    """A store by a road, which has done its first conditional write."""
    found = road.store(url)
    found.put_if("first", b"", None)
    road.seen.clear()
    road.headers.clear()
    return found


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)


@pytest.mark.parametrize("etag_of_first", [False, True])
def test_a_write_whose_answer_was_lost_is_not_taken_for_another_writers(
    store: S3Store, road: Road, *, etag_of_first: bool
) -> None:
    before = store.put_if("k", b"before", None) if etag_of_first else None
    road.fates = [lost]
    etag = store.put_if("k", b"mine", before)
    found = store.get("k")
    assert found is not None
    assert (found.data, found.etag) == (b"mine", etag)


def test_a_write_that_was_repeated_knows_the_same_bytes_of_another_from_its_own(
    store: S3Store, road: Road, url: str
) -> None:
    other = open_store(url)
    other.put_if("k", b"the same", None)
    road.fates = [unsent]
    with pytest.raises(PreconditionFailed, match="k was changed by another writer"):
        store.put_if("k", b"the same", None)


def test_a_write_that_was_lost_and_then_written_over_is_refused(store: S3Store, road: Road, url: str) -> None:
    def lost_and_written_over(request: Any, passed: Pass) -> AWSResponse:
        try:
            return lost(request, passed)
        finally:
            open_store(url).put("k", b"another's")

    road.fates = [lost_and_written_over]
    with pytest.raises(PreconditionFailed):
        store.put_if("k", b"mine", None)


def test_a_write_that_was_lost_and_then_deleted_by_another_may_be_repeated(
    store: S3Store, road: Road, url: str
) -> None:
    etag = store.put_if("k", b"before", None)

    def lost_and_deleted(request: Any, passed: Pass) -> AWSResponse:
        try:
            return lost(request, passed)
        finally:
            open_store(url).delete("k")

    road.fates = [lost_and_deleted]
    with pytest.raises(PreconditionFailed):
        store.put_if("k", b"mine", etag)
    store.put_if("k", b"mine", None)


def test_a_refusal_of_the_first_try_costs_one_request(store: S3Store, road: Road) -> None:
    store.put_if("k", b"same", None)
    road.seen.clear()
    with pytest.raises(PreconditionFailed):
        store.put_if("k", b"same", None)
    assert [method for method, _ in road.seen] == ["PUT"]


@pytest.mark.parametrize(
    ("status", "code"), [(409, "ConditionalRequestConflict"), (412, "PreconditionFailed"), (404, "NoSuchKey")]
)
def test_every_way_in_which_s3_refuses_a_condition_is_one_error(
    store: S3Store, road: Road, status: int, code: str
) -> None:
    road.fates = [answered(status, code)]
    with pytest.raises(PreconditionFailed):
        store.put_if("k", b"", '"etag"')


@pytest.mark.parametrize(
    "fates",
    [
        [answered(200, "")] * 3,
        [answered(200, ""), answered(412, "PreconditionFailed"), answered(200, "")],
    ],
)
def test_a_server_that_ignores_conditions_is_refused_before_the_first_write(
    road: Road, url: str, fates: list[Fate]
) -> None:
    road.fates = fates
    with pytest.raises(StoreError, match=r"cannot write on a condition in s3://.*If-None-Match or If-Match.*release"):
        road.store(url).put_if("k", b"mine", None)
    assert road.store(url).get("k") is None


def test_a_server_that_does_not_know_conditions_is_refused(road: Road, url: str, no_waiting: None) -> None:
    road.fates = [answered(501, "NotImplemented")] * ATTEMPTS
    with pytest.raises(StoreError, match=r"NotImplemented \(501\); this server lacks"):
        road.store(url).put_if("k", b"mine", None)


def test_whether_the_server_heeds_conditions_is_asked_once(store: S3Store, road: Road) -> None:
    store.put_if("a", b"", None)
    store.put_if("b", b"", None)
    assert [method for method, _ in road.seen] == ["PUT", "PUT"]
    assert [info.key for info in store.list("")] == ["a", "b", "first"]


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
@pytest.mark.parametrize("fate", [answered(503, "SlowDown"), answered(500, "InternalError"), unsent])
def test_a_passing_failure_is_tried_again(
    store: S3Store, road: Road, action: Action, fate: Fate, no_waiting: None
) -> None:
    road.fates = [fate, fate]
    action(store)
    assert not road.fates


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_a_failure_that_stays_is_an_error_after_a_bounded_number_of_tries(
    store: S3Store, road: Road, action: Action, no_waiting: None
) -> None:
    road.fates = [answered(503, "SlowDown")] * 100
    with pytest.raises(StoreError, match=r"in s3://lambda-learner-.* at http.*: SlowDown \(503\); the server is over"):
        action(store)
    assert len(road.seen) == ATTEMPTS


def test_the_words_of_the_server_are_not_repeated(store: S3Store, road: Road) -> None:
    road.fates = [answered(400, "SomethingNew")]
    with pytest.raises(StoreError, match=r"cannot read k in s3://.*SomethingNew \(400\)") as raised:
        store.get("k")
    assert "secret words" not in str(raised.value)


def test_content_that_breaks_off_is_read_again(store: S3Store, road: Road) -> None:
    store.put("k", b"0123456789")
    road.fates = [broken_off]
    found = store.get("k")
    assert found is not None
    assert found.data == b"0123456789"


def test_content_that_always_breaks_off_is_an_error(store: S3Store, road: Road) -> None:
    store.put("k", b"0123456789")
    road.fates = [broken_off] * READ_ATTEMPTS
    with pytest.raises(StoreError, match=r"cannot read k in s3://.*IncompleteReadError"):
        store.get("k")
    assert not road.fates


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_a_bucket_that_is_not_there_is_named(s3: S3, action: Action) -> None:
    missing = f"s3://missing-{uuid.uuid4()}/x?endpoint={s3.endpoint}"
    with pytest.raises(StoreError, match=r"in s3://missing-.*/x at .*: NoSuchBucket \(404\); make the bucket, or name"):
        action(open_store(missing))


@pytest.mark.parametrize(
    ("variable", "code"),
    [("AWS_ACCESS_KEY_ID", "InvalidAccessKeyId"), ("AWS_SECRET_ACCESS_KEY", "SignatureDoesNotMatch")],
)
@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_wrong_credentials_are_an_error_that_does_not_show_them(
    url: str, monkeypatch: pytest.MonkeyPatch, variable: str, code: str, action: Action
) -> None:
    monkeypatch.setenv(variable, "Hunter2IsNotTheKey")
    with pytest.raises(StoreError, match=rf"{code} \(403\); check the credentials that boto3 finds") as raised:
        action(open_store(url))
    assert "Hunter2" not in str(raised.value)
    assert "Hunter2" not in str(raised.value.__cause__)


def test_no_credentials_are_an_error_that_says_where_they_are_sought(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(variable, str(tmp_path / "none"))
    with pytest.raises(StoreError, match=r"NoCredentialsError; check the credentials.*AWS_PROFILE, the web identity"):
        open_store(url).get("k")


def test_a_profile_that_is_not_there_is_an_error(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(
        StoreError, match=r"cannot open the connection in s3://.*ProfileNotFound; check the credentials"
    ):
        open_store(url).get("k")


def test_what_the_address_does_not_name_is_found_as_boto3_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    found = connect(S3Address("abc")).meta
    assert (found.region_name, found.endpoint_url) == ("eu-central-1", "http://127.0.0.1:9")
    named = connect(parse_address("s3://abc?endpoint=http://127.0.0.1:8&region=eu-west-1")).meta
    assert (named.region_name, named.endpoint_url) == ("eu-west-1", "http://127.0.0.1:8")


def test_a_wrong_endpoint_of_the_environment_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "nonsense")
    with pytest.raises(StoreError, match="check AWS_ENDPOINT_URL_S3"):
        open_store("s3://abc").get("k")


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("models/latest/songs.xgb.gz", "application/gzip"),
        ("models/latest/songs.mlmodel.gz", "application/gzip"),
        ("coefficients/songs/generation.json", "application/json"),
        ("x.parquet", "application/octet-stream"),
    ],
)
def test_an_object_has_the_type_of_its_content_and_no_encoding(
    store: S3Store, road: Road, url: str, key: str, kind: str
) -> None:
    store.put(key, b"x")
    store.put_if(key, b"x", getattr(store.get(key), "etag", None))
    address = parse_address(url)
    answer = connect(address).head_object(Bucket=address.bucket, Key=f"{address.prefix}/{key}")
    assert answer["ContentType"] == kind
    assert "ContentEncoding" not in answer
    assert all("content-encoding" not in headers for headers in road.headers)


@pytest.mark.parametrize(("setting", "has_checksum"), [("when_supported", True), ("when_required", False)])
def test_content_is_sent_as_it_is_over_https_too(
    s3: S3, road: Road, monkeypatch: pytest.MonkeyPatch, setting: str, *, has_checksum: bool
) -> None:
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", setting)
    road.fates = [answered(200, "")]
    road.store("s3://abc?endpoint=https://127.0.0.1:9&region=us-east-1").put("k", b"x")
    (sent,) = road.headers
    assert not {"content-encoding", "x-amz-trailer", "transfer-encoding"} & sent.keys()
    assert sent["content-length"] == "1"
    assert ("x-amz-checksum-crc32" in sent) is has_checksum


def test_objects_that_others_made_under_odd_keys_are_not_listed(url: str) -> None:
    address = parse_address(url)
    client = connect(address)
    for key in ("folder/", ".hidden", "a/.b/c"):
        client.put_object(Bucket=address.bucket, Key=f"{address.prefix}/{key}", Body=b"")
    store = open_store(url)
    store.put("folder/k", b"")
    assert [info.key for info in store.list("")] == ["folder/k"]


def test_prefixes_keep_stores_of_one_bucket_apart(s3: S3, url: str) -> None:
    store, beside = open_store(url), open_store(url.replace("?", "-beside?"))
    store.put("k", b"1")
    beside.put("k", b"2")
    assert [info.key for info in store.list("")] == ["k"]
    beside.delete("k")
    assert store.get("k") is not None


def test_a_key_that_is_longer_than_s3_takes_is_an_error(url: str) -> None:
    with pytest.raises(StoreError, match=f"at most {MAX_KEY_BYTES} bytes"):
        open_store(url).get("/".join(["ü" * 100] * 6))


def test_a_fork_has_connections_of_its_own(url: str) -> None:
    made: list[int] = []

    def counted(address: S3Address) -> Any:
        made.append(os.getpid())
        return connect(address)

    store = S3Store(parse_address(url), connector=counted)
    store.put("k", b"parent's")
    child = os.fork()
    if child == 0:
        found = store.get("k")
        os._exit(0 if found is not None and made[-1] == os.getpid() else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert made == [os.getpid()]
    assert store.get("k") is not None


def test_without_boto3_all_but_s3_works_and_that_says_what_to_install(tmp_path: Path) -> None:
    script = f"""
import sys
sys.modules["boto3"] = sys.modules["botocore"] = None
from lambda_learner.publish import StoreError, open_store
import lambda_learner.serve
open_store({str(tmp_path)!r}).put("k", b"")
try:
    open_store("s3://abc/x")
except StoreError as error:
    print(error)
"""
    output = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "bucket s3://abc/x needs boto3" in output
    assert "pip install 'lambda-learner-flink[s3]'" in output


def test_a_server_that_is_gone_is_an_error_and_one_that_is_back_is_used_again(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in ENVIRON.items():
        monkeypatch.setenv(variable, value)
    with new_bucket(s3_server.address, ENVIRON) as found:
        store = open_store(found.new_url())
        store.put("k", b"before")
        s3_server.kill()
        try:
            with pytest.raises(StoreError, match=r"cannot read k in .*: EndpointConnectionError; see whether the serv"):
                store.get("k")
        finally:
            s3_server.start()
        kept = store.get("k")
        store.put("k", b"after")
    assert kept is not None
    assert kept.data == b"before"


def test_a_ranker_reads_what_is_published_in_s3(url: str) -> None:
    store = open_store(url)
    epoch = claim(store, "job", take_over=False)
    generation = Generation("g", "logistic", ("context.user",), ("item",), RewardPolicy(window_ms=1_000), shards=1)
    names = (("item.genre", "drama"),)
    publish_generation(store, "films", generation, epoch=epoch)
    learned = EntityCoefficients('["u1"]', 1_000, 3, names, np.array([1.5]), np.array([2.0]))
    ShardWriter(store, "films", "g", shard_of('["u1"]', 1), epoch).publish(1_000, [learned])
    ranker = Ranker(url, "films", rng=np.random.default_rng(0))
    ranked = ranker.rank([{"genre": "comedy"}, {"genre": "drama"}], {"user": "u1"}, explore=False)
    assert ranked[0].item == {"genre": "drama"}
    assert ranked[0].score - ranked[1].score == pytest.approx(1.5)
