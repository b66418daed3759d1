"""
The nouns of an explanation: why a customer is planned as it is, as one value.

`plan.explain` makes it, and a report shows it.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model import Address, Cause
from reconciler.plans import Plan
from reconciler.records import Intent, Run


@dataclass(frozen=True, slots=True)
class Row:
    """
    One field: its value on each side, as far as the side has it, the row of the table, and what follows.

    `sides` is (side, value) of declared, applied, observed and live; `cause` is that of a patch.
    """

    name: str
    sides: tuple[tuple[str, str | None], ...]
    rule: str
    then: str
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """
    One rule: its name, whether it holds, and why.

    `archives` tells the rules that archive from those that keep a customer from it.
    """

    rule: str
    holds: bool
    why: str
    archives: bool = True


@dataclass(frozen=True, slots=True)
class UserSides:
    """One user: where it is declared, whether the ledger has it, whether the API listed it; None: not asked."""

    email: str
    source: str | None
    recorded: bool
    listed: bool | None


@dataclass(frozen=True, slots=True)
class Archived:
    """Our archive of a customer: the change, and its run; None where the ledger does not have that any more."""

    intent: Intent
    run: Run | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    Why `address` is planned as it is.

    - `declared`, `identity`, `presence`: what is said of it, in sentences, with ids and places.
    - `fields`: the three-way table, a row a field. `archiving`: each rule that could archive it, or keeps it.
    - `shelved`: it is archived, and by us, so that no rule is asked whether it may be: `archived` is when and why, None
      where the history does not have that.
    - `users`: those that any side has. `outcome`: the plan, of which only what is about `address` is left.
    """

    address: Address
    declared: tuple[str, ...]
    identity: tuple[str, ...]
    presence: tuple[str, ...]
    fields: tuple[Row, ...]
    archiving: tuple[Check, ...]
    users: tuple[UserSides, ...]
    outcome: Plan
    shelved: bool = False
    archived: Archived | None = None
