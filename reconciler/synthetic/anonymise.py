"""
Real customers with all that is theirs replaced, by a secret.

Each value is drawn from a keyed hash of the original: equal originals become equal (two customers of one city
stay in one city, a shared e-mail address stays shared), a second run changes nothing, and without the secret
nobody can try out whether a name they know is behind an invented one.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from reconciler.desired.write import Written
from reconciler.kinds import CUSTOMER
from reconciler.kinds.kind import canonical_ein, canonical_email, canonical_text
from reconciler.synthetic.faces import COUNTRY, Faces, slug

_EIN_DIGITS = 9


def anonymised(entries: Iterable[Written], secret: str) -> Iterator[Written]:
    """
    Yield `entries` without a key, a pin, a value or a user's address of the original; none is nearly another.

    What is not written stays so, and so do the number of users, `archived`, and which values are equal.
    """
    masks = _Masks(secret)
    for entry in entries:
        yield replace(
            entry,
            key=masks.key(entry.id or entry.key),
            fields=masks.fields(entry.fields),
            id=None,
            distinct_from=(),
            users={masks.email(email): masks.user(email, names) for email, names in entry.users.items()},
        )


class _Masks:
    """What stands for each original value."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._faces = Faces()
        self._by_name: dict[str, Callable[[str], str]] = {
            "name": lambda text: self._faces.company(self._seed("name", canonical_text(text))),
            "legal_name": lambda text: f"{self._faces.company(self._seed('name', canonical_text(text)))} LLC",
            "ein": self.ein,
            "email": self.email,
            "street_address": lambda text: self._faces.street_address(self._seed("street", canonical_text(text))),
            "sub_premise": lambda text: self._faces.sub_premise(self._seed("sub_premise", canonical_text(text))),
        }

    def key(self, text: str) -> str:
        """Return an external_id."""
        return f"customer-{self._seed('key', text)[:16]}"

    def fields(self, fields: Mapping[str, str | None]) -> dict[str, str | None]:
        """Return a customer's fields; what is empty stays empty. City, state and postal code belong together."""
        origin = " ".join(canonical_text(fields.get(name) or "") for name in ("city", "state", "country"))
        place = self._faces.place(self._seed("place", origin))
        where = {"city": place.city, "state": place.state, "postal_code": place.postal_code, "country": COUNTRY}
        masked: dict[str, str | None] = {}
        for name in (field.name for field in CUSTOMER.fields if field.name in fields):
            text = fields[name]
            masked[name] = (where[name] if name in where else self._by_name[name](text)) if text else text
        return masked

    def ein(self, text: str) -> str:
        """Return an EIN: the hash's last nine digits."""
        digits = str(int(self._seed("ein", canonical_ein(text)), 16))[-_EIN_DIGITS:]
        return f"{digits[:2]}-{digits[2:]}"

    def email(self, text: str) -> str:
        """Return an address of an example domain; those of one domain stay of one domain."""
        whole = canonical_email(text)
        domain = whole.rpartition("@")[2]
        name = slug(self._faces.last_name(self._seed("local", whole)))
        company = slug(self._faces.company(self._seed("domain", domain)))
        return f"{name}-{self._seed('local', whole)[:8]}@{company}-{self._seed('domain', domain)[:8]}.example"

    def user(self, email: str, names: Mapping[str, str | None]) -> dict[str, str | None]:
        """Return a user's names; what is empty stays empty."""
        draw = {"first_name": self._faces.first_name, "last_name": self._faces.last_name}
        seed = self._seed("user", canonical_email(email))
        return {name: draw[name](f"{seed} {name}") if text else text for name, text in names.items()}

    def _seed(self, what: str, original: str) -> str:
        """Return the keyed hash of a value, in hexadecimal; `what` keeps equal texts of two fields apart."""
        return hmac.new(self._secret, f"{what}\0{original}".encode(), hashlib.sha256).hexdigest()
