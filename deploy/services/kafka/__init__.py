"""One Kafka broker in KRaft mode, from Maven's jars."""

from deploy.services.kafka.broker import Broker, Login

__all__ = ["Broker", "Login"]
