"""The few verbs that a ledger asks of object storage; the only file that sends to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qs, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import AzureStore, GCSStore, S3Store

from reconciler.errors import LedgerFailed
from reconciler.escape import visible
from reconciler.ledger.objects.faults import told

if TYPE_CHECKING:
    from obstore import UpdateVersion
    from obstore.store import ClientConfig, RetryConfig

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
class Store:
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
        with told(self.place):
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
        with told(self.place):
            try:
                obstore.put(self.large if large else self.quick, key, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                held = self.get(key, large=large)
                return held is not None and held.content == content
            return True

    def put_over(self, key: str, content: bytes, version: UpdateVersion) -> UpdateVersion | None:
        """Write over that version of an object and return the new one; None where it is not there any more."""
        with told(self.place):
            try:
                return _version(obstore.put(self.quick, key, content, mode=version))
            except (PreconditionError, FileNotFoundError):
                held = self.get(key)
                return held.version if held is not None and held.content == content else None

    def now(self, key: str) -> float:
        """Return the store's clock (seconds since 1970, whole ones), read off an object that is written for it."""
        with told(self.place):
            obstore.put(self.quick, key, b"")
            return obstore.head(self.quick, key)["last_modified"].timestamp()

    def keys(self, folder: str, *, after: str = "") -> list[str]:
        """Return the keys below `folder` that come after `after`, in their order."""
        with told(self.place):
            pages = obstore.list(self.quick, folder, offset=after or None)
            return sorted(one["path"] for page in pages for one in page)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; what is not there is no error."""
        with told(self.place):
            obstore.delete(self.quick, list(keys))


def open_store(url: str, *, patience_s: float = PATIENCE_S) -> Store:
    """
    Return the store that a URL names: `s3://bucket/prefix`, `gs://…` or `az://…`.

    `?endpoint=` may follow, and `?region=` for S3. Credentials come from the environment alone. No TLS only to this
    machine, and only where the URL says so. `patience_s` is how long a request is sent again that was not answered.
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
            f"{visible(place)}: its endpoint {_shown(endpoint)} is no https:// URL",
            "only this machine goes without TLS",
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

    with told(place):
        return Store(place, opened(patience_s), opened(_LARGE_S))


def _shown(endpoint: SplitResult) -> str:
    """Return an endpoint for a message: scheme and host, without a user or a password."""
    return visible(f"{endpoint.scheme}://{endpoint.netloc.rpartition('@')[2]}")


def _version(of: object) -> UpdateVersion:
    """Return what tells a version of an object from the others: what a put answers, or a get."""
    version: UpdateVersion = {name: of[name] for name in ("e_tag", "version") if of[name] is not None}  # type: ignore[assignment,index]
    return version
