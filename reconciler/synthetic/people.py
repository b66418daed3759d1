"""
People who do not exist: customers from a seed number, and real ones with all that is theirs replaced.

Each value is drawn from a keyed hash of the original: equal originals become equal (two customers of one city
stay in one city, a shared email address stays shared), a second run changes nothing, and without the secret
nobody can try out whether a name they know is behind an invented one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from faker import Faker

from reconciler.desired.write import Written
from reconciler.kinds import CUSTOMER
from reconciler.kinds.kind import canonical_ein, canonical_email, canonical_text

COUNTRY = "USA"
_NO_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class City:
    """A city with a state and a postal code that belong together."""

    city: str
    state: str
    postal_code: str


class Faces:
    """A source of values, each drawn from a seed: one seed gives one value, whatever was drawn before."""

    def __init__(self) -> None:
        self._fake = Faker("en_US")

    def of(self, seed: str) -> Faker:
        """Return Faker as `seed` leaves it."""
        self._fake.seed_instance(seed)
        return self._fake

    def company(self, seed: str) -> str:
        """Return a company's name."""
        return str(self.of(seed).company())

    def street_address(self, seed: str) -> str:
        """Return a street and a number."""
        fake = self.of(seed)
        return f"{fake.building_number()} {fake.street_name()}"

    def sub_premise(self, seed: str) -> str:
        """Return a flat or a suite."""
        return str(self.of(seed).secondary_address())

    def place(self, seed: str) -> City:
        """Return a city, its state and a postal code of that state."""
        fake = self.of(seed)
        state = str(fake.state_abbr(include_territories=False, include_freely_associated_states=False))
        return City(str(fake.city()), state, str(fake.postcode_in_state(state)))

    def ein(self, seed: str) -> str:
        """Return an EIN, hyphen after the second digit."""
        return str(self.of(seed).ein())

    def first_name(self, seed: str) -> str:
        return str(self.of(seed).first_name())

    def last_name(self, seed: str) -> str:
        """Return a family name."""
        return str(self.of(seed).last_name())


def slug(text: str) -> str:
    """
    Return `text` as it may be in a key or a domain.

    >>> slug("Müller, Söhne & Co.")
    'muller-sohne-co'
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return _NO_SLUG.sub("-", plain).strip("-") or "x"


FORMS = ("LLC", "Inc", "Ltd", "PLC", "Group")
"""What a name may end with that says the company's form already."""


def generate_customers(customers: int, users: int, seed: int) -> Iterator[Written]:
    """
    Yield `customers` entries with `users` users each, the same for the same seed and version of Faker.

    The n-th customer is the same whatever their number, so that a larger environment holds a smaller one.
    """
    faces = Faces()
    for number in range(1, customers + 1):
        yield _customer(faces, f"{seed} {number}", number, users)


def _customer(faces: Faces, seed: str, number: int, users: int) -> Written:
    """Return one customer; its number makes its key and its domain nobody else's."""
    name = faces.company(f"{seed} name")
    key = f"{slug(name)}-{number}"
    place = faces.place(f"{seed} place")
    domain = f"{key}.example"
    fields = {
        "name": name,
        "legal_name": name if name.endswith(FORMS) else f"{name} LLC",
        "ein": faces.ein(f"{seed} ein"),
        "email": f"billing@{domain}",
        "street_address": faces.street_address(f"{seed} street"),
        "city": place.city,
        "state": place.state,
        "postal_code": place.postal_code,
        "country": COUNTRY,
    }
    return Written(key, fields, users=dict(_user(faces, f"{seed} user {one}", one, domain) for one in range(users)))


def _user(faces: Faces, seed: str, number: int, domain: str) -> tuple[str, dict[str, str | None]]:
    """Return one user by email address."""
    first, last = faces.first_name(f"{seed} first"), faces.last_name(f"{seed} last")
    behind = str(number) if number else ""
    return f"{slug(first)}.{slug(last)}{behind}@{domain}", {"first_name": first, "last_name": last}


_EIN_DIGITS = 9


def anonymize_customers(entries: Iterable[Written], secret: str) -> Iterator[Written]:
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
