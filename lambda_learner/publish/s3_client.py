"""boto3's client for a bucket: its credential chain, bounded waiting, bounded retries."""

from __future__ import annotations

import os
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from lambda_learner.publish.errors import StoreError
from lambda_learner.publish.s3_address import S3Address
from lambda_learner.publish.s3_errors import failure

__all__ = ["ATTEMPTS", "connect", "server_of"]

CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 20.0  # between two pieces of an answer
# Of one request, the first one included. boto3 waits between them, longer each time and 31 s in all at most: a server
# that refuses connections is an error by then (newer releases of boto3: in 2 s), one that never answers after 150 s.
ATTEMPTS: Final = 6
_OPEN: Final = "open the connection"
CONNECTIONS: Final = 32  # kept open for threads of one process; more threads open more, at a warning of urllib3


def connect(address: S3Address) -> Any:
    """Make a client, which is safe for threads but not for a fork; StoreError where boto3's settings are wrong.

    Nothing is sent yet. Credentials, and the endpoint and region that the address does not name, are found as boto3
    finds them; AWS_REGION counts too, which containers on AWS have.
    """
    return _client(
        address,
        Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=CONNECTIONS,
            tcp_keepalive=True,
        ),
    )


def server_of(address: S3Address) -> tuple[str | None, str]:
    """The endpoint that the address or boto3's settings name, None where it is Amazon's own, and the region.

    The region is us-east-1 where nobody names one. StoreError where boto3's settings are wrong.
    """
    found, amazons = (_client(address, Config(ignore_configured_endpoint_urls=ignored)) for ignored in (False, True))
    endpoint = found.meta.endpoint_url
    is_named = address.endpoint is not None or endpoint != amazons.meta.endpoint_url
    return endpoint if is_named else None, found.meta.region_name


def _client(address: S3Address, config: Config) -> Any:
    try:
        session = boto3.session.Session()
        return session.client(
            "s3",
            endpoint_url=address.endpoint,
            region_name=address.region or session.region_name or os.environ.get("AWS_REGION"),
            config=config,
        )
    except BotoCoreError as error:
        raise failure(_OPEN, address, error) from error
    except ValueError as error:  # how botocore refuses an endpoint or a region of the environment
        message = f"cannot open {address.place}: {error}; check AWS_ENDPOINT_URL_S3, AWS_REGION and the AWS profile"
        raise StoreError(message) from error
