"""Values that look real and are nobody's, as Faker draws them. Example domains only: a user may get an e-mail."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from faker import Faker

COUNTRY = "USA"
_NO_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Place:
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

    def place(self, seed: str) -> Place:
        """Return a city, its state and a postal code of that state."""
        fake = self.of(seed)
        state = str(fake.state_abbr(include_territories=False, include_freely_associated_states=False))
        return Place(str(fake.city()), state, str(fake.postcode_in_state(state)))

    def ein(self, seed: str) -> str:
        """Return an EIN, hyphen after the second digit."""
        return str(self.of(seed).ein())

    def first_name(self, seed: str) -> str:
        """Return a first name."""
        return str(self.of(seed).first_name())

    def last_name(self, seed: str) -> str:
        """Return a family name."""
        return str(self.of(seed).last_name())


def slug(text: str) -> str:
    """
    Return `text` as it may stand in a key or a domain.

    >>> slug("Müller, Söhne & Co.")
    'muller-sohne-co'
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return _NO_SLUG.sub("-", plain).strip("-") or "x"
