"""
What object storage and its client say, told as our errors.

Of its words, which name objects and quote whole replies, an error carries the cause alone: host, status, error code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore import exceptions

from reconciler.errors import LedgerFailed
from reconciler.escape import visible

_CREDENTIALS = "set those of the bucket's owner (for S3, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
_RIGHTS = "let these credentials get, put, delete and list objects there (docs/reference/ledger.md)"

_HOST = re.compile(r"\bhttps?://([\w.:\[\]-]+)(?=/)")
_STATUS = re.compile(r"status code: (\d{3}(?: [A-Z][A-Za-z]+)*)")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
# In how the client's errors are written out: a system's or a library's own text, and the names of its errors.
_QUOTED = re.compile(r'\b(?:message|error): "([^"\\]+)"')
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_NAMES = re.compile(r"\b(?:[A-Z][a-z]+){2,}\b")
_LONGEST = 200

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
    words = str(error)
    cause = f" ({told_cause})" if (told_cause := cause_of(words)) else ""
    for kind, what, now in _TOLD:
        if isinstance(error, kind):
            return LedgerFailed(f"{visible(place)}: {what}{cause}", now)
    # Where a bucket is listed, its absence has no error of its own.
    if "NoSuchBucket" in words or "ContainerNotFound" in words:
        return LedgerFailed(f"{visible(place)}: there is no such bucket", "make it, or correct its name")
    # Where no variable gives credentials, the machine's own metadata service is asked for some.
    if "169.254." in words or "metadata.google" in words:
        return LedgerFailed(f"{visible(place)}: there are no credentials for it in the environment", _CREDENTIALS)
    if "redentials" in words or "InvalidAccessKeyId" in words or "SignatureDoesNotMatch" in words:
        return LedgerFailed(f"{visible(place)}: the store does not know these credentials{cause}", _CREDENTIALS)
    what = "the store answered with an error" if _STATUS.search(words) else "the store cannot be reached"
    return LedgerFailed(
        f"{visible(place)}: {what}{cause}",
        "see whether it can be reached from here, and run again: what had been written is there",
    )


def cause_of(words: str) -> str:
    r"""
    Return host and cause of a failed request, as far as the client says them; nothing that a reply quotes.

    >>> cause_of('GET http://127.0.0.1:9/b in 3ms - HTTP error: error sending request\n\nDebug source:\n'
    ...     'Os { code: 111, kind: ConnectionRefused, message: "Connection refused" }')
    '127.0.0.1:9: Connection refused'
    """
    host, status, code = _HOST.search(words), _STATUS.search(words), _CODE.search(words)
    debug = words.partition("Debug source:")[2]
    quoted, names = _QUOTED.findall(debug), _NAMES.findall(_TEXT.sub("", debug))
    why = ""
    if status is not None:
        why = f"{status[1]}{f' {code[1]}' if code is not None else ''}"
    elif quoted:
        why = quoted[-1]
    elif names:
        why = names[-1]
    return visible(": ".join(part for part in (host[1] if host is not None else "", why) if part))[:_LONGEST]
