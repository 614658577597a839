"""Which job of which cluster was last submitted with a state folder, and how it is."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from jobs.job_state import StateError

__all__ = ["FINISHED", "Submitted", "refuse_if_running"]

FINISHED: Final = "FINISHED"  # also of a job that was stopped with a savepoint
_ENDED: Final = (FINISHED, "CANCELED", "FAILED")
_ANSWER_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job of a cluster; `address` is that of the cluster's REST interface.

    `restored_from` is the checkpoint or savepoint that it went on from.
    """

    job_id: str
    address: str
    restored_from: str | None = None

    @classmethod
    def read(cls, folder: Path) -> Submitted | None:
        """The one kept in a state folder; StateError for a damaged one."""
        try:
            fields = json.loads(_path(folder).read_text())
            return cls(str(fields["job_id"]), str(fields["address"]), fields.get("restored_from"))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            message = f"{_path(folder)} is damaged ({error!r}): remove it once its job has surely ended"
            raise StateError(message) from error

    def write(self, folder: Path) -> None:
        """Keep it in the state folder."""
        partial = _path(folder).with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self)))
        partial.replace(_path(folder))

    def state(self) -> str | None:
        """Flink's word for how the job is; None when its cluster knows no such job (any more). Raises OSError."""
        url = f"{self.address}/jobs/{self.job_id}"
        try:
            with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310 - our own cluster's address
                return str(json.load(answer)["state"])
        except urllib.error.HTTPError as error:
            if error.code != 404:  # noqa: PLR2004 - not found
                raise
            return None


def refuse_if_running(folder: Path, *, here: str | None = None) -> str | None:
    """How the job ended that was last submitted with this folder, None if that is not known; StateError if it runs.

    `here` is the address of a cluster in application mode that asks: the job there is this one, whose JobManager has
    come back.
    """
    submitted = Submitted.read(folder)
    if submitted is None or submitted.address == here:
        return None
    try:
        state = submitted.state()
    except OSError as error:
        message = (
            f"cannot ask {submitted.address} whether job {submitted.job_id} still runs ({error}): "
            f"if that cluster is gone, remove {_path(folder)} and submit again"
        )
        raise StateError(message) from error
    if state is not None and state not in _ENDED:
        message = (
            f"job {submitted.job_id} on {submitted.address} is {state} with the state folder {folder}: "
            "stop or cancel it first, or give `stream.state` and the buckets of another job"
        )
        raise StateError(message)
    return state


def _path(folder: Path) -> Path:
    return folder / "submitted.json"
