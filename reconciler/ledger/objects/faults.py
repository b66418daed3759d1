"""What object storage and its client say, told as our errors; never in its words, which may name keys and requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from obstore import exceptions

from reconciler.errors import LedgerFailed
from reconciler.text import visible

_CREDENTIALS = "set those of the bucket's owner (for S3, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
_RIGHTS = "let these credentials get, put, delete and list objects there (docs/reference/ledger.md)"

_TOLD: tuple[tuple[type[Exception], str, str], ...] = (
    (exceptions.PermissionDeniedError, "the store refuses these credentials", _RIGHTS),
    (exceptions.UnauthenticatedError, "the store does not know these credentials", _CREDENTIALS),
    (FileNotFoundError, "there is no such bucket", "make it, or correct its name"),
    (exceptions.NotSupportedError, "the store cannot do what a ledger needs", "use another one"),
    (exceptions.UnknownConfigurationKeyError, "a variable that configures the store is not known", "correct it"),
    (ValueError, "this URL cannot be used", "write s3://BUCKET/PREFIX"),
)


@contextmanager
def told(place: str) -> Iterator[None]:
    """Raise LedgerFailed, naming `place`, for what the store's client raises inside."""
    try:
        yield
    except (exceptions.BaseError, FileNotFoundError, ValueError, OSError) as error:
        raise failed(place, error) from error


def failed(place: str, error: Exception) -> LedgerFailed:
    """Return what an error of the store's client means."""
    for kind, what, now in _TOLD:
        if isinstance(error, kind):
            return LedgerFailed(f"{visible(place)}: {what}", now)
    words = str(error)
    # Where a bucket is listed, its absence has no error of its own.
    if "NoSuchBucket" in words or "ContainerNotFound" in words:
        return LedgerFailed(f"{visible(place)}: there is no such bucket", "make it, or correct its name")
    # Where no variable gives credentials, the machine's own metadata service is asked for some.
    if "169.254." in words or "metadata.google" in words:
        return LedgerFailed(f"{visible(place)}: there are no credentials for it in the environment", _CREDENTIALS)
    if "redentials" in words or "InvalidAccessKeyId" in words or "SignatureDoesNotMatch" in words:
        return LedgerFailed(f"{visible(place)}: the store does not know these credentials", _CREDENTIALS)
    return LedgerFailed(
        f"{visible(place)}: the store cannot be reached, or answered with an error",
        "see whether it can be reached from here, and run again: what had been written is there",
    )
