"""The commands on buckets of S3, in place of folders: by configuration alone, and with the same objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from lambda_learner.publish import Store, open_store
from lambda_learner.publish.keys import OWNER_KEY
from tests.end_to_end.noisy import make_noise
from tests.harness.job import Finished, Job, start
from tests.harness.s3 import S3

pytestmark = [pytest.mark.cluster, pytest.mark.services, pytest.mark.timeout(900)]

DECISIONS = 4_000


class Run(NamedTuple):
    """A job that ran to its end, and its buckets."""

    job: Job
    finished: Finished
    models: Store
    train: Store


@pytest.fixture(scope="module")
def runs(s3_of_session: S3, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """The same events on folders and on S3."""
    noise = make_noise(tmp_path_factory.mktemp("events") / "events", DECISIONS)
    on_folders, on_s3 = (noise.job(tmp_path_factory.mktemp(name)) for name in ("folders", "s3"))
    bucket, _, _ = s3_of_session.new_url().partition("?")
    endpoint = {"endpoint": s3_of_session.endpoint, "region": "us-east-1"}
    document = yaml.safe_load(on_s3.config.read_text())
    document["bucket"] = {"models": f"{bucket}/models", "train": f"{bucket}/train"} | endpoint
    on_s3.config.write_text(yaml.safe_dump(document))
    with pytest.MonkeyPatch.context() as patched:
        for variable, value in s3_of_session.environ.items():
            patched.setenv(variable, value)
        return _run(on_folders), _run(on_s3)


def _run(job: Job) -> Run:
    finished = job.run()
    return Run(job, finished, *(open_store(url) for url in (job.settings.bucket.models, job.settings.bucket.train)))


def _objects(store: Store) -> dict[str, bytes]:
    found = {info.key: store.get(info.key) for info in store.list("")}
    return {key: held.data for key, held in found.items() if held is not None and key != OWNER_KEY}


def test_a_run_on_s3_leaves_the_same_objects_as_one_on_folders(runs: tuple[Run, Run], s3: S3) -> None:
    folders, other = runs
    assert other.finished.result == folders.finished.result
    assert _objects(folders.models)
    assert _objects(other.models) == _objects(folders.models)
    assert _objects(folders.train)
    assert _objects(other.train) == _objects(folders.train)


def test_nothing_of_a_run_on_s3_is_in_the_folders_that_it_would_have_used(runs: tuple[Run, Run], s3: S3) -> None:
    job = runs[1].job
    assert job.bucket is not None
    assert not job.bucket.exists()
    assert not (job.folder / "train").exists()


def test_a_second_job_is_refused_the_bucket(runs: tuple[Run, Run], s3: S3, tmp_path: Path) -> None:
    document = yaml.safe_load(runs[1].job.config.read_text())
    document["stream"]["state"] = str(tmp_path / "state")
    other = tmp_path / "config.yaml"
    other.write_text(yaml.safe_dump(document))
    finished = _command(["run", "--config", str(other), "--no-progress"], tmp_path)
    assert finished.code != 0
    assert "the bucket is owned by" in finished.err


def test_candidates_are_ranked_the_same_by_what_is_in_s3(runs: tuple[Run, Run], s3: S3, tmp_path: Path) -> None:
    scores = [_scores(run.job.config, tmp_path) for run in runs]
    assert scores[0] == scores[1]
    assert any(scores[0])


def test_the_doctor_finds_a_bucket_of_s3_in_order(runs: tuple[Run, Run], s3: S3, tmp_path: Path) -> None:
    finished = _command(["doctor", "--config", str(runs[1].job.config)], tmp_path)
    assert finished.code == 0, finished.out
    assert f"ok    bucket: s3://{s3.bucket}/" in finished.out
    assert "is writable, of this job, 2 shards in order" in finished.out


def _scores(config: Path, folder: Path) -> list[float]:
    items = json.dumps([{"genre": f"g{number}", "fresh": True} for number in range(20)])
    arguments = ["rank", "--config", str(config), "--model", "model-1", "--no-explore", "--items", items]
    finished = _command([*arguments, "--context", json.dumps({"user_id": "u137"})], folder)
    assert finished.code == 0, finished.err
    return [json.loads(line)["score"] for line in finished.out.splitlines()]


def _command(arguments: list[str], folder: Path) -> Finished:
    with start(arguments, folder) as running:
        return running.wait()
