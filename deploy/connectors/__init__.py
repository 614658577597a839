"""Flink's connectors: the pom that resolves them, and where tests keep them."""

from deploy.connectors.jars import connectors_folder

__all__ = ["connectors_folder"]
