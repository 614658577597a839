"""Whether a server heeds If-Match and If-None-Match; one that ignores them would write all the same, and say 200."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import ClientError

from lambda_learner.publish.s3_errors import is_refused

__all__ = ["PROBE", "heeds_conditions"]

PROBE: Final = ".conditional-writes"  # the store's own object, as its leading dot says; it stays
_NO_SUCH_ETAG: Final = '"00000000000000000000000000000000"'
# After the first of them the object is there, whoever else asks at the same time; so the others must be refused.
_CONDITIONS: Final = ({"IfNoneMatch": "*"}, {"IfNoneMatch": "*"}, {"IfMatch": _NO_SUCH_ETAG})


def heeds_conditions(write: Callable[..., Any]) -> bool:
    """Try each condition on `write(**condition)`, which puts an empty object; other errors of it pass through."""
    _, *refused = [_is_refused(write, condition) for condition in _CONDITIONS]
    return all(refused)


def _is_refused(write: Callable[..., Any], condition: dict[str, str]) -> bool:
    try:
        write(**condition)
    except ClientError as error:
        if is_refused(error):
            return True
        raise
    return False
