"""The shape of the configuration: one class a section, one attribute a key, the defaults beside them.

Keys are those of `config/example.yaml`; a superset of the Improve AI Gym's `config.yml`, whose keys mean what
they mean there. Attributes in `_ms` are milliseconds; relative paths are relative to the working folder.
"""

from __future__ import annotations

from typing import Annotated, Literal, LiteralString

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from config.bridge import Bridge
from config.bucket import Bucket, shows_no_credentials
from config.kinds import (
    MAX_PARALLELISM,
    AtLeastOne,
    Duration,
    EntityPaths,
    Factor,
    FeaturePaths,
    Finite,
    Folder,
    ModelName,
    NoiseVariance,
    NonNegative,
    PlainName,
    Positive,
    S3Url,
    SecondsMs,
    Text,
    TickMs,
)
from config.sections import AT_KEY, Section
from config.sinks import Sinks
from config.source import FileSource, Source
from config.track import Track
from config.training import Training
from lambda_learner.learn.state import ESTIMATE

__all__ = [
    "Bucket",
    "Forgetting",
    "Intercept",
    "Learner",
    "Model",
    "Reward",
    "Settings",
    "Stream",
]


class Stream(Section):
    """Where events come from and how the streaming job runs."""

    source: Source = FileSource()
    clock: Annotated[Literal["events", "wall"], Field(description="events or wall")] = "events"
    idle_timeout_ms: Annotated[TickMs, Field(description="a duration of at least 1 s, such as 3 s")] = 3_000
    out_of_orderness_ms: TickMs = 30_000
    publish_interval_ms: SecondsMs = 5_000
    checkpoint_interval_ms: Annotated[
        Duration, Field(ge=100, description="a duration of at least 100 ms, such as 10 s")
    ] = 10_000
    parallelism: Annotated[int, Field(ge=1, le=MAX_PARALLELISM, description="an integer from 1 to 128")] = 1
    python_mode: Annotated[Literal["thread", "process"], Field(description="thread or process")] = "thread"
    state: Folder = "state"  # checkpoints, dead letters and counters
    checkpoints: S3Url | None = None  # instead of the state folder; `Settings.checkpoints` has its server too
    max_clock_skew_ms: Duration = 900_000
    max_message_bytes: AtLeastOne = 1_024_000
    shards: Annotated[int, Field(ge=1, le=256, description="an integer from 1 to 256")] = 4
    gc_grace_ms: Duration = 600_000
    archive: Annotated[bool, Field(description="true or false")] = True
    sinks: Sinks = Sinks()
    connectors: Folder = "deploy/connectors/lib"  # the jars of Flink's connectors, for what needs one

    @model_validator(mode="before")
    @classmethod
    def _shows_no_credentials(cls, value: object) -> object:
        return shows_no_credentials(value)


class Reward(Section):
    """How the rewards of a decision become one number."""

    window_ms: SecondsMs = 600_000
    function: Annotated[
        Literal["sum", "mean", "min", "max", "median", "first", "last"],
        Field(description="sum, mean, min, max, median, first or last"),
    ] = "sum"
    default: Finite = 0.0
    max: AtLeastOne = 1_000


class Intercept(Section):
    """The intercept's own prior; without a precision it has that of the others."""

    mean: Finite = 0.0
    precision: Positive | None = None


class Forgetting(Section):
    """How fast old evidence fades: by `factor` for each batch, each record, or each `tau` of event time."""

    factor: Factor = 1.0
    per: Annotated[Literal["batch", "record", "time"], Field(description="batch, record or time")] = "batch"
    tau_ms: Annotated[TickMs | None, Field(description="a duration of at least 1 s, such as 1 day")] = None

    @model_validator(mode="before")
    @classmethod
    def _number_is_the_factor(cls, value: object) -> object:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return {"factor": value} if is_number else value

    @model_validator(mode="after")
    def _tau_goes_with_time(self) -> Forgetting:
        if (self.per == "time") != (self.tau_ms is not None):
            message = "`per: time` needs `tau`, such as tau: 1 day; the other ways take no `tau`"
            raise ValueError(message)
        return self


class Learner(Section):
    """What is learned per entity, and how."""

    kind: Annotated[Literal["logistic", "linear"], Field(description="logistic or linear")] = "logistic"
    entity: EntityPaths = ()
    features: FeaturePaths = ("item",)
    prior_precision: Positive = 1.0
    prior_mean: Finite = 0.0
    intercept: Intercept = Intercept()
    forgetting: Annotated[
        Forgetting,
        Field(description="a number > 0 and ≤ 1, or {factor: NUMBER, per: batch|record|time, tau: TIME}"),
    ] = Forgetting()
    posterior: Annotated[Literal["diagonal", "full"], Field(description="diagonal or full")] = "diagonal"
    update_interval_ms: SecondsMs = 10_000
    noise_variance: NoiseVariance = 1.0
    entity_ttl_ms: Annotated[TickMs | None, Field(description="a duration of at least 1 s, such as 30 days")] = None
    max_features: AtLeastOne = 10_000
    exploration: NonNegative = 1.0

    @model_validator(mode="after")
    def _only_linear_estimates_noise(self) -> Learner:
        if self.kind == "logistic" and self.noise_variance == ESTIMATE:
            message: LiteralString = "a logistic model has no noise variance; leave it out, or set kind: linear"
            raise PydanticCustomError(AT_KEY, message, {"key": "noise_variance", "value": ESTIMATE})
        return self


class Model(Section):
    """One model: its rewards, its learner, and what it changes of the training."""

    reward: Reward = Reward()
    learner: Learner = Learner()
    training: Training = Training()


class Settings(Section):
    """The whole configuration."""

    organization: PlainName = "acme"
    project: PlainName = "demo"
    aws_region: Text = "us-east-1"
    stream: Stream = Stream()
    bucket: Bucket = Bucket()
    training: Training = Training()
    track: Track = Track()
    bridge: Bridge | None = None
    models: Annotated[
        dict[ModelName, Model], Field(description="a mapping of the names of models to their settings")
    ] = {}
    unknown_models: Annotated[Literal["learn", "archive", "reject"], Field(description="learn, archive or reject")] = (
        "learn"
    )

    @field_validator("models", mode="before")
    @classmethod
    def _no_models_are_none(cls, value: object) -> object:
        return {} if value is None else value

    @property
    def checkpoints(self) -> str | None:
        """The address of the job's checkpoints in S3, on the server of the buckets unless it names one; None: local."""
        return None if self.stream.checkpoints is None else self.bucket.on_server(self.stream.checkpoints)

    def model_for(self, name: str) -> Model:
        """The settings of a model; those of a model that the file does not name are the defaults."""
        return self.models.get(name, Model())
