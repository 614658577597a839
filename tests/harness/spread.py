"""How tests are spread over two processes: what starts servers and jobs first, and what shares them in one process.

A file is never cut, since its tests share what they have started; and files that share a run or a broker stay together.
"""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

import pytest
from xdist.scheduler import LoadScopeScheduling

__all__ = ["pytest_collection_modifyitems", "pytest_xdist_make_scheduler"]

TOGETHER = {  # of files or folders
    "tests/end_to_end/test_archive.py": "noise",
    "tests/end_to_end/test_counters_against_truth.py": "noise",
    "tests/end_to_end/test_kill_and_resume.py": "noise",
    "tests/cluster": "cluster",
    "tests/services": "services",
}
LONG = ("cluster", "services", "slow")  # the markers of tests that take long, many of which wait


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out whole files, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::", 1)[0]
        return TOGETHER.get(path) or TOGETHER.get(str(PurePosixPath(path).parent)) or path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    """Asked by xdist, where tests run in several processes."""
    config.option.loadscopereorder = False
    return ByFile(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins early; the many quick tests fill the gaps at the end."""
    _tell_apart(items)
    items.sort(key=lambda item: all(item.get_closest_marker(marker) is None for marker in LONG))


def _tell_apart(items: list[pytest.Item]) -> None:
    """Give tests of one id, as schemathesis makes them, their names: of those with one id xdist runs one alone."""
    for item in items:
        _, bracket, rest = item.name.partition("[")
        if bracket and item.id.params is None:
            item._id = item.id.with_params(rest.removesuffix("]"))
    twice = [name for name, n in Counter(item.nodeid for item in items).items() if n > 1]
    if twice:
        message = f"several tests have one id: {', '.join(twice)}"
        raise pytest.UsageError(message)
