"""Cursors: opaque, as the API's are; each says a place in one list and is refused by every other."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct

# Base64 of these begins with "g+": a cursor that is not percent-encoded always arrives broken.
_MARK = b"\x83\xe0"
_HEAD = len(_MARK) + 4

Key = tuple[int, str]


def encode(key: Key, *, scope: str) -> str:
    """
    Return the cursor of a place in the list called `scope`.

    >>> encode((1, "cus_1"), scope="customers")
    'g+Ag49pAAAAAAAAAAAFjdXNfMQ=='
    >>> decode(encode((1, "cus_1"), scope="customers"), scope="customers")
    (1, 'cus_1')
    """
    place = struct.pack(">q", key[0]) + key[1].encode(errors="surrogatepass")
    return base64.b64encode(_MARK + _check(place, scope) + place).decode("ascii")


def decode(cursor: str, *, scope: str) -> Key:
    """Return the place that a cursor of this list says; ValueError for any other text."""
    try:
        packed = base64.b64decode(cursor.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as exc:
        raise ValueError("The cursor is not valid") from exc
    place = packed[_HEAD:]
    if not packed.startswith(_MARK) or packed[len(_MARK) : _HEAD] != _check(place, scope):
        raise ValueError("The cursor is not valid")
    return int(struct.unpack(">q", place[:8])[0]), place[8:].decode(errors="surrogatepass")


def _check(place: bytes, scope: str) -> bytes:
    """Return four bytes that only this place in this list has."""
    return hashlib.blake2b(place, digest_size=4, key=scope.encode(errors="surrogatepass")[:64]).digest()
