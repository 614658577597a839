"""A worker whose buckets are in S3."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from config.load import load
from jobs.retrain.command import surroundings
from jobs.retrain.display import nowhere
from jobs.retrain.worker import Worker
from lambda_learner.publish.model_keys import latest_key
from lambda_learner.publish.models import live_stem
from lambda_learner.publish.store import open_store
from lambda_learner.retrain import DecisionModel
from lambda_learner.retrain.request_record import RetrainRequest
from lambda_learner.retrain.requests import create, records
from operators.archive import Archive
from tests.harness.retraining import MODEL, listened
from tests.harness.s3 import S3


@pytest.mark.services
def test_a_worker_trains_from_one_bucket_of_s3_into_another(s3: S3, tmp_path: Path) -> None:
    bucket = {name: s3.new_url() for name in ("train", "models")}
    (tmp_path / "c.yaml").write_text(
        yaml.safe_dump({"bucket": bucket, "training": {"hyperparameters": {"max_trees": 5}}})
    )
    train, models = (open_store(load(tmp_path / "c.yaml").bucket.model_dump()[name]) for name in ("train", "models"))
    events = list(listened(500))
    for start in (0, 300):
        Archive(train).write(events[start : start + 300])
    assert create(train, RetrainRequest(MODEL, "r1", "manual", 1))
    around = surroundings(load(tmp_path / "c.yaml"))
    (outcome,) = Worker("w", replace(around, display=lambda: nullcontext(nowhere))).run_all()
    assert outcome.result is not None, outcome.reason
    assert live_stem(models, MODEL) == outcome.result["stem"]
    latest = models.get(latest_key(MODEL, ".xgb.gz"))
    assert latest is not None
    assert DecisionModel.of_file(latest.data).score([{"genre": "rock"}]).shape == (1,)
    assert [record.state for record in records(train)] == ["done"]
