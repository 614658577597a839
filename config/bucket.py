"""Where models and training data are kept: the section `bucket`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, LiteralString

from pydantic import ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from config.kinds import BucketUrl, Endpoint, Region
from config.sections import AT_KEY, Section
from lambda_learner.publish.s3_address import SCHEME, check_endpoint, masked, parse_address

__all__ = ["Bucket"]

# What a message may show of a wrong value, for all keys whose value could hold credentials.
_CHECKS: Final[dict[str, tuple[Callable[[str], object], Callable[[str], str]]]] = {
    "endpoint": (check_endpoint, lambda url: "…" if "@" in url else url.partition("?")[0]),
    "models": (parse_address, masked),
    "train": (parse_address, masked),
}


class Bucket(Section):
    """Folders, or prefixes of buckets in S3, for models and training data.

    `endpoint` and `region` are those of the S3 addresses that name none themselves: once read, the addresses hold
    them, and so whoever opens a bucket, on whatever machine, needs the address alone. Credentials are never here.
    """

    endpoint: Endpoint | None = None
    region: Region | None = None
    models: BucketUrl = "file:bucket/models"
    train: BucketUrl = "file:bucket/train"

    @model_validator(mode="before")
    @classmethod
    def _shows_no_credentials(cls, value: object) -> object:
        """Refuse here, before the check of the field, which would show the value."""
        for key, (check, safe) in _CHECKS.items():
            url = value.get(key) if isinstance(value, dict) else None
            if isinstance(url, str) and (key == "endpoint" or url.startswith(SCHEME)):
                _refuse_wrong(key, url, check, safe)
        return value

    @field_validator("models", "train")
    @classmethod
    def _with_server(cls, url: str, info: ValidationInfo) -> str:
        if not url.startswith(SCHEME):
            return url
        address = parse_address(url)
        endpoint = address.endpoint or info.data.get("endpoint")
        region = address.region or info.data.get("region")
        return str(address._replace(endpoint=endpoint, region=region))


def _refuse_wrong(key: str, url: str, check: Callable[[str], object], safe: Callable[[str], str]) -> None:
    try:
        check(url)
    except ValueError as error:
        message: LiteralString = "{reason}"
        raise PydanticCustomError(AT_KEY, message, {"key": key, "value": safe(url), "reason": str(error)}) from None
