"""The address of a bucket of S3: `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`; all but the bucket may be left out.

It holds all that a process needs to open the store anew, except credentials, which boto3 finds where it runs.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from lambda_learner.publish.object_keys import is_key

__all__ = ["SCHEME", "S3Address", "check_endpoint", "check_region", "masked", "parse_address"]

SCHEME: Final = "s3://"
_ACCEPTED: Final = "s3://BUCKET/PREFIX, after which ?endpoint=URL&region=NAME may stand"
_BUCKET: Final = re.compile(r"[a-z0-9](?!.*\.\.)[a-z0-9.\-]{1,61}[a-z0-9]")  # S3's own rule for new buckets
_BUCKET_RULE: Final = "a bucket's name is 3 to 63 lower-case letters, digits, '.' and '-'"
_NO_CREDENTIALS: Final = "credentials do not belong here, boto3 finds them (environment, profile, web identity, role)"
_OPTIONS_RULE: Final = "after ? come endpoint=URL and region=NAME, each once"
_REGION: Final = re.compile(r"[a-z0-9\-]{1,64}")
_OPTIONS: Final = ("endpoint", "region")


class S3Address(NamedTuple):
    """A bucket, the prefix of all keys in it (without slashes around it), and where the server is.

    Without an endpoint or a region, those that boto3 finds: AWS_ENDPOINT_URL_S3, AWS_REGION, the profile.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None

    def __str__(self) -> str:
        """The address as `parse_address` reads it."""
        options = {"endpoint": self.endpoint, "region": self.region}
        query = urlencode({name: value for name, value in options.items() if value}, safe=":/[]")
        return self.place + (f"?{query}" if query else "")

    @property
    def place(self) -> str:
        """The bucket and the prefix only."""
        return SCHEME + self.bucket + (f"/{self.prefix}" if self.prefix else "")


def parse_address(url: str) -> S3Address:
    """Read an address, its prefix as it is written; ValueError says what is wrong, without the value (`masked` is)."""
    place, _, query = url.removeprefix(SCHEME).partition("?")
    bucket, _, prefix = place.partition("/")
    prefix = prefix.removesuffix("/") or prefix
    if not url.startswith(SCHEME) or not _BUCKET.fullmatch(bucket):
        reason = _NO_CREDENTIALS if url.startswith(SCHEME) and re.search("[:@]", bucket) else _BUCKET_RULE
    elif prefix and not is_key(prefix):
        reason = "a prefix is names joined by '/', none empty or with a leading '.'"
    else:
        return _with_options(S3Address(bucket, prefix), query)
    raise _wrong(reason)


def masked(url: str) -> str:
    """Give an address as a message may show it: what could be a credential is left out."""
    place, has_options, _ = url.removeprefix(SCHEME).partition("?")
    is_place = _BUCKET.fullmatch(place.partition("/")[0]) or not re.search("[:@]", place)
    return SCHEME + (place if is_place else "…") + ("?…" if has_options else "")


def check_endpoint(endpoint: str) -> str:
    """Give the URL of a server back; ValueError if it is none, or has more than scheme, host, port and path."""
    if "@" in endpoint:
        message = f"endpoint: {_NO_CREDENTIALS}"
        raise ValueError(message)
    try:
        parts = urlsplit(endpoint)
        is_url = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or parts.query or parts.fragment or re.search(r"\s", endpoint):
        message = (
            f"endpoint must be http://HOST:PORT or https://HOST, without a query, got {endpoint.partition('?')[0]!r}"
        )
        raise ValueError(message)
    return endpoint


def check_region(region: str) -> str:
    """Give the name of a region back; ValueError if it cannot be one."""
    if not _REGION.fullmatch(region):
        message = "region must be a name such as eu-west-1"
        raise ValueError(message)
    return region


def _with_options(address: S3Address, query: str) -> S3Address:
    try:
        found = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError:
        found = [("", "")]
    names = [name for name, _ in found]
    if len(set(names)) < len(names) or not set(names) <= set(_OPTIONS):
        raise _wrong(_OPTIONS_RULE)
    options = dict(found)
    endpoint, region = options.get("endpoint"), options.get("region")
    return address._replace(
        endpoint=None if endpoint is None else check_endpoint(endpoint),
        region=None if region is None else check_region(region),
    )


def _wrong(reason: str) -> ValueError:
    return ValueError(f"must be {_ACCEPTED}: {reason}")
