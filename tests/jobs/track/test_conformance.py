"""Schemathesis asks the running endpoint all that its document describes, and compares the answers with it.

Left out: that other methods are refused (`unsupported_method`). Any method brings an event, as in the original, and
the document says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.checks import negative_data_rejection, positive_data_acceptance

from jobs.track import openapi
from jobs.track.admission import Admission
from jobs.track.app import App
from jobs.track.event_folder import EventFolder, Rotation
from jobs.track.event_log import EventLog
from jobs.track.keys import ApiKey, KeyRing, new_key, sha256_of
from jobs.track.metrics import Metrics
from jobs.track.queued import QueuedSink
from jobs.track.room import Room
from jobs.track.rules import Rules
from lambda_learner.events import ksuid
from tests.jobs.track.served import Failures, served
from tests.jobs.track.test_openapi import beyond_the_schema
from tests.lambda_learner.events.test_fuzz import NOW_MS

STRICT: Final = Rules("strict", 1_024_000, 900_000)
ORIGINAL: Final = Rules("original", 1_024_000, 900_000)
KEY: Final = new_key()
TAKEN: Final = 200

schemathesis.openapi.format(
    "ksuid", st.builds(ksuid.encode, st.integers(ksuid.EPOCH_S, NOW_MS // 1000), st.binary(min_size=16, max_size=16))
)


class OneKey:
    ring = KeyRing([ApiKey(project="shop", sha256=sha256_of(KEY.encode()), created_at=datetime.now(UTC))])


def schema_of(rules: Rules, *, keys: bool) -> Any:
    """The document as schemathesis reads it; the examples are always the same, as many as the profile says."""
    schema = schemathesis.openapi.from_dict(openapi.document(rules, keys=keys))
    schema.config.generation.update(deterministic=True, max_examples=settings().max_examples)
    schema.config.phases.coverage.unexpected_methods = set()
    schema.config.checks.negative_data_rejection.expected_statuses = ["400", "401"] if keys else ["400"]
    schema.config.checks.positive_data_acceptance.expected_statuses = ["200"]
    return schema


@contextmanager
def running(folder: Path, rules: Rules, *, keys: bool) -> Iterator[str]:
    """The URL of an endpoint that is whole but for the command."""
    sink = QueuedSink(EventLog(EventFolder(folder, Rotation())))
    room = Room()
    metrics = Metrics(sink, room)
    pages = {"/metrics": metrics.page, "/openapi.json": openapi.page(rules, keys=keys)}
    admission = Admission(OneKey()) if keys else None
    app = App(
        sink, rules, admission=admission, observers=[metrics.observe], pages=pages, room=room, now_ms=lambda: NOW_MS
    )
    sink.open()
    try:
        with Failures() as failures, served(app) as port:
            yield f"http://127.0.0.1:{port}"
        assert failures.told == []
    finally:
        sink.close()


strict, asking, original = schema_of(STRICT, keys=False), schema_of(STRICT, keys=True), schema_of(ORIGINAL, keys=False)
untimed = settings(suppress_health_check=list(HealthCheck), deadline=None)


@pytest.fixture(scope="module")
def strict_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("strict"), STRICT, keys=False) as url:
        yield url


@pytest.fixture(scope="module")
def asking_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("asking"), STRICT, keys=True) as url:
        yield url


@pytest.fixture(scope="module")
def original_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("original"), ORIGINAL, keys=False) as url:
        yield url


def validate_strict(case: Case[Any], url: str, headers: dict[str, str]) -> None:
    """A body that breaks a rule which the schema cannot say must be refused though it looks right."""
    told = isinstance(case.body, dict) and any(beyond_the_schema(case.body))
    excluded = [positive_data_acceptance] * told + [negative_data_rejection] * rounds_to_a_limit(case.body)
    response = case.call_and_validate(url, headers=headers, excluded_checks=excluded)
    assert not (told and case.method == "POST") or response.status_code != TAKEN


def rounds_to_a_limit(value: Any) -> bool:
    """Whether a number in a value is beyond the document's largest, and is read as that: the largest double."""
    if isinstance(value, (dict, list)):
        return any(map(rounds_to_a_limit, value.values() if isinstance(value, dict) else value))
    # Half a step beyond it, and further, no number is read any more.
    return isinstance(value, int) and 17_976_931_348_623_157 * 10**292 < abs(value) < 2**1024 - 2**970


@strict.parametrize()  # type: ignore[untyped-decorator]
@untimed
def test_the_endpoint_answers_as_its_document_says(case: Case[Any], strict_url: str) -> None:
    validate_strict(case, strict_url, {})


@asking.parametrize()  # type: ignore[untyped-decorator]
@untimed
def test_an_endpoint_with_keys_answers_as_its_document_says(case: Case[Any], asking_url: str) -> None:
    validate_strict(case, asking_url, {"x-api-key": KEY})


@original.parametrize()  # type: ignore[untyped-decorator]
@untimed
def test_an_endpoint_for_old_clients_answers_as_its_document_says(case: Case[Any], original_url: str) -> None:
    case.call_and_validate(original_url)
