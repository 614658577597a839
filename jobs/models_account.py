"""What there is to say of a model: its archived models with their lineage, and requests that published none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lambda_learner.publish.errors import DamagedObject
from lambda_learner.publish.model_history import Activation, read_history
from lambda_learner.publish.models import archived_models, live_stem, read_lineage
from lambda_learner.publish.store import Store
from lambda_learner.retrain.request_record import Record
from lambda_learner.retrain.requests import records

__all__ = ["ModelAccount", "account_of", "listed"]

_KEPT = {"refuse": "refused", "undecided": "undecided"}  # in words, why the latest one stayed
_COLUMNS = ("", "stem", "published (UTC)", "decisions", "until (UTC)", "loss", "gate", "KB")


@dataclass(frozen=True, slots=True)
class ModelAccount:
    """All that is known of a model, newest first; `unpublished` are requests, also those that are not finished."""

    model: str
    live: str | None
    models: tuple[Mapping[str, Any], ...]
    unpublished: tuple[Mapping[str, Any], ...]

    def find(self, name: str) -> Mapping[str, Any] | None:
        """The model of a stem, or the request of an id."""
        named = {fields["stem"]: fields for fields in self.models}
        return named.get(name) or {fields["request_id"]: fields for fields in self.unpublished}.get(name)

    def as_fields(self) -> dict[str, Any]:
        """The account as JSON has it."""
        return {"model": self.model, "live": self.live, "models": self.models, "unpublished": self.unpublished}


def account_of(models: Store, train: Store, model: str, *, last: int | None = None) -> ModelAccount:
    """Read what both buckets say of a model, of the last so many; a damaged lineage is shown as such."""
    live, history = live_stem(models, model), read_history(models, model).activations
    found = []
    for archived in archived_models(models, model)[:last]:
        activations = [entry for entry in history if entry.stem == archived.stem]
        fields = {"stem": archived.stem, "live": archived.stem == live, "bytes": archived.size}
        found.append(fields | _lineage(models, model, archived.stem) | {"activations": _told(activations)})
    ended = [record for record in reversed(records(train, model)) if not record.result.get("stem")]
    return ModelAccount(model, live, tuple(found), tuple(_request(record) for record in ended[:last]))


def listed(account: ModelAccount) -> Iterator[str]:
    """The account as lines: a table of models, then a line for each request that published none."""
    rows = [_COLUMNS, *(_row(fields) for fields in account.models)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows if account.models else ():
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    if not account.models:
        yield f"nothing is archived of model {account.model!r}"
    if account.live is None and account.models:
        yield "the latest model is none of these, or there is none"
    for fields in account.unpublished:
        moment = _moment(fields["finished_ms"]) if fields["finished_ms"] else "not finished"
        yield f"{fields['state']}  {fields['request_id']}  {moment}  {fields['reason']}".rstrip()


def _row(fields: Mapping[str, Any]) -> tuple[str, ...]:
    lineage = fields["lineage"]
    metrics, gate = lineage.get("metrics") or {}, lineage.get("gate") or {}
    until, loss, published_ms = metrics.get("last_decision_s"), metrics.get("loss"), fields["published_ms"]
    return (
        "*" if fields["live"] else "",
        fields["stem"],
        _moment(published_ms) if published_ms else "-",
        f"{metrics['decisions']:,}" if "decisions" in metrics else "-",
        _moment(until * 1000) if until else "-",
        f"{loss:.4f}" if loss is not None else "-",
        gate.get("outcome", "-") + (" forced" if gate.get("forced") else ""),
        f"{fields['bytes'] / 1000:,.0f}",
    )


def _lineage(store: Store, model: str, stem: str) -> dict[str, Any]:
    """Its fields; empty ones for a model of the Gym's."""
    try:
        lineage = read_lineage(store, model, stem)
    except DamagedObject as damage:
        return {"request_id": None, "published_ms": None, "lineage": {"damaged": str(damage)}}
    if lineage is None:
        return {"request_id": None, "published_ms": None, "lineage": {}}
    return {"request_id": lineage.request_id, "published_ms": lineage.published_ms, "lineage": dict(lineage.fields)}


def _told(activations: list[Activation]) -> list[dict[str, Any]]:
    return [{"action": entry.action, "at_ms": entry.at_ms, "reason": entry.reason} for entry in activations]


def _request(record: Record) -> dict[str, Any]:
    """A request that has published nothing: refused, failed, or not finished."""
    gate = record.result.get("gate") or {}
    return {
        "request_id": record.request.request_id,
        "cause": record.request.cause,
        "state": _KEPT.get(gate.get("outcome", ""), "kept") if record.state == "done" else record.state,
        "finished_ms": record.finished_ms,
        "reason": record.reason or gate.get("reason", ""),
        "worker": record.worker,
        "result": dict(record.result),
    }


def _moment(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, tz=UTC):%Y-%m-%d %H:%M:%S}"
