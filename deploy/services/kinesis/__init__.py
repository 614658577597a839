"""A stand-in for Kinesis: kinesis-local by npm, or else moto by pip."""

from deploy.services.kinesis.server import KinesisServer

__all__ = ["KinesisServer"]
