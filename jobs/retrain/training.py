"""One request carried out: compact the archive, judge, train, archive the model, make it the latest; then its base."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from jobs.retrain.base_stage import make_base
from jobs.retrain.display import Display
from jobs.retrain.finished import publish_archived
from jobs.retrain.judgement import judge
from jobs.retrain.model_archive import ModelArchive
from jobs.retrain.order import Buckets, Order
from lambda_learner.publish.model_file import LINEAGE
from lambda_learner.publish.model_keys import COREML_EXTENSION, MODEL_EXTENSION, archive_key, latest_key
from lambda_learner.publish.models import Lineage, publish_model, read_lineage
from lambda_learner.retrain.coreml import need_converter, to_coreml
from lambda_learner.retrain.pipeline import Trained, train

__all__ = ["Training"]

SAME_SCORE: Final = (
    "no tree has a split, so every item gets the same score: all rewards are equal, or there are too few decisions"
)
_OF_RESULT: Final = ("gate", "incumbent", "metrics", "archive", "warnings")


class Training:
    """Carries one order out; the display may raise to end it."""

    def __init__(self, buckets: Buckets, order: Order, *, now_ms: Callable[[], int], show: Display) -> None:
        """Nothing is done yet."""
        self._models, self._order, self._now_ms, self._show = buckets.models, order, now_ms, show
        self._archive = ModelArchive(buckets.train, order, now_ms=now_ms())

    def run(self, before_publishing: Callable[[], None]) -> Mapping[str, Any]:
        """What became of it, as a JSON object. Raises RetrainError, BucketError, OSError, or what the display raises.

        `before_publishing` may raise to keep this worker from publishing. Safe to be killed anywhere and to be run
        again: a model that is archived already is published as it is.
        """
        published = publish_archived(self._models, self._order.request)
        if published is None:
            if self._order.with_coreml:
                need_converter()  # before hours of training
            compacted = self._archive.compacted(self._show)._asdict()
            judgement = judge(self._order, self._archive, self._models, now=self._now, show=self._show)
            account = judgement.as_fields() | {"cause": self._order.request.cause}
            if not judgement.gate.publishes:
                return {"stem": None, **account, "archive": {"compaction": compacted}}
            published = self._published(account, compacted, before_publishing)
        return _result(published) | {"base": self._base()}

    def _published(
        self, account: Mapping[str, Any], compacted: Mapping[str, Any], before_publishing: Callable[[], None]
    ) -> Lineage:
        reader = self._archive.reader()
        trained = train(
            reader,
            self._order.training,
            model=self._order.model,
            request_id=self._order.request.request_id,
            now=self._now(),
            report=lambda stage, done, total: self._show(f"training: {stage}", done, total),
        )
        archive = {"compaction": compacted, "skipped": dict(reader.skipped)}
        warnings = [] if trained.decision.booster.get_fscore() else [SAME_SCORE]
        lineage = trained.metadata[LINEAGE] | account | {"archive": archive, "warnings": warnings}
        before_publishing()
        return self._publish(trained, lineage)

    def _publish(self, trained: Trained, lineage: Mapping[str, Any]) -> Lineage:
        request, files = self._order.request, {MODEL_EXTENSION: trained.model_file}
        if self._order.with_coreml:
            files[COREML_EXTENSION] = to_coreml(trained.decision.booster, trained.metadata)
        self._show("publishing", len(files), len(files))
        time_ms = self._now_ms()
        stem = publish_model(
            self._models, request.model, files, request_id=request.request_id, time_ms=time_ms, lineage=lineage
        )
        published = read_lineage(self._models, request.model, stem)  # another worker's, where that was faster
        assert published is not None, stem
        return published

    def _base(self) -> Mapping[str, Any] | None:
        base = self._order.base
        if base is None:
            return None
        return make_base(self._order, base, self._archive, self._models, now=self._now, show=self._show)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._now_ms() / 1000, tz=UTC)


def _result(lineage: Lineage) -> dict[str, Any]:
    """The result of a request whose model was made the latest."""
    keys = {
        "archive": archive_key(lineage.model, lineage.stem, MODEL_EXTENSION),
        "latest": latest_key(lineage.model, MODEL_EXTENSION),
    }
    return {"stem": lineage.stem, "keys": keys, **{name: lineage.fields.get(name) for name in _OF_RESULT}}
