"""Topics whose newest record of each key must stay: made where they are not there, and looked at where they are."""

from __future__ import annotations

from typing import Final

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource
from kafka.errors import TopicAlreadyExistsError

__all__ = ["COMPACT", "cleanup_policy", "make_topic"]

COMPACT: Final = "compact"


def make_topic(admin: KafkaAdminClient, name: str, *, partitions: int = -1, compacted: bool) -> None:
    """Make a topic, unless another is faster; with as many replicas, and partitions for -1, as brokers give."""
    configs = {"cleanup.policy": COMPACT} if compacted else {}
    made = {"num_partitions": partitions, "replication_factor": -1, "configs": configs}
    try:
        admin.create_topics({name: made}, wait_for_metadata=True)
    except TopicAlreadyExistsError:
        return


def cleanup_policy(admin: KafkaAdminClient, name: str) -> str:
    """What brokers do with a topic's old records."""
    found = admin.describe_configs([ConfigResource("topic", name, ["cleanup.policy"])], config_filter="all")
    return str(found["topic"][name]["cleanup.policy"]["value"])
