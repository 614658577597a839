"""One Kafka broker in KRaft mode, from Maven's jars."""

from deploy.services.kafka.broker import Broker

__all__ = ["Broker"]
