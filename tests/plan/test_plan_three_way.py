"""
The three-way table of what differs, whole: every declared value, every record, every live one.

The rows stand here as they stand in the docs, and say what is expected; nothing of it is asked of the planner.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from plan_values import TERMS, account, bound, customer, declared, ledger, there

from reconciler.kinds.wire import with_record
from reconciler.model.ledger import Binding
from reconciler.model.plan import Plan
from reconciler.model.reasons import NoteKind
from reconciler.plan.make import make_plan

DOCS = Path(__file__).parents[2] / "docs/explanation/how-it-decides.md"

TABLE = (
    # declared, applied, live, then, cause
    ("absent", "any", "any", "nothing; a record is dropped with a note", ""),
    ("d", "none", "l = d", "unchanged, recorded", ""),
    ("d", "none", "l ≠ d", "patch", "unknown"),
    ("d", "a = d", "l = o, or l = d", "unchanged", ""),
    ("d", "a = d", "else", "patch", "drift"),
    ("d", "a ≠ d", "l = d", "unchanged, recorded", ""),
    ("d", "a ≠ d", "l = o", "patch", "config"),
    ("d", "a ≠ d", "else", "patch", "both"),
)

EMPTY, A, B, C = "", "A", "B", "C"
"""Values as letters: equal where the letters are. EMPTY is declared as null, and live as a field that is not there."""


@dataclass(frozen=True)
class Spelling:
    """How the letters are written on each side: different texts of one letter are to be taken for equal."""

    name: str
    field: str
    declared: Mapping[str, str]
    applied: Mapping[str, str]
    live: Mapping[str, str]
    equal: Mapping[str, Mapping[str, str]]

    def letter(self, text: str | None) -> str:
        """Return the letter that `text` writes, on whichever side."""
        sides = (self.declared, self.applied, self.live)
        (letter,) = {letter for side in sides for letter, one in side.items() if one == (text or "")}
        return letter


def same(**texts: str) -> Mapping[str, str]:
    return {EMPTY: "", **texts}


PLAIN = same(A="Boston", B="New York", C="Salem")
SPELLINGS = (
    Spelling("as written", "city", PLAIN, PLAIN, PLAIN, {}),
    Spelling(
        "canonical twins",
        "city",
        same(A="Montr\u00e9al", B="New York", C="Salem"),
        same(A="Montre\u0301al", B="New York ", C=" Salem"),
        same(A=" Montre\u0301al", B="\tNew York", C="Salem "),
        {},
    ),
    Spelling(
        "EIN with and without hyphen",
        "ein",
        same(A="12-3456789", B="98-7654321", C="55-5555555"),
        same(A="123456789", B="987654321", C="555555555"),
        same(A="12-3456789", B="987654321", C="55-5555555 "),
        {},
    ),
    Spelling(
        "declared equal",
        "country",
        same(A="USA", B="Canada", C="Mexico"),
        same(A="US", B="CA", C="Mexico"),
        same(A="United States", B="Canada", C="MX"),
        {"country": {"USA": "US", "United States": "US", "CA": "Canada", "MX": "Mexico"}},
    ),
)


@dataclass(frozen=True)
class Sides:
    """One combination: None is a field that is not declared, or not recorded."""

    declared: str | None
    recorded: tuple[str, str] | None
    live: str

    def row(self) -> tuple[str, str, str, str, str]:
        """Return the one row of the table that speaks of it."""
        return next(row for row in TABLE if self._fits(row))

    def _fits(self, row: tuple[str, str, str, str, str]) -> bool:
        """Say whether the conditions of a row hold; `else` is reached only where the rows above it did not fit."""
        wanted, applied, live, _, _ = row
        return self._declared(wanted) and self._applied(applied) and self._live(live)

    def _declared(self, condition: str) -> bool:
        return (self.declared is None) is (condition == "absent")

    def _applied(self, condition: str) -> bool:
        match condition:
            case "any":
                return True
            case "none":
                return self.recorded is None
            case "a = d":
                return self.recorded is not None and self.recorded[0] == self.declared
            case "a ≠ d":
                return self.recorded is not None and self.recorded[0] != self.declared
        raise AssertionError(condition)

    def _live(self, condition: str) -> bool:
        held = {
            "any": True,
            "else": True,
            "l = d": self.live == self.declared,
            "l ≠ d": self.live != self.declared,
            "l = o": self.recorded is not None and self.live == self.recorded[1],
        }
        return any(held[one] for one in condition.split(", or "))


def combinations() -> Iterator[Sides]:
    records = [None, *itertools.product((EMPTY, A, B, C), repeat=2)]
    for sides in itertools.product((None, EMPTY, A, B), records, (EMPTY, A, B, C)):
        yield Sides(*sides)


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: spelling.name)
@pytest.mark.parametrize("row", TABLE, ids=" | ".join)
def test_a_row_of_the_table_says_what_is_patched_noted_and_recorded(
    row: tuple[str, str, str, str, str], spelling: Spelling
) -> None:
    spoken_of = [sides for sides in combinations() if sides.row() == row]

    assert {sides: decided(sides, spelling) for sides in spoken_of} == {
        sides: expected(sides, spelling) for sides in spoken_of
    }
    assert spoken_of


def test_the_rows_speak_of_every_combination() -> None:
    assert {sides.row() for sides in combinations()} == set(TABLE)
    assert len(list(combinations())) == 4 * 17 * 4


def test_the_table_of_the_docs_is_this_one() -> None:
    lines = [line for line in DOCS.read_text().splitlines() if re.match(r"\| (not written|\*d\*) \|", line)]
    cells = [tuple(cell.strip().replace("*", "") for cell in line.strip("|").split("|")) for line in lines]

    assert cells == [("not written" if row[0] == "absent" else row[0], *row[1:]) for row in TABLE]


# --- what the planner decides, and what the table says it should ----------------------------------------


@dataclass(frozen=True)
class Decision:
    """Of one field: (before, after, cause) of its patch, whether a note speaks of it, the letters recorded after."""

    patched: tuple[str, str | None, str] | None
    noted: bool
    recorded: tuple[str, str] | None


def expected(sides: Sides, spelling: Spelling) -> Decision:
    """Return what the table says, in the texts of `spelling`."""
    _, _, _, then, cause = sides.row()
    match then:
        case "nothing; a record is dropped with a note":
            return Decision(None, sides.recorded is not None, None)
        case "unchanged, recorded":
            return Decision(None, noted=False, recorded=(sides.declared or EMPTY, sides.live))
        case "unchanged":
            return Decision(None, noted=False, recorded=sides.recorded)
        case "patch":
            after = spelling.declared[sides.declared or EMPTY] or None
            return Decision((spelling.live[sides.live], after, cause), noted=False, recorded=sides.recorded)
    raise AssertionError(then)


def decided(sides: Sides, spelling: Spelling) -> Decision:
    """Return what the planner does of it."""
    row = _row(sides, spelling)
    plan = _plan(sides, spelling, row)
    (after,) = plan.entries or (row,)
    applied, observed = after.applied(), after.observed()
    patched = [
        (one.before, one.after, str(one.cause))
        for change in plan.changes
        for one in change.fields
        if one.name == spelling.field
    ]
    noted = any(note.kind is NoteKind.FIELD_RELEASED and note.parts["field"] == spelling.field for note in plan.notes)
    assert not plan.blocked
    return Decision(
        patched=patched[0] if patched else None,
        noted=noted,
        recorded=(spelling.letter(applied[spelling.field]), spelling.letter(observed[spelling.field]))
        if spelling.field in applied
        else None,
    )


def _row(sides: Sides, spelling: Spelling) -> Binding:
    if sides.recorded is None:
        return with_record(bound("acme", "cus_1"), {}, {}, {})
    applied, observed = (spelling.applied[letter] for letter in sides.recorded)
    return with_record(bound("acme", "cus_1"), {spelling.field: applied or None}, {spelling.field: observed}, {})


def _plan(sides: Sides, spelling: Spelling, row: Binding) -> Plan:
    fields = {} if sides.declared is None else {spelling.field: spelling.declared[sides.declared] or None}
    live = {spelling.field: spelling.live[sides.live]} if sides.live else {}
    desired = declared(customer("acme", fields=fields))
    draft = make_plan(
        desired, account(there("cus_1", "acme", **live)), ledger(row), replace(TERMS, equal=spelling.equal)
    )
    assert draft.reads == ()
    return draft.plan
