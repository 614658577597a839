"""What the tests of one service share."""

from __future__ import annotations

import pytest

from tests.harness.stream import TestStream, make_stream


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials as boto3 searches them; a local service takes any."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture
def stream(kinesis: str, aws: None) -> TestStream:
    return make_stream(kinesis, 2)
