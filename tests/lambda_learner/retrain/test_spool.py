"""A spool gives back what it was given, from memory or from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lambda_learner.retrain.spool import Spool


@pytest.mark.parametrize("memory_bytes", [0, 100, 10**6])
def test_arrays_come_back_in_order_however_often(memory_bytes: int, tmp_path: Path) -> None:
    given = [(np.arange(n, dtype=np.float32), np.array([[n, n]], np.uint64)) for n in range(9)]
    with Spool(memory_bytes, str(tmp_path)) as spool:
        for arrays in given:
            spool.append(arrays)
        for _ in range(2):
            assert [[part.tobytes() for part in arrays] for arrays in spool] == [
                [part.tobytes() for part in arrays] for arrays in given
            ]
        assert [part.dtype for part in spool[8]] == [part.dtype for part in given[8]]
        assert spool.memory_bytes <= memory_bytes
        assert spool.total_bytes == sum(part.nbytes for arrays in given for part in arrays)
        assert len(spool) == 9


def test_files_go_when_it_is_closed(tmp_path: Path) -> None:
    with Spool(0, str(tmp_path)) as spool:
        spool.append((np.ones(3),))
        assert list(tmp_path.rglob("*.npy"))
    assert not list(tmp_path.iterdir())
