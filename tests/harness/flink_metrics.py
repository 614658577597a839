"""What Flink itself counts of a running job, asked of the REST interface that its mini-cluster has on loopback."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

__all__ = ["late_records_dropped"]

METRIC: Final = "numLateRecordsDropped"
ASK_SECONDS: Final = 2.0
LISTENS: Final = "0A"  # in /proc/net/tcp


def late_records_dropped(pids: Iterable[int]) -> int | None:
    """The records that the windows of these processes' job have dropped since it started; None if it does not say."""
    for port in set(_ports(pids)):
        with suppress(OSError, HTTPException, ValueError, LookupError, TypeError):
            found = [count for job in _get(port, "/jobs")["jobs"] for count in _of_job(port, job["id"])]
            if found:
                return sum(found)
    return None


def _of_job(port: int, job: str) -> Iterator[int]:
    for vertex in _get(port, f"/jobs/{job}")["vertices"]:
        path = f"/jobs/{job}/vertices/{vertex['id']}/metrics"
        names = [each["id"] for each in _get(port, path) if each["id"].endswith(METRIC)]
        if names:
            yield from (int(each["value"]) for each in _get(port, f"{path}?get={','.join(names)}"))


def _get(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=ASK_SECONDS) as answer:
        return json.load(answer)


def _ports(pids: Iterable[int]) -> Iterator[int]:
    """The ports that processes listen at."""
    inodes = {inode for pid in pids for inode in _sockets(pid)}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENS and fields[9] in inodes:
                yield int(fields[1].rpartition(":")[2], 16)


def _sockets(pid: int) -> Iterator[str]:
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = os.readlink(link)
                if target.startswith("socket:["):
                    yield target[len("socket:[") : -1]
