"""
The few verbs that a ledger asks of object storage, and its errors as ours; the only file that sends to it.

Of its words, which name objects and quote whole replies, an error carries the cause alone: host, status, error code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qs, urlsplit

import obstore
from obstore import exceptions
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import AzureStore, GCSStore, S3Store

from reconciler.errors import LedgerFailed
from reconciler.escape import visible

if TYPE_CHECKING:
    from obstore import UpdateVersion
    from obstore.store import ClientConfig, RetryConfig


_CREDENTIALS = "set those of the bucket's owner (for S3, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
_RIGHTS = "allow these credentials to get, put, delete and list objects there (docs/reference/ledger.md)"

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
    (FileNotFoundError, "there is no such bucket", "create it, or correct its name"),
    (exceptions.NotSupportedError, "the store cannot do what a ledger needs", "use another one"),
    (exceptions.UnknownConfigurationKeyError, "a variable that configures the store is unknown", "correct it"),
    (ValueError, "this URL cannot be used", "write s3://BUCKET/PREFIX"),
)


@contextmanager
def ledger_errors(place: str) -> Iterator[None]:
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
        return LedgerFailed(f"{visible(place)}: there is no such bucket", "create it, or correct its name")
    # Where no variable gives credentials, the machine's own metadata service is asked for some.
    if "169.254." in words or "metadata.google" in words:
        return LedgerFailed(f"{visible(place)}: there are no credentials for it in the environment", _CREDENTIALS)
    if "redentials" in words or "InvalidAccessKeyId" in words or "SignatureDoesNotMatch" in words:
        return LedgerFailed(f"{visible(place)}: the store does not know these credentials{cause}", _CREDENTIALS)
    what = "the store answered with an error" if _STATUS.search(words) else "the store cannot be reached"
    return LedgerFailed(
        f"{visible(place)}: {what}{cause}",
        "check that it can be reached from here, and run again: nothing that was written is lost",
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


_HERE = ("localhost", "127.0.0.1", "::1")
_AT_ONCE = 16
_URL = "write s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX; credentials come from the environment"
_SETTINGS = {"endpoint", "region"}
PATIENCE_S = 4.0
"""So long a request is sent again: a lease lasts 15 s, and a run that cannot renew it stops 5 s before."""

_SMALL = 1 << 18  # bytes: a larger object may take longer
_LARGE_S = 60.0

Kind = S3Store | GCSStore | AzureStore


@dataclass(frozen=True, slots=True)
class Got:
    """An object: what it holds, which version of it, and when it was written by the store's clock (s since 1970)."""

    content: bytes
    version: UpdateVersion
    written_at: float


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """
    A bucket below a prefix, `place` for messages. Every method raises LedgerFailed where the store does.

    What is sent again because no answer came is not done twice: a put that finds its own content there was
    done before.
    """

    place: str
    quick: Kind
    large: Kind

    def get(self, key: str, *, large: bool = False) -> Got | None:
        """Return an object, None where there is none."""
        with ledger_errors(self.place):
            try:
                answer = obstore.get(self.large if large else self.quick, key)
                meta = answer.meta
                return Got(bytes(answer.bytes()), _version(meta), meta["last_modified"].timestamp())
            except FileNotFoundError:
                return None

    def get_all(self, keys: Sequence[str]) -> list[Got | None]:
        """Return several objects, fetched side by side."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(lambda key: self.get(key, large=True), keys))

    def put_new(self, key: str, content: bytes) -> bool:
        """Write an object where there is none, and say whether its content is the one that is there now."""
        large = len(content) > _SMALL
        with ledger_errors(self.place):
            try:
                obstore.put(self.large if large else self.quick, key, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                held = self.get(key, large=large)
                return held is not None and held.content == content
            return True

    def put_over(self, key: str, content: bytes, version: UpdateVersion) -> UpdateVersion | None:
        """Write over that version of an object and return the new one; None where it is not there any more."""
        with ledger_errors(self.place):
            try:
                return _version(obstore.put(self.quick, key, content, mode=version))
            except (PreconditionError, FileNotFoundError):
                held = self.get(key)
                return held.version if held is not None and held.content == content else None

    def now(self, key: str) -> float:
        """Return the store's clock (seconds since 1970, whole ones), read off an object that is written for it."""
        with ledger_errors(self.place):
            obstore.put(self.quick, key, b"")
            return obstore.head(self.quick, key)["last_modified"].timestamp()

    def keys(self, folder: str, *, after: str = "") -> list[str]:
        """Return the keys below `folder` that come after `after`, in their order."""
        with ledger_errors(self.place):
            pages = obstore.list(self.quick, folder, offset=after or None)
            return sorted(one["path"] for page in pages for one in page)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; what is not there is no error."""
        with ledger_errors(self.place):
            obstore.delete(self.quick, list(keys))


def open_store(url: str, *, patience_s: float = PATIENCE_S) -> ObjectStore:
    """
    Return the store that a URL names: `s3://bucket/prefix`, `gs://…` or `az://…`.

    `?endpoint=` may follow, and `?region=` for S3. Credentials come from the environment alone. No TLS only to this
    machine, and only where the URL asks for it. `patience_s` is how long a request is sent again that was not answered.
    """
    parts = urlsplit(url)
    settings = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if not parts.netloc or "@" in parts.netloc or settings.keys() - _SETTINGS or parts.fragment:
        # Not the URL itself: what stands in it wrongly may be a password.
        raise LedgerFailed(f"{visible(parts.scheme)}://: this URL of a ledger cannot be used", _URL)
    prefix = parts.path.strip("/")
    place = f"{parts.scheme}://{parts.netloc}" + (f"/{prefix}" if prefix else "")
    server = settings.pop("endpoint", "")
    endpoint = urlsplit(server)
    here = endpoint.scheme == "http" and endpoint.hostname in _HERE
    if endpoint.scheme not in ("", "https") and not here:
        raise LedgerFailed(
            f"{visible(place)}: its endpoint {_shown(endpoint)} is not an https:// URL",
            "only this machine can be used without TLS",
        )

    def opened(timeout_s: float) -> Kind:
        timeout, retry_timeout = timedelta(seconds=timeout_s), timedelta(seconds=patience_s)
        client: ClientConfig = {"allow_http": here, "timeout": timeout, "connect_timeout": timedelta(seconds=3)}
        backoff = {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1)}
        retry: RetryConfig = {"max_retries": 12, "retry_timeout": retry_timeout, "backoff": backoff}  # type: ignore[typeddict-item]
        common = {"prefix": prefix or None, "client_options": client, "retry_config": retry}
        match parts.scheme:
            case "s3":
                # The stronger of its two names: a variable for the other one does not win over it.
                at = {"aws_endpoint_url_s3": server} if server else {}
                return S3Store(parts.netloc, **at, **settings, **common)  # type: ignore[arg-type]
            case "gs":
                at = {"base_url": server} if server else {}
                return GCSStore(parts.netloc, **at, **common)  # type: ignore[arg-type]
            case _:
                at = {"endpoint": server} if server else {}
                return AzureStore(parts.netloc, **at, **common)  # type: ignore[arg-type]

    with ledger_errors(place):
        return ObjectStore(place, opened(patience_s), opened(_LARGE_S))


def _shown(endpoint: SplitResult) -> str:
    """Return an endpoint for a message: scheme and host, without a user or a password."""
    return visible(f"{endpoint.scheme}://{endpoint.netloc.rpartition('@')[2]}")


def _version(of: object) -> UpdateVersion:
    """Return what tells a version of an object from the others: what a put answers, or a get."""
    version: UpdateVersion = {name: of[name] for name in ("e_tag", "version") if of[name] is not None}  # type: ignore[assignment,index]
    return version
