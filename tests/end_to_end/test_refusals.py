"""What a run cannot begin with: exit code 2 and a message that names it, at once and without a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lambda_learner.publish.keys import OWNER_KEY
from tests.harness.feed import Folder, Maker, text
from tests.harness.job import Finished, Job, start

pytestmark = pytest.mark.timeout(120)

T = 1_704_067_200_000
MODELS: dict[str, Any] = {"m": {"learner": {"entity": "context.user_id"}}}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    events = Folder(tmp_path / "events")
    events.put(text([Maker().decision(T, context={"user_id": "u"})]))
    return Job(tmp_path / "job", events.path, MODELS)


def change(job: Job, path: str, value: Any) -> None:
    """Set one key of the configuration file."""
    document = place = yaml.safe_load(job.config.read_text())
    *folders, name = path.split(".")
    for folder in folders:
        place = place.setdefault(folder, {})
    place[name] = value
    job.config.write_text(yaml.safe_dump(document))


def assert_refused(end: Finished, *parts: str) -> None:
    assert end.code == 2, end.err[-4000:]
    assert "Traceback" not in end.err
    assert end.out == ""
    for part in parts:
        assert part in end.err
    assert len(end.err.splitlines()) < 10


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("stream.paralelism", 2, ["stream.paralelism", "parallelism"]),
        ("stream.parallelism", "two", ["stream.parallelism", "two"]),
        ("stream.out_of_orderness", "30 parsecs", ["stream.out_of_orderness", "30 parsecs"]),
        ("stream.shards", 1000, ["stream.shards", "1000", "256"]),
        ("stream.source.kind", "pipe", ["stream.source.kind", "pipe", "files or kafka"]),
        ("models.m.learner.forgetting", 1.5, ["models.m.learner.forgetting", "1.5"]),
        ("models.m.learner.entity", 7, ["models.m.learner.entity", "7"]),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(job: Job, path: str, value: Any, told: list[str]) -> None:
    change(job, path, value)
    assert_refused(job.run(), *told)


@pytest.mark.parametrize("content", [None, "stream: [", "- 1", "\x00"])
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, content: str | None) -> None:
    config = tmp_path / "config.yaml"
    if content is not None:
        config.write_text(content)
    assert_refused(start(["run", "--config", str(config)], tmp_path).wait(), str(config))


def test_a_folder_without_events_is_named(job: Job, tmp_path: Path) -> None:
    change(job, "stream.source.path", str(tmp_path / "nothing"))
    assert_refused(job.run(), str(tmp_path / "nothing"), "follow: true")


# Tests may run as root, whom no permission stops; but nobody can make a folder under a file, or in /proc.
@pytest.mark.parametrize("folder", ["{job}/config.yaml/bucket", "/proc/bucket"])
def test_a_bucket_that_is_not_writable_is_named(job: Job, folder: str) -> None:
    folder = folder.format(job=job.folder)
    change(job, "bucket.models", f"file:{folder}")
    assert_refused(job.run(), folder)


@pytest.mark.parametrize("folder", ["{job}/config.yaml/state", "/proc/state"])
def test_a_state_folder_that_is_not_writable_is_named(job: Job, folder: str) -> None:
    folder = folder.format(job=job.folder)
    change(job, "stream.state", folder)
    assert_refused(job.run(), folder)


def newer(text: str) -> str:
    return json.dumps(json.loads(text) | {"format_version": 99})


def half(text: str) -> str:
    return text[: len(text) // 2]


@pytest.mark.cluster
@pytest.mark.parametrize("name", [OWNER_KEY, "generation.json", "manifest.json"])
@pytest.mark.parametrize(("damage", "told"), [(half, "damaged"), (newer, "format version 99")])
def test_an_object_that_cannot_be_read_is_named_with_a_remedy(
    published: Job, name: str, damage: Callable[[str], str], told: str
) -> None:
    path = next(path for path in published.folder.rglob(name))
    sound = path.read_text()
    path.write_text(damage(sound))
    try:
        assert_refused(published.run(), name, told)
    finally:
        path.write_text(sound)


@pytest.mark.cluster
def test_a_fresh_start_leaves_a_damaged_manifest_behind(published: Job) -> None:
    path = next(path for path in published.folder.rglob("manifest.json"))
    sound, before = path.read_text(), published.coefficients()
    path.write_text(half(sound))
    try:
        end = published.run("--fresh")
        assert end.summary["joined"] == 1
        assert published.coefficients().keys() == before.keys()
    finally:
        path.write_text(sound)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A job that has ended well, and published."""
    place = tmp_path_factory.mktemp("published")
    events = Folder(place / "events")
    events.put(text([Maker().decision(T, context={"user_id": "u"})]))
    job = Job(place / "job", events.path, MODELS)
    assert job.run().summary["joined"] == 1
    return job
