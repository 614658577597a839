"""How to reach Kafka; passwords are not in the configuration, which says where to find them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, LiteralString

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from config.kinds import Folder, Text
from config.sections import AT_KEY, Section

__all__ = ["KafkaConnection", "Secret", "SecretError", "Topic"]

_SERVER: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]+):(\d{1,5})")
MAX_PORT: Final = 65_535
_SASL: Final = ("sasl_mechanism", "username", "password")


class SecretError(RuntimeError):
    """A secret is not where the configuration says; the message does not hold it."""


class Secret(Section):
    """Where a secret is: an environment variable, or the first line of a file."""

    env: Text | None = None
    file: Annotated[Folder | None, Field(description="the path of a file")] = None

    @model_validator(mode="after")
    def _in_one_place(self) -> Secret:
        if (self.env is None) == (self.file is None):
            message: LiteralString = "accepted: {env: NAME} or {file: PATH}, one of them"
            raise PydanticCustomError(AT_KEY, message, {"key": "env", "value": self.env})
        return self

    def read(self, environ: Mapping[str, str] = os.environ) -> str:
        """The secret; raises SecretError."""
        value = environ.get(self.env, "") if self.env else self._first_line()
        if not value:
            message = f"there is nothing in {f'the environment variable {self.env}' if self.env else self.file}"
            raise SecretError(message)
        return value

    def _first_line(self) -> str:
        path = Path(self.file or "")
        try:
            return path.read_text().partition("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            message = f"{path} cannot be read as text ({type(error).__name__})"
            raise SecretError(message) from error


def _servers(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


def _server(text: str) -> str:
    match = _SERVER.fullmatch(text)
    if match is None or not 1 <= int(match[2]) <= MAX_PORT:
        error = "not of the form HOST:PORT"
        raise ValueError(error)
    return text


def _topic(name: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", name) or name in (".", ".."):
        message = "no name of a topic"
        raise ValueError(message)
    return name


Topic = Annotated[str, AfterValidator(_topic), Field(description="1 to 249 letters, digits, and the marks . _ -")]


class KafkaConnection(Section):
    """The brokers to ask first, and how to speak with them. `ca_file`: who signs their certificates, PEM."""

    bootstrap_servers: Annotated[
        tuple[Annotated[str, AfterValidator(_server)], ...],
        BeforeValidator(_servers),
        Field(min_length=1, description="HOST:PORT, such as localhost:9092, or a list of them"),
    ]
    security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        Field(description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"),
    ] = "PLAINTEXT"
    ca_file: Annotated[Folder | None, Field(description="the path of a file")] = None
    sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None,
        Field(description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"),
    ] = None
    username: Text | None = None
    password: Annotated[Secret | None, Field(description="{env: NAME} or {file: PATH}")] = None

    @model_validator(mode="before")
    @classmethod
    def _no_password_is_written_or_shown(cls, value: object) -> object:
        password = value.get("password") if isinstance(value, dict) else None
        if password is not None and not isinstance(password, dict | Secret):
            message: LiteralString = "a password is not written here; accepted: {env: NAME} or {file: PATH}"
            raise PydanticCustomError(AT_KEY, message, {"key": "password", "value": "…"})
        return value

    @model_validator(mode="after")
    def _sasl_is_whole_or_absent(self) -> KafkaConnection:
        is_sasl = self.security_protocol.startswith("SASL_")
        for key in _SASL:
            value = getattr(self, key)
            if (value is not None) != is_sasl:
                context = {"key": key, "value": value, "protocol": self.security_protocol, "all": ", ".join(_SASL)}
                needs: LiteralString = "security_protocol {protocol} needs {all}"
                takes: LiteralString = "security_protocol {protocol} takes none of {all}"
                raise PydanticCustomError(AT_KEY, needs if is_sasl else takes, context)
        return self
