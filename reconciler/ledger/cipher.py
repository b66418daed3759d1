"""
AES-256-GCM over texts, each bound to where it stands; keys that have names, so that they can change.

A sealed text says by which key: `sealed:1:<name>:<nonce and ciphertext>`. A nonce is 96 random bits
(NIST SP 800-38D, 8.2.2: at most 2^32 texts a key, some thousand full applies of a large account).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from typing import Any

from reconciler.errors import LedgerFailed

KEY_BYTES = 32
PLAIN = "none"
"""In place of the first key: what is written is not sealed, and what is sealed is still read."""

_MARK = "sealed:1:"
_NONCE_BYTES = 12
_NAME_DIGITS = 8
_KEYS = "give the key in RECONCILER_STATE_KEY, or in the file that RECONCILER_STATE_KEY_FILE names"
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

        LedgerFailed where the key is not among ours, or the text was altered or stood at another place.
        """
        name, _, body = text.removeprefix(_MARK).partition(":")
        key = self._opens.get(name)
        if key is None:
            raise LedgerFailed(f"the ledger is encrypted with the key {name}, which was not given", _KEYS)
        try:
            raw = base64.b64decode(body, validate=True)
            if base64.b64encode(raw).decode() != body:
                raise ValueError("the bits that Base64 leaves unused differ")  # noqa: TRY301 - as what it raises itself
            opened: bytes = key.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], place.encode())
            return opened.decode("utf-8", "surrogatepass")
        except (binascii.Error, ValueError, _refused()) as error:
            raise LedgerFailed(
                "an encrypted value of the ledger was altered, or moved from another customer or environment",
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
    Return the keys that a text holds, separated by blanks, commas or lines; None for the word `none` at its begin.

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
    """Return the name of a key: the begin of its hash, from which the key cannot be told."""
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
