"""What a worker that died has left of a request: a model that is archived whole needs no second training."""

from __future__ import annotations

from lambda_learner.publish.model_archive import whole_files
from lambda_learner.publish.model_keys import archive_stem
from lambda_learner.publish.models import DamagedArchive, Lineage, archived_models, publish_model, read_lineage
from lambda_learner.publish.store import Store
from lambda_learner.retrain.requests import RetrainRequest

__all__ = ["publish_archived"]

_UUID_LENGTH = 36


def publish_archived(store: Store, request: RetrainRequest) -> Lineage | None:
    """Make the model that the request has archived the latest, if it was not that already; None if there is none.

    Idempotent: a model that was published, and rolled back since, stays rolled back.
    """
    unique = archive_stem(request.model, 0, request.request_id)[-_UUID_LENGTH:]
    for archived in archived_models(store, request.model):
        if archived.stem[-_UUID_LENGTH:] == unique and archived.has_lineage:
            lineage = _published(store, request, archived.stem)
            if lineage is not None:
                return lineage
    return None


def _published(store: Store, request: RetrainRequest, stem: str) -> Lineage | None:
    try:
        lineage = read_lineage(store, request.model, stem)
        files = whole_files(store, request.model, stem)
    except DamagedArchive:
        return None
    assert lineage is not None
    time_ms, fields = lineage.published_ms, lineage.fields
    publish_model(store, request.model, files, request_id=request.request_id, time_ms=time_ms, lineage=fields)
    return lineage
