"""
What `--redact` shows: personal values masked by the type of their field, external_ids and ids kept.

A masked plan is a plan, so that every rendering of it is masked alike; but it cannot be applied. The parts of a reason
are masked by their type. A message that an older version kept is masked where it has a value of its change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from reconciler.errors import Problem
from reconciler.kinds import KINDS, Personal
from reconciler.model.core import Address
from reconciler.model.plan import Blocked, Change, FieldChange, Note, Outcome, Plan
from reconciler.model.reasons import Cited, Ending, FieldCited, FieldValue, Likeness, ReasonPart, ReasonParts

MASK = "***"

# An e-mail identifies a user, so it is no field of that kind, but as personal as one.
_PERSONAL = {
    **{field.name: field.personal for kind in KINDS for field in kind.fields},
    "email": Personal.EMAIL,
    "external_id": Personal.NO,
}
_USER_IN_PATH = re.compile(r"(?<=\.users\.).+?(?=(?:\.(?:first_name|last_name|ignore_changes))?$)", re.DOTALL)
# From the first quote to the last: a value may hold a quote itself.
_CITED = re.compile(r'"[^"]*"')
_QUOTED = re.compile(r"'.*'|\".*\"", re.DOTALL)


def masked(name: str, value: str) -> str:
    """
    Return the value of the field `name` as a log may hold it: empty stays empty.

    A field that no kind has is masked too.

    >>> masked("ein", "12-3456789"), masked("country", "USA"), masked("city", ""), masked("new", "x")
    ('***', 'USA', '', '***')
    """
    return value if not value or _PERSONAL.get(name) is Personal.NO else MASK


def masked_address(address: Address) -> Address:
    """
    Return `address` without the email of a user; the external_id stays.

    >>> str(masked_address(Address("acme", "jane@acme.example")))
    'acme/***'
    """
    return address if address.email is None else Address(address.external_id, masked("email", address.email))


def masked_text(text: str, values: Iterable[tuple[str, str]]) -> str:
    """
    Return `text` with those of `values`, (field, value), masked that are in it as whole words.

    >>> masked_text("no longer managed, stays Boston", [("city", "Boston"), ("state", "MA")])
    'no longer managed, stays ***'
    """
    personal = {value for name, value in values if value.strip() and masked(name, value) != value}
    # The longest first: a street address may hold the city.
    for value in sorted(personal, key=lambda value: (-len(value), value)):
        text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", MASK, text)
    return text


def uncited(text: str) -> str:
    """
    Return a message without what it cites of a server: status, code and the names of fields stay.

    >>> uncited('POST /customers: 422 invalid: "121234567 is taken": ein: "taken"')
    'POST /customers: 422 invalid: "***": ein: "***"'
    """
    return _CITED.sub(f'"{MASK}"', text)


def masked_parts(parts: ReasonParts) -> ReasonParts:
    """
    Return the parts of a reason, each masked by its type.

    >>> from reconciler.model.reasons import FieldValue
    >>> masked_parts({"held": FieldValue("city", "Boston"), "said": (Cited("Boston is taken"),), "key": "acme"})
    {'held': FieldValue(field='city', value='***'), 'said': (Cited(words='***'),), 'key': 'acme'}
    """
    return {
        name: tuple(map(_masked_part, part)) if isinstance(part, tuple) else _masked_part(part)
        for name, part in parts.items()
    }


def _masked_part(part: ReasonPart) -> ReasonPart:
    match part:
        case FieldValue():
            return FieldValue(part.field, masked(part.field, part.value))
        case Cited():
            return Cited(MASK if part.words else "")
        case FieldCited():
            return FieldCited(part.field, MASK)
        case Likeness():
            return replace(part, name=FieldValue(part.name.field, masked(part.name.field, part.name.value)))
        case Address():
            return masked_address(part)
        case _:
            return part


def masked_plan(plan: Plan) -> Plan:
    """Return `plan` with every personal value masked, and without its entries."""
    return replace(
        plan,
        changes=tuple(masked_change(change) for change in plan.changes),
        bindings=tuple(replace(binding, address=masked_address(binding.address)) for binding in plan.bindings),
        blocked=tuple(map(masked_blocked, plan.blocked)),
        notes=tuple(map(_note, plan.notes)),
        entries=(),
    )


def masked_change(change: Change) -> Change:
    """Return `change` with every personal value masked."""
    return replace(
        change, address=masked_address(change.address), fields=tuple(_field_change(one) for one in change.fields)
    )


def masked_outcome(outcome: Outcome) -> Outcome:
    """Return `outcome` with every personal value masked."""
    return replace(outcome, change=masked_change(outcome.change), ending=masked_ending(outcome.ending))


def masked_ending(ending: Ending | None) -> Ending | None:
    """Return an ending with its parts masked, each by its type."""
    if ending is None:
        return None
    return replace(ending, parts=masked_parts(ending.parts), cause=masked_ending(ending.cause))


def masked_blocked(one: Blocked) -> Blocked:
    """Return `one` with its address and its parts masked."""
    return replace(one, address=masked_address(one.address), parts=masked_parts(one.parts))


def masked_problem(problem: Problem) -> Problem:
    """
    Return `problem` with users' emails masked in its path, and what it quotes where its field is personal.

    >>> from reconciler.errors import Source
    >>> print(masked_problem(Problem(Source("c.yaml", 7), "customers.acme.ein", "'1' is not an EIN")))
    c.yaml:7: customers.acme.ein: '***' is not an EIN
    """
    user = _USER_IN_PATH.search(problem.path)
    name = problem.path.rpartition(".")[2]
    personal = user is not None or _PERSONAL.get(name, Personal.NO) is not Personal.NO
    return replace(
        problem,
        path=_USER_IN_PATH.sub(MASK, problem.path),
        message=_QUOTED.sub(f"'{MASK}'", problem.message) if personal else problem.message,
        hint=_QUOTED.sub(f"'{MASK}'", problem.hint) if personal else problem.hint,
    )


def masked_cell(problem: Problem) -> Problem:
    """
    Return a problem of a sheet with all that it quotes masked: its path is a column, and any column may be personal.

    >>> from reconciler.errors import Source
    >>> print(masked_cell(Problem(Source("c.csv", 7, 2), "Email", "'call first' holds no email address")))
    c.csv:7:2: Email: '***' holds no email address
    """
    message, hint = (_QUOTED.sub(f"'{MASK}'", text) for text in (problem.message, problem.hint))
    return replace(problem, message=message, hint=hint)


def _field_change(one: FieldChange) -> FieldChange:
    """Return one field of a change, masked; empty and null stay."""
    after = one.after if one.after is None else masked(one.name, one.after)
    return replace(one, before=masked(one.name, one.before), after=after)


def _note(note: Note) -> Note:
    """Return `note` with its address and its parts masked."""
    address = None if note.address is None else masked_address(note.address)
    return replace(note, address=address, parts=masked_parts(note.parts))
