"""Customers and users from a seed number."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.desired.write import Written
from reconciler.synthetic.faces import COUNTRY, Faces, slug

FORMS = ("LLC", "Inc", "Ltd", "PLC", "Group")
"""What a name may end with that says the company's form already."""


def generated(customers: int, users: int, seed: int) -> Iterator[Written]:
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
    """Return one user by e-mail address."""
    first, last = faces.first_name(f"{seed} first"), faces.last_name(f"{seed} last")
    behind = str(number) if number else ""
    return f"{slug(first)}.{slug(last)}{behind}@{domain}", {"first_name": first, "last_name": last}
