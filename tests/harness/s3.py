"""A bucket of S3 for the tests of a session, and what happens to requests on their way to it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError

from lambda_learner.publish.s3_address import S3Address, parse_address
from lambda_learner.publish.s3_client import connect
from lambda_learner.publish.s3_store import S3Store


class S3(NamedTuple):
    """Where the session's bucket is, and what a client's environment must hold to use it."""

    endpoint: str
    bucket: str
    environ: Mapping[str, str]

    def new_url(self) -> str:
        """The address of a prefix that no other test has."""
        return f"s3://{self.bucket}/{uuid.uuid4()}?endpoint={self.endpoint}&region=us-east-1"


@contextmanager
def new_bucket(endpoint: str, environ: Mapping[str, str]) -> Iterator[S3]:
    """A bucket that is empty, and goes with all that is in it."""
    name = f"lambda-learner-{uuid.uuid4()}"
    found = S3(endpoint, name, {**environ, "AWS_EC2_METADATA_DISABLED": "true"})
    with pytest.MonkeyPatch.context() as patched:
        for variable, value in found.environ.items():
            patched.setenv(variable, value)
        client = connect(S3Address(name, endpoint=endpoint, region="us-east-1"))
        client.create_bucket(Bucket=name)
    yield found
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
        if keys := [{"Key": item["Key"]} for item in page.get("Contents", ())]:
            client.delete_objects(Bucket=name, Delete={"Objects": keys})
    client.delete_bucket(Bucket=name)


Pass = Callable[[Any], AWSResponse]
Fate = Callable[[Any, Pass], AWSResponse]


def lost(request: Any, passed: Pass) -> AWSResponse:
    """The request arrives, its answer does not."""
    passed(request)
    raise ConnectionClosedError(endpoint_url=request.url)


def unsent(request: Any, _: Pass) -> AWSResponse:
    """The request does not arrive."""
    raise ConnectionClosedError(endpoint_url=request.url)


def answered(status: int, code: str) -> Fate:
    """The request is answered on the way, with an error."""
    body = f"<Error><Code>{code}</Code><Message>secret words of the server</Message></Error>" if code else ""
    return lambda request, _: _answer(request.url, status, body.encode(), {})


def broken_off(request: Any, passed: Pass) -> AWSResponse:
    """The answer's head comes whole, its content only in part."""
    answer = passed(request)
    return _answer(request.url, answer.status_code, answer.content[:-1], dict(answer.headers))


@dataclass
class Road:
    """Between boto3's client and the server: `fates` are those of the next requests, in order; then all are passed."""

    fates: list[Fate] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)  # method and path
    headers: list[Mapping[str, str]] = field(default_factory=list)

    def connect(self, address: S3Address) -> Any:
        """A client of boto3 whose requests go this way."""
        client = connect(address)
        send = client._endpoint.http_session.send  # noqa: SLF001 - what botocore itself sends by

        def before_send(request: Any, **_: Any) -> AWSResponse:
            self.seen.append((request.method, request.url))
            self.headers.append({name.lower(): _text(value) for name, value in request.headers.items()})
            fate = self.fates.pop(0) if self.fates else None
            answer: AWSResponse = fate(request, send) if fate else send(request)
            return answer

        client.meta.events.register("before-send.s3", before_send)
        return client

    def store(self, url: str) -> S3Store:
        """A store at an address, by this road."""
        return S3Store(parse_address(url), connector=self.connect)


class _Raw:
    """What botocore reads an answer's content from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, *_: Any, **__: Any) -> bytes:
        data, self._data = self._data, b""
        return data

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


def _answer(url: str, status: int, body: bytes, headers: dict[str, str]) -> AWSResponse:
    return AWSResponse(url, status, headers, _Raw(body))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
