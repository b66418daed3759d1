"""
How well customers are recognized that are live without our key: precision and recall of what is called sure.

python bench/match.py --data FOLDER [--pairs N] [--seed S] [--json]

Of the register's newest month, N organizations are declared and live, as two people would write them: one damage a
pair, two in a fifth of them (a legal suffix, punctuation, abbreviations, another address of the email domain, moved,
renamed, typing errors, swapped words). Name, street and email domain are never all damaged. As many strangers are
live beside them. No EIN, key or id is there to help. A second run compares two lists that share nobody, and no name
with street and postal code.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import random
import re
import resource
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from workbench import table, told

from reconciler.plan.similarity import party, similar

PRECISION, RECALL, SECONDS = 0.99, 0.95, 20.0
TWO_DAMAGES = 0.2
NAME, STREET, DOMAIN = "name", "street", "domain"

Row = dict[str, str]

SUFFIXES = (" Inc", ", Inc.", " LLC", ", Ltd.", " Corp", " Co.", " Incorporated")
SHORTER = {
    "association": "Assn",
    "american": "Amer",
    "center": "Ctr",
    "committee": "Comm",
    "community": "Cmty",
    "company": "Co",
    "department": "Dept",
    "foundation": "Fdn",
    "friends": "Frnds",
    "historical": "Hist",
    "international": "Intl",
    "library": "Lib",
    "memorial": "Mem",
    "mountain": "Mtn",
    "national": "Natl",
    "organization": "Org",
    "saint": "St",
    "school": "Sch",
    "services": "Svcs",
    "society": "Soc",
    "vermont": "VT",
    "avenue": "Ave",
    "ave": "Avenue",
    "road": "Rd",
    "rd": "Road",
    "street": "St",
    "st": "Street",
    "drive": "Dr",
    "dr": "Drive",
    "lane": "Ln",
    "ln": "Lane",
    "north": "N",
    "south": "S",
    "east": "E",
    "west": "W",
    "po": "P.O.",
}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def suffix(row: Row, chance: random.Random, _: Row) -> None:
    """Add a legal suffix, or take it away."""
    bare = re.sub(r"[, ]+(inc|llc|ltd|corp|co|incorporated)\.?$", "", row["name"], flags=re.IGNORECASE)
    row["name"] = bare if bare != row["name"] else bare + chance.choice(SUFFIXES)


def punctuation(row: Row, chance: random.Random, _: Row) -> None:
    """Write the name with other punctuation, and with an article."""
    name = re.sub(r"\band\b", "&", row["name"], flags=re.IGNORECASE)
    words = name.replace("'", "").split()
    place = chance.randrange(len(words))
    words[place] += chance.choice((",", ".", " -", ";"))
    row["name"] = ("The " if chance.random() < 0.3 else "") + " ".join(words)


def abbreviations(row: Row, _: random.Random, __: Row) -> None:
    """Abbreviate what is often abbreviated, in name and street."""
    for name in (NAME, STREET):
        row[name] = " ".join(SHORTER.get(word.lower(), word) for word in row[name].split())


def other_email(row: Row, chance: random.Random, _: Row) -> None:
    """Give another address of the same domain."""
    row["email"] = f"{chance.choice(('billing', 'ap', 'accounts', 'office'))}@{row['email'].partition('@')[2]}"


def moved(row: Row, _: random.Random, stranger: Row) -> None:
    """Give another address."""
    row.update({name: stranger[name] for name in (STREET, "city", "postal_code")})


def renamed(row: Row, _: random.Random, stranger: Row) -> None:
    """Give a name that nobody has."""
    row["name"] = " ".join(reversed(stranger["name"].split()[:2])) + " Collective"


def typing(row: Row, chance: random.Random, __: Row) -> None:
    """Make one or two typing errors in the name or the street."""
    name = chance.choice((NAME, STREET))
    for _ in range(chance.choice((1, 2))):
        text = row[name]
        places = [place for place, char in enumerate(text) if char.isalpha()]
        if not places:
            return
        place = chance.choice(places)
        new = chance.choice(("", text[place] * 2, chance.choice(LETTERS), text[place + 1 : place + 2] + text[place]))
        row[name] = text[:place] + new + text[place + (2 if len(new) == 2 and new[0] != new[1] else 1) :]


def swapped(row: Row, chance: random.Random, _: Row) -> None:
    """Swap two words of the name."""
    words = row["name"].split()
    if len(words) > 1:
        place = chance.randrange(len(words) - 1)
        words[place], words[place + 1] = words[place + 1], words[place]
    row["name"] = " ".join(words)


def another_domain(row: Row, _: random.Random, __: Row) -> None:
    """Give an address of another domain."""
    row["email"] = f"info@new-{row['email'].partition('@')[2]}"


Damage = Callable[[Row, random.Random, Row], None]
TOUCHES: Mapping[Damage, frozenset[str]] = {
    suffix: frozenset({NAME}),
    punctuation: frozenset({NAME}),
    abbreviations: frozenset({NAME, STREET}),
    other_email: frozenset(),
    moved: frozenset({STREET}),
    renamed: frozenset({NAME}),
    typing: frozenset({NAME, STREET}),
    swapped: frozenset({NAME}),
    another_domain: frozenset({DOMAIN}),
}


def damaged(row: Row, chance: random.Random, stranger: Row) -> tuple[Row, tuple[str, ...]]:
    """Return a row as another person writes it, and what was done."""
    made = dict(row)
    while True:
        chosen = chance.sample(list(TOUCHES), 2 if chance.random() < TWO_DAMAGES else 1)
        if frozenset().union(*(TOUCHES[one] for one in chosen)) != {NAME, STREET, DOMAIN}:
            break
    for one in chosen:
        one(made, chance, stranger)
    return made, tuple(one.__name__ for one in chosen)


def fields(row: Row) -> Row:
    """Return a row as a customer's fields."""
    return {
        "name": row["name"],
        "email": row["email"],
        "street_address": row[STREET],
        "city": row["city"],
        "postal_code": row["postal_code"],
    }


def register(folder: Path) -> list[Row]:
    """Return the newest snapshot; each organization with an email address at a domain of its own."""
    newest = max(folder.glob("*.csv.gz"))
    with gzip.open(newest, "rt", encoding="utf-8", newline="") as file:
        rows = [dict(row) for row in csv.DictReader(file)]
    for row in rows:
        slug = re.sub(r"[^a-z0-9]+", "-", row["name"].lower()).strip("-")[:40]
        row["email"] = f"info@{slug}-{row['ein']}.example"
    return rows


def recognized(rows: Iterable[Row], live: Iterable[Row]) -> tuple[dict[str, str], float]:
    """Return by declared EIN the live one that is sure to be it, and the seconds of CPU that it took."""
    before = cpu()
    left = {row["ein"]: party(fields(row)) for row in rows}
    right = {row["ein"]: party(fields(row)) for row in live}
    found = {one.left: one.right for one in similar(left, right) if one.sure}
    return found, cpu() - before


def cpu() -> float:
    """Return the seconds of CPU that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Print precision, recall and time; 1 where a goal is missed."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--pairs", type=int, default=3_000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    chance = random.Random(given.seed)  # noqa: S311 - noise, repeated by its seed
    rows = register(given.data)
    chance.shuffle(rows)
    pairs, strangers = rows[: given.pairs], rows[given.pairs : 2 * given.pairs]
    made = [damaged(row, chance, chance.choice(strangers)) for row in pairs]
    live = [*(row for row, _ in made), *strangers]
    chance.shuffle(live)
    found, seconds = recognized(pairs, live)
    right = sum(one == other for one, other in found.items())
    missed: dict[str, list[int]] = {}
    for row, (_, names) in zip(pairs, made, strict=True):
        for name in names:
            missed.setdefault(name, []).append(found.get(row["ein"]) != row["ein"])
    half = len(rows) // 2
    seen = {(row["name"], row[STREET], row["postal_code"]) for row in rows[:half]}
    apart = [row for row in rows[half:] if (row["name"], row[STREET], row["postal_code"]) not in seen]
    nobody, _ = recognized(rows[:half], apart)
    precision, recall = right / max(len(found), 1), right / len(pairs)
    counts = {name: f"{sum(one)} of {len(one)}" for name, one in sorted(missed.items())}
    result = {
        "ok": precision >= PRECISION and recall >= RECALL and seconds <= SECONDS and not nobody,
        "pairs": len(pairs),
        "strangers": len(strangers),
        "sure": len(found),
        "precision": precision,
        "recall": recall,
        "seconds": seconds,
        "missed": counts,
        "two lists that share nobody": [half, len(apart)],
        "sure among them": len(nobody),
    }
    text = table(
        ("figure", "is", "goal"),
        [
            ["precision", f"{precision:.4f}", f"at least {PRECISION}"],
            ["recall", f"{recall:.4f}", f"at least {RECALL}"],
            ["seconds of CPU", f"{seconds:.1f}", f"at most {SECONDS:.0f}"],
            ["sure among two lists that share nobody", len(nobody), "0"],
            *([f"missed: {name}", one, ""] for name, one in counts.items()),
        ],
    )
    return told(result, text, as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
