"""The rules of the system in pure Python: no Flink, no settings files, no network, no clock."""

__version__ = "0.1.0"
