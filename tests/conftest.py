"""What all tests share: the fixtures of services, and how laws are tried.

Laws are not timed: on a shared machine one slow example says nothing about the code. `make test` tries more.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from tests.harness.s3_service import bucket_url, local_s3, s3, s3_of_session, s3_server
from tests.harness.services import connectors, kafka, kafka_broker, kinesis, local_broker, secured
from tests.harness.spread import pytest_collection_modifyitems, pytest_xdist_make_scheduler

__all__ = [
    "bucket_url",
    "connectors",
    "kafka",
    "kafka_broker",
    "kinesis",
    "local_broker",
    "local_s3",
    "pytest_collection_modifyitems",
    "pytest_xdist_make_scheduler",
    "s3",
    "s3_of_session",
    "s3_server",
    "secured",
]

settings.register_profile("thorough", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
settings.register_profile("quick", settings.get_profile("thorough"), max_examples=20)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
