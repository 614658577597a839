"""Fixtures of the S3 that tests need: started once a session, when the first test asks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from deploy.services.found import service
from deploy.services.process import ServiceError
from deploy.services.s3 import ENVIRON, S3Server
from tests.harness.s3 import S3, new_bucket
from tests.harness.services import without

__all__ = ["bucket_url", "local_s3", "s3", "s3_of_session", "s3_server"]


@pytest.fixture(scope="session")
def local_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server | ServiceError]:
    """An S3 server of the session's own, or why there is none."""
    try:
        server = S3Server(tmp_path_factory.mktemp("s3"))
        server.start()
    except ServiceError as error:
        yield error
        return
    yield server
    server.stop()


@pytest.fixture(scope="session")
def s3_server(local_s3: S3Server | ServiceError) -> S3Server:
    """An S3 server of this machine, which a test may kill if it starts it again."""
    if isinstance(local_s3, ServiceError):
        without("s3", local_s3)
    return local_s3


@pytest.fixture(scope="session")
def s3_of_session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """A bucket: at S3_ENDPOINT with boto3's own credentials, at the local server, or at a container."""
    environ: Mapping[str, str] = {} if os.environ.get("S3_ENDPOINT") else ENVIRON
    if environ and isinstance(local := request.getfixturevalue("local_s3"), S3Server):
        with new_bucket(local.address, environ) as found:
            yield found
        return
    try:
        with service("s3", tmp_path_factory.mktemp("s3-elsewhere")) as address, new_bucket(address, environ) as found:
            yield found
    except ServiceError as error:
        without("s3", error)


@pytest.fixture
def s3(s3_of_session: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The session's bucket, with its credentials in the environment."""
    for variable, value in s3_of_session.environ.items():
        monkeypatch.setenv(variable, value)
    return s3_of_session


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.services)])
def bucket_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store: every test that asks for one runs on each kind."""
    if request.param == "folder":
        return f"file:{tmp_path / 'bucket'}"
    s3: S3 = request.getfixturevalue("s3")
    return s3.new_url()
