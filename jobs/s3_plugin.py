"""Brings S3 to the mini-cluster in this process's JVM: Flink's plugin, with the server and credentials boto3 finds.

A mini-cluster loads no plugins by itself, so the jar is handed to Flink's file systems here. The options go there and
nowhere else: in the job's own configuration they would be shown by its web interface.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import boto3
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import BotoCoreError

from lambda_learner.publish.s3_address import S3Address
from lambda_learner.publish.s3_client import server_of
from lambda_learner.publish.s3_errors import failure

__all__ = ["S3Plugin", "load_plugin", "plugin_options"]

# Environment, web identity, profile, container, instance: of Amazon's library in the plugin, which renews what expires.
_OWN_CHAIN: Final = "com.amazonaws.auth.DefaultAWSCredentialsProviderChain"
_DEFAULT_REGION: Final = "us-east-1"  # boto3's where nobody names one; it then finds buckets of other regions too
_FIND: Final = "find the credentials"
# It warns, at length, of its own metrics and of each file that Flink syncs or gives up; what fails, Flink tells itself.
_NOISE: Final = "org.apache.hadoop"


class S3Plugin(NamedTuple):
    """The plugin's jar, and the address whose server and credentials it is to use."""

    jar: Path
    address: S3Address


def load_plugin(plugin: S3Plugin, gateway: Any, temporary: Path) -> None:
    """Have Flink know s3:// from now on; what is uploaded waits in the folder `temporary`. Idempotent.

    Raises StoreError where boto3's settings are wrong.
    """
    jvm, new_array = gateway.jvm, gateway.new_array
    configuration = jvm.org.apache.flink.configuration.Configuration()
    for key, value in (plugin_options(plugin.address) | {"s3.buffer.dir": str(temporary / "s3")}).items():
        configuration.setString(key, value)
    urls = new_array(jvm.java.net.URL, 1)
    urls[0] = jvm.java.io.File(str(plugin.jar)).toURI().toURL()
    found = jvm.java.util.ArrayList()
    found.add(jvm.org.apache.flink.core.plugin.PluginDescriptor("s3", urls, new_array(jvm.java.lang.String, 0)))
    shared = jvm.org.apache.flink.configuration.CoreOptions.getPluginParentFirstLoaderPatterns(configuration)
    manager = jvm.org.apache.flink.core.plugin.DefaultPluginManager(found, shared)
    log4j = jvm.org.apache.logging.log4j
    log4j.core.config.Configurator.setLevel(_NOISE, log4j.Level.ERROR)
    jvm.org.apache.flink.core.fs.FileSystem.initialize(configuration, manager)


def plugin_options(address: S3Address) -> dict[str, str]:
    """The plugin's options, credentials among them: not for a log, a file or a command line. Raises StoreError."""
    options = _server(address)
    try:
        credentials = boto3.session.Session().get_credentials()
    except BotoCoreError as error:
        raise failure(_FIND, address, error) from error
    if credentials is None or isinstance(credentials, RefreshableCredentials):
        return options | {"s3.aws.credentials.provider": _OWN_CHAIN}
    held = credentials.get_frozen_credentials()
    token = {"s3.session.token": held.token} if held.token else {}
    return options | {"s3.access.key": held.access_key, "s3.secret.key": held.secret_key} | token


def _server(address: S3Address) -> dict[str, str]:
    """Where the bucket is; without anything named, the plugin asks Amazon's servers for it."""
    endpoint, region = server_of(address)
    if endpoint is None:
        return {} if region == _DEFAULT_REGION else {"s3.endpoint.region": region}
    return {"s3.endpoint": endpoint, "s3.endpoint.region": region, "s3.path.style.access": "true"}
