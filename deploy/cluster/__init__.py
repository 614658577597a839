"""A Flink cluster out of the apache-flink wheel, as processes of this machine that listen on loopback only."""

from __future__ import annotations

from deploy.cluster.application import ApplicationCluster
from deploy.cluster.home import Home, make_home
from deploy.cluster.session import SessionCluster

__all__ = ["ApplicationCluster", "Home", "SessionCluster", "make_home"]
