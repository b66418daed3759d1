"""
A ledger whose personal values are encrypted: AES-256-GCM, each value bound to its row and column.

A sealed text says by which key: `sealed:1:<name>:<nonce and ciphertext>`. A nonce is 96 random bits
(NIST SP 800-38D, 8.2.2: at most 2^32 texts a key, some thousand full applies of a large account).

Encrypted are what was applied and observed of a customer, the users seen on it, and what a change wrote, its messages
and hashes with it. Not sealed is what a ledger is asked by and says to whoever manages it: external_ids, ids, times,
states, files, lines and reasons, who ran what, and the server's words of an external_id that is taken.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from reconciler.errors import LedgerFailed
from reconciler.escape import visible
from reconciler.ledger.base import Copy, Ledger, Meta
from reconciler.ledger.lock import Holder
from reconciler.model.core import Address, CustomerId
from reconciler.model.ledger import (
    Binding,
    Intent,
    PutBinding,
    PutIntent,
    PutUsers,
    Records,
    Run,
    SeenUser,
    Tally,
    Write,
)
from reconciler.model.reasons import read_ending, stored_ending

KEY_BYTES = 32
PLAIN = "none"
"""In place of the first key: what is written is not sealed, and what is sealed is still read."""

_MARK = "sealed:1:"
_NONCE_BYTES = 12
_NAME_DIGITS = 8
_KEYS = "set the key in RECONCILER_STATE_KEY, or in the file that RECONCILER_STATE_KEY_FILE names"
_MAKE = "a key is 32 random bytes in Base64, as `openssl rand -base64 32` prints; commas or spaces separate several"


class Cipher:
    """
    Seals with the first of its keys and opens with any of them; without keys it seals nothing.

    `keys` are of 32 bytes; the first may be None, so that nothing more is sealed. LedgerFailed without `cryptography`.
    """

    def __init__(self, keys: Sequence[bytes | None] = ()) -> None:
        named = {_name(key): key for key in keys if key is not None}
        self._opens: dict[str, Any] = {name: _aes(key) for name, key in named.items()}
        self._writes = next((_name(key) for key in keys[:1] if key is not None), None)

    @property
    def seals(self) -> bool:
        """Say whether what is written is sealed."""
        return self._writes is not None

    def has(self, name: str) -> bool:
        """Say whether a key is among ours."""
        return name in self._opens

    def seal(self, text: str, place: str) -> str:
        """Return `text` sealed for `place` alone; as it is where nothing is sealed."""
        if self._writes is None:
            return text
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._opens[self._writes].encrypt(nonce, text.encode("utf-8", "surrogatepass"), place.encode())
        return f"{_MARK}{self._writes}:{base64.b64encode(nonce + sealed).decode()}"

    def open(self, text: str, place: str) -> str:
        """
        Return what was sealed for `place`.

        LedgerFailed where the key is not among ours, or the text was altered or was at another place.
        """
        name, _, body = text.removeprefix(_MARK).partition(":")
        key = self._opens.get(name)
        if key is None:
            raise LedgerFailed(f"the ledger is encrypted with the key {name}, which is not set", _KEYS)
        try:
            raw = base64.b64decode(body, validate=True)
            if base64.b64encode(raw).decode() != body:
                raise ValueError("its unused Base64 bits are not zero")  # noqa: TRY301 - as what it raises itself
            opened: bytes = key.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], place.encode())
            return opened.decode("utf-8", "surrogatepass")
        except (binascii.Error, ValueError, _refused()) as error:
            raise LedgerFailed(
                "an encrypted value in the ledger was altered, or moved from another customer or environment",
                "restore a copy of it",
            ) from error


def is_sealed(text: str) -> bool:
    """Say whether a text was sealed; to be asked of those alone that never begin so by themselves, as JSON does not."""
    return text.startswith(_MARK)


def sealed_by(text: str) -> str:
    """Return the name of the key that a text was sealed with."""
    return text.removeprefix(_MARK).partition(":")[0]


def read_keys(text: str, of: str = "the ledger") -> tuple[bytes | None, ...]:
    """
    Return the keys that a text holds, separated by spaces, commas or lines; None for the word `none` at its begin.

    LedgerFailed, which says whose key it is by `of`, for anything else.

    >>> read_keys("none AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")[0]
    """
    words = text.replace(",", " ").split()
    return tuple(None if word == PLAIN and place == 0 else _key(word, of) for place, word in enumerate(words))


def _key(word: str, of: str) -> bytes:
    """Return the key that a word writes; LedgerFailed for anything else, which is not repeated."""
    try:
        key = base64.b64decode(word.replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:  # of Base64, and of a text that is not ASCII
        key = b""
    if len(key) != KEY_BYTES:
        raise LedgerFailed(f"the key of {of} is not one", _MAKE)
    return key


def _name(key: bytes) -> str:
    """Return the name of a key: the begin of its hash, from which the key cannot be known."""
    return hashlib.sha256(b"reconciler ledger key\0" + key).hexdigest()[:_NAME_DIGITS]


def _aes(key: bytes) -> Any:  # noqa: ANN401 - of a package that is loaded where it is used
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
    except ImportError as error:
        raise LedgerFailed(
            "encryption needs the package cryptography, which is not installed", "pip install cryptography"
        ) from error
    return AESGCM(key)


def _refused() -> type[Exception]:
    """Return what the package raises where a text is not what was sealed."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415

    return InvalidTag


# No field has this name, and no user that a ledger holds this e-mail.
_SEALED = ""


@dataclass(frozen=True, slots=True)
class SealedLedger:
    """
    A ledger behind a cipher: it takes and returns values as they are, and the one inside never sees them.

    Where the cipher seals, a row that is not sealed was put there by something else, and is refused; not `plain_too`.
    """

    ledger: Ledger
    cipher: Cipher
    plain_too: bool = False

    @property
    def meta(self) -> Meta | None:
        """Return whose ledger it is, None where there is none."""
        return self.ledger.meta

    @property
    def writable(self) -> bool:
        """Say whether it can be written."""
        return self.ledger.writable

    @property
    def remote(self) -> bool:
        """Say whether a commit waits for a network and may be made in another thread."""
        return self.ledger.remote

    @property
    def lease_s(self) -> float:
        """Return how long a lease lasts without `renew`, in seconds; 0 where there is none to renew."""
        return self.ledger.lease_s

    def __enter__(self) -> Self:
        """Return itself, open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.ledger.__exit__(kind, error, trace)

    def records(self) -> Records:
        """Return all that planning asks; read as one consistent state."""
        held = self.ledger.records()
        mixed = self.cipher.seals or any(is_sealed(row.applied_json) for row in held.bindings.values())
        return replace(
            held,
            bindings={key: self._opened(row) for key, row in held.bindings.items()} if mixed else held.bindings,
            users=_OpenedUsers(held.users, self),
            intents=tuple(map(self._opened_intent, held.intents)),
        )

    def binding(self, external_id: str) -> Binding | None:
        """Return one customer's row."""
        row = self.ledger.binding(external_id)
        return None if row is None else self._opened(row)

    def commit(self, writes: Iterable[Write]) -> None:
        """Make `writes` durable, sealed, as the ledger inside does."""
        self.ledger.commit(map(self._sealed, writes))

    def runs(self) -> tuple[Run, ...]:
        """Return every run, oldest first."""
        return self.ledger.runs()

    def intents(self, run: str) -> tuple[Intent, ...]:
        """Return the intents of one run, in the order of their seq."""
        return tuple(map(self._opened_intent, self.ledger.intents(run)))

    def tallies(self) -> Mapping[str, Tally]:
        """Return what the intents of each run come to, by its id."""
        return self.ledger.tallies()

    def history(self, name: str) -> tuple[Intent, ...]:
        """Return the intents of every run about one customer and its users, oldest first."""
        return tuple(map(self._opened_intent, self.ledger.history(name)))

    def begin(self, holder: Holder, *, account: str) -> SealedLedger:
        """Return this ledger as the writing run `holder` has it."""
        return replace(self, ledger=self.ledger.begin(holder, account=account))

    def renew(self) -> None:
        """Make the lease last for `lease_s` from now."""
        self.ledger.renew()

    def disconnect(self) -> None:
        """Close the connection until the ledger is next used."""
        self.ledger.disconnect()

    def copy(self) -> Copy:
        """Return all that it holds, opened; rows that are not sealed are taken too, so that they can be."""
        held = self.ledger.copy()
        any_row = replace(self, plain_too=True)
        return replace(held, writes=tuple(map(any_row._opened_write, held.writes)))  # noqa: SLF001 - its own class

    def overwrite(self, copy: Copy) -> None:
        """Replace all that it holds by `copy`, sealed."""
        self.ledger.overwrite(replace(copy, writes=tuple(map(self._sealed, copy.writes))))

    def _place(self, kind: str, key: str, name: str) -> str:
        """Return the place that a value is bound to: this environment's, and one of its rows."""
        meta = self.meta
        whose = f"{meta.environment!r} {meta.base_url!r}" if meta is not None else ""
        return f"{whose} {kind} {key!r} {name!r}"

    def _sealed(self, write: Write) -> Write:
        """Return a write whose personal values are sealed."""
        if not self.cipher.seals:
            return write
        match write:
            case PutBinding(row):
                texts = (row.applied_json, row.observed_json, row.trouble_json, row.applied_hash.hex(), row.recent_json)
                text = self.cipher.seal(json.dumps(texts), self._of_binding(row))
                bare = replace(row, applied_hash=b"", observed_json=None, trouble_json=None, recent_json=None)
                return PutBinding(replace(bare, applied_json=text))
            case PutUsers(customer, users):
                text = json.dumps([(user.email, dict(user.fields), _plain(user.applied)) for user in users])
                token = self.cipher.seal(text, self._place("users", customer, ""))
                return PutUsers(customer, (SeenUser(_SEALED, {_SEALED: token}),))
            case PutIntent(one):
                said = (one.message, one.payload_hash, one.address.email, stored_ending(one.ending))
                values = (dict(one.before), dict(one.after), *said)
                token = self.cipher.seal(json.dumps(values), self._of_intent(one))
                address = one.address if one.address.email is None else Address(one.address.external_id, _SEALED)
                held = replace(one, address=address, before={_SEALED: token}, after={}, message="", payload_hash="")
                return PutIntent(replace(held, ending=None))
            case _:
                return write

    def _opened_write(self, write: Write) -> Write:
        """Return a write as it was before `_sealed`."""
        match write:
            case PutBinding(row):
                return PutBinding(self._opened(row))
            case PutUsers(customer, users):
                return PutUsers(customer, self.opened_users(customer, users))
            case PutIntent(one):
                return PutIntent(self._opened_intent(one))
            case _:
                return write

    def _opened(self, row: Binding) -> Binding:
        """Return a row as it was before it was sealed."""
        if not is_sealed(row.applied_json):
            self._may_be_plain(row.external_id)
            return row
        opened = json.loads(self.cipher.open(row.applied_json, self._of_binding(row)))
        # One that an older version sealed has no fifth text.
        applied, observed, trouble, fingerprint, recent = (*opened, None)[:5]
        return replace(
            row,
            applied_json=applied,
            observed_json=observed,
            trouble_json=trouble,
            applied_hash=bytes.fromhex(fingerprint),
            recent_json=recent,
        )

    def opened_users(self, customer: CustomerId, users: tuple[SeenUser, ...]) -> tuple[SeenUser, ...]:
        """Return the users of a customer as they were before they were sealed."""
        token = users[0].fields.get(_SEALED) if len(users) == 1 and users[0].email == _SEALED else None
        if token is None:
            self._may_be_plain(customer)
            return users
        rows = json.loads(self.cipher.open(token, self._place("users", customer, "")))
        return tuple(SeenUser(email, fields, applied) for email, fields, applied in rows)

    def _opened_intent(self, one: Intent) -> Intent:
        """Return an intent as it was before it was sealed."""
        token = one.before.get(_SEALED)
        if token is None:
            self._may_be_plain(one.address.external_id)
            return one
        # One that an older version sealed has no sixth text.
        opened = (*json.loads(self.cipher.open(token, self._of_intent(one))), "")
        before, after, message, payload_hash, email, ending = opened[:6]
        address, ended = Address(one.address.external_id, email), read_ending(ending)
        values = replace(one, address=address, before=before, after=after, message=message)
        return replace(values, payload_hash=payload_hash, ending=ended)

    def _may_be_plain(self, of: str) -> None:
        """Raise LedgerFailed where a row that is not sealed is refused."""
        if self.cipher.seals and not self.plain_too:
            raise LedgerFailed(
                f"the ledger is encrypted, but its data for {visible(of)!r} is not: it was never encrypted, or "
                "something else wrote it",
                "if the key is new, encrypt the whole ledger with `reconciler state rekey`; otherwise restore a copy",
            )

    def _of_binding(self, row: Binding) -> str:
        """Return the place of a row's values."""
        return self._place("binding", row.external_id, row.id or "")

    def _of_intent(self, one: Intent) -> str:
        """Return the place of a change's values."""
        return self._place("intent", f"{one.run} {one.seq}", one.address.external_id)


class _OpenedUsers(Mapping[CustomerId, tuple[SeenUser, ...]]):
    """The users seen, by customer id, opened where they are asked for."""

    __slots__ = ("_held", "_ledger")

    def __init__(self, held: Mapping[CustomerId, tuple[SeenUser, ...]], ledger: SealedLedger) -> None:
        self._held = held
        self._ledger = ledger

    def __getitem__(self, key: CustomerId) -> tuple[SeenUser, ...]:
        """Return the users of one customer; KeyError where they were never listed."""
        return self._ledger.opened_users(key, self._held[key])

    def __iter__(self) -> Iterator[CustomerId]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


def _plain(values: Mapping[str, str | None] | None) -> dict[str, str | None] | None:
    """Return what JSON takes."""
    return None if values is None else dict(values)
