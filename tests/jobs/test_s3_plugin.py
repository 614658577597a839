"""What Flink's plugin for S3 is told of what boto3 finds; that it works so: `tests/services/test_s3_checkpoints.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.s3_plugin import plugin_options
from lambda_learner.publish.errors import StoreError
from lambda_learner.publish.s3_address import S3Address

HERE = S3Address("bucket", "p", endpoint="http://127.0.0.1:9", region="eu-west-1")
SERVER = {"s3.endpoint": "http://127.0.0.1:9", "s3.endpoint.region": "eu-west-1", "s3.path.style.access": "true"}
OWN_CHAIN = {"s3.aws.credentials.provider": "com.amazonaws.auth.DefaultAWSCredentialsProviderChain"}


@pytest.fixture(autouse=True)
def _knows_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's own settings of AWS."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE", "REGION", "DEFAULT_REGION"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Keys in the environment, and the plugin's options for them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    return {"s3.access.key": "me", "s3.secret.key": "hunter2"}


def test_keys_are_handed_on(keys: dict[str, str]) -> None:
    assert plugin_options(HERE) == SERVER | keys


def test_a_session_token_goes_with_its_keys(keys: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    assert plugin_options(HERE) == SERVER | keys | {"s3.session.token": "token"}


def test_the_keys_of_a_profile_are_those_of_that_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "[default]\naws_access_key_id = a\naws_secret_access_key = b\n[it]\naws_access_key_id = c\n"
    (tmp_path / "AWS_SHARED_CREDENTIALS_FILE").write_text(text + "aws_secret_access_key = d\n")
    monkeypatch.setenv("AWS_PROFILE", "it")
    assert plugin_options(HERE) == SERVER | {"s3.access.key": "c", "s3.secret.key": "d"}


def test_credentials_that_expire_are_left_to_the_plugin(keys: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2150-01-01T00:00:00Z")
    assert plugin_options(HERE) == SERVER | OWN_CHAIN


def test_without_credentials_the_plugin_searches_itself() -> None:
    assert plugin_options(HERE) == SERVER | OWN_CHAIN


def test_a_profile_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreError, match="ProfileNotFound; check the credentials"):
        plugin_options(HERE)


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_a_server_of_the_environment_counts(name: str, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert plugin_options(S3Address("bucket")) == SERVER | keys


def test_a_server_that_is_named_goes_before_that_of_the_environment(
    keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:8")
    assert plugin_options(HERE) == SERVER | keys


def test_amazons_own_server_is_found_by_the_region(keys: dict[str, str]) -> None:
    assert plugin_options(S3Address("bucket", region="eu-west-1")) == {"s3.endpoint.region": "eu-west-1"} | keys
    assert plugin_options(S3Address("bucket")) == keys


def test_a_server_without_a_region_gets_one(keys: dict[str, str]) -> None:
    options = plugin_options(S3Address("bucket", endpoint="http://127.0.0.1:9"))
    assert options == SERVER | {"s3.endpoint.region": "us-east-1"} | keys
