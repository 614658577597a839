"""What an error of S3 or boto3 means, and what to do about it.

Messages hold the code of an error, never the text of the server or of boto3, which could repeat what was sent.
"""

from __future__ import annotations

from typing import Final

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from lambda_learner.publish.errors import StoreError
from lambda_learner.publish.s3_address import S3Address

__all__ = ["failure", "is_missing", "is_refused", "was_retried"]

_PRECONDITION: Final = 412
_CONFLICT: Final = 409
_NOT_FOUND: Final = 404
_NOT_IMPLEMENTED: Final = 501
_SERVER_ERROR: Final = 500
_NO_KEY: Final = frozenset({"NoSuchKey", "NoSuchVersion", "404"})

_RIGHTS: Final = "allow this identity s3:ListBucket on the bucket and s3:GetObject, PutObject and DeleteObject in it"
_CREDENTIALS: Final = (
    "check the credentials that boto3 finds first: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, the web "
    "identity or the role of the instance; they never stand in the configuration"
)
_BUCKET: Final = "make the bucket, or name another in the configuration"
_REGION: Final = "name the bucket's own region: bucket.region, or AWS_REGION"
_SERVER: Final = "see whether the server runs and is reached from here, and check bucket.endpoint"
_LACKING: Final = (
    "this server lacks what was asked of it; where that is the checksum of a request, "
    "set AWS_REQUEST_CHECKSUM_CALCULATION=when_required"
)

_REMEDIES: Final = {
    "NoSuchBucket": _BUCKET,
    "InvalidBucketName": _BUCKET,
    "AccessDenied": _RIGHTS,
    "AllAccessDisabled": _RIGHTS,
    "InvalidAccessKeyId": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "InvalidToken": _CREDENTIALS,
    "ExpiredToken": _CREDENTIALS,
    "RequestTimeTooSkewed": "set the clock of this machine",
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "NotImplemented": _LACKING,
    "KeyTooLongError": "a key has 1,024 bytes at most: use shorter names or a shorter prefix",
}
_LOCAL_REMEDIES: Final = (
    (exceptions.SSLError, "check the certificate of the server; AWS_CA_BUNDLE names who may sign it"),
    ((exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.IncompleteReadError), _SERVER),
    (exceptions.NoRegionError, _REGION),
    (
        (
            exceptions.NoCredentialsError,
            exceptions.PartialCredentialsError,
            exceptions.CredentialRetrievalError,
            exceptions.ProfileNotFound,
            exceptions.TokenRetrievalError,
            exceptions.SSOError,
            exceptions.ConfigNotFound,
            exceptions.ConfigParseError,
        ),
        _CREDENTIALS,
    ),
)


def failure(action: str, address: S3Address, error: ClientError | BotoCoreError) -> StoreError:
    """Give the error to raise: the action, the bucket, what went wrong in a word, and the remedy."""
    what, remedy = _of_server(error) if isinstance(error, ClientError) else _of_client(error)
    server = f" at {address.endpoint}" if address.endpoint else ""
    return StoreError(f"cannot {action} in {address.place}{server}: {what}; {remedy}")


def is_missing(error: ClientError) -> bool:
    """Tell whether the object is not there; a missing bucket is another matter."""
    return _status(error) == _NOT_FOUND and _code(error) in _NO_KEY


def is_refused(error: ClientError) -> bool:
    """Tell whether a conditional write was refused because of what is there.

    409 is S3's answer to one that meets another of the same key under way, 404 to If-Match over nothing.
    """
    return _status(error) in {_PRECONDITION, _CONFLICT} or is_missing(error)


def was_retried(error: ClientError) -> bool:
    """Tell whether boto3 sent the request more than once, so that one before may have done its work unheard."""
    return bool(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0))


def _of_server(error: ClientError) -> tuple[str, str]:
    code, status = _code(error), _status(error)
    remedy = _REMEDIES.get(code)
    if remedy is None and status == _NOT_IMPLEMENTED:
        remedy = _LACKING
    elif remedy is None and (status >= _SERVER_ERROR or code == "SlowDown"):
        remedy = "the server is overloaded or broken: try again later, and look at its log"
    elif remedy is None:
        remedy = {403: _RIGHTS, 401: _CREDENTIALS}.get(status, "S3's documentation of error codes says more")
    return f"{code} ({status})", remedy


def _of_client(error: BotoCoreError) -> tuple[str, str]:
    remedy = next((remedy for kinds, remedy in _LOCAL_REMEDIES if isinstance(error, kinds)), "boto3 could not send it")
    return type(error).__name__, remedy


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "an error without a code"))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
