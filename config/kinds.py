"""The kinds of values in settings: each checks itself and says, as its description, what it accepts."""

from __future__ import annotations

import re
import sys
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticKnownError

from config.durations import duration_ms
from lambda_learner.features import FeatureSpec
from lambda_learner.features.paths import split_path
from lambda_learner.learn.state import ESTIMATE
from lambda_learner.publish.keys import generation_key
from lambda_learner.publish.s3_address import SCHEME, check_endpoint, check_region, parse_address

__all__ = [
    "AtLeastOne",
    "BucketUrl",
    "Duration",
    "Endpoint",
    "EntityPaths",
    "Factor",
    "FeaturePaths",
    "Finite",
    "Folder",
    "ModelName",
    "NoiseVariance",
    "NonNegative",
    "PlainName",
    "Positive",
    "Region",
    "S3Url",
    "SecondsMs",
    "Text",
    "TickMs",
    "VolumeGb",
]

MAX_INT32 = 2**31 - 1  # what Flink holds in an int
MAX_PARALLELISM = 128  # Flink gives small jobs so many key groups, and a task needs one at least


def _list_of_text(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    items = (value,) if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        message = "neither text nor a list of texts"
        raise ValueError(message)
    twice = [item for index, item in enumerate(items) if item in items[:index]]
    if twice:
        message = f"{twice[0]!r} stands twice"
        raise ValueError(message)
    return tuple(items)


def _check_paths(paths: tuple[str, ...]) -> tuple[str, ...]:
    for path in paths:
        split_path(path)
    return paths


def _check_features(features: tuple[str, ...]) -> tuple[str, ...]:
    FeatureSpec.parse(features)
    return features


def _check_model(name: str) -> str:
    generation_key(name)  # the name is part of the bucket's keys: what is no key is no name
    return name


def _bucket(url: str) -> str:
    """A bucket's address: of S3 as it is, of a folder in its `file:` form, with file:///a written as file:/a."""
    if url.startswith(SCHEME):
        return str(parse_address(url))
    path = url.removeprefix("file:")
    if path.startswith("///"):
        path = path[2:]
    if path == url or not path.strip() or path.startswith("//"):
        message = "not of the form file:PATH or s3://BUCKET/PREFIX"
        raise ValueError(message)
    return f"file:{path}"


def _s3(url: str) -> str:
    if not url.startswith(SCHEME):
        message = f"not of the form {SCHEME}BUCKET/PREFIX"
        raise ValueError(message)
    return str(parse_address(url))


def _folder(path: str) -> str:
    if not path.strip() or "\0" in path:
        message = "no path"
        raise ValueError(message)
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.\-]+:", path):
        message = "an address; only folders of this machine are read and written in this version"
        raise ValueError(message)
    return path


def _gigabytes(value: object) -> int:
    match = re.fullmatch(r"(\d{1,9}) GB", value, re.ASCII) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        message = "not of the form 10 GB"
        raise ValueError(message)
    return int(match[1])


def _number_or_estimate(value: object) -> object:
    if value == ESTIMATE:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= sys.float_info.max:
        return value
    wrong: Literal["greater_than"] = "greater_than"
    raise PydanticKnownError(wrong, {"gt": 0})  # one problem, where those of a union would be two


Duration = Annotated[
    int, BeforeValidator(duration_ms), Field(description='a duration such as "500 ms", "10 s" or "2 hours"')
]
SecondsMs = Annotated[
    int,
    BeforeValidator(duration_ms),
    Field(ge=1_000, multiple_of=1_000, description="a duration of whole seconds, at least 1 s, such as 10 s"),
]
TickMs = Annotated[
    int,
    BeforeValidator(duration_ms),
    Field(ge=1_000, description="a duration of at least 1 s, such as 30 s"),
]
VolumeGb = Annotated[int, BeforeValidator(_gigabytes), Field(description='a volume such as "10 GB"')]

Finite = Annotated[float, Field(allow_inf_nan=False, description="a number")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, description="a number > 0")]
NoiseVariance = Annotated[
    float | Literal["estimate"],
    BeforeValidator(_number_or_estimate),
    Field(description="a number > 0, or estimate"),
]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False, description="a number ≥ 0")]
Factor = Annotated[float, Field(gt=0, le=1, description="a number > 0 and ≤ 1")]
AtLeastOne = Annotated[int, Field(ge=1, le=MAX_INT32, description="an integer ≥ 1")]

Text = Annotated[str, Field(min_length=1, description="text")]
PlainName = Annotated[str, Field(pattern="^[a-z0-9]+$", description="lower-case letters a-z and digits")]
ModelName = Annotated[str, AfterValidator(_check_model)]
Folder = Annotated[str, AfterValidator(_folder), Field(description="the path of a folder")]
BucketUrl = Annotated[
    str,
    AfterValidator(_bucket),
    Field(description="file:PATH, such as file:bucket/models, for a folder, or s3://BUCKET/PREFIX"),
]
S3Url = Annotated[str, AfterValidator(_s3), Field(description="s3://BUCKET/PREFIX")]
Endpoint = Annotated[str, AfterValidator(check_endpoint), Field(description="http://HOST:PORT or https://HOST")]
Region = Annotated[str, AfterValidator(check_region), Field(description="the name of a region, such as eu-west-1")]
EntityPaths = Annotated[
    tuple[str, ...],
    BeforeValidator(_list_of_text),
    AfterValidator(_check_paths),
    Field(description="a path in item or context, such as context.user_id, or a list of them"),
]
FeaturePaths = Annotated[
    tuple[str, ...],
    BeforeValidator(_list_of_text),
    AfterValidator(_check_features),
    Field(
        description="a list of paths in item or context, such as item.genre, and crosses of two: "
        "item.genre × context.hour"
    ),
]
