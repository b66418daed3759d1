"""Bugs that a planner may have, planted in copies of ours one at a time: the properties find each of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from api_ways import Rewrite, Ways
from planted import Planted, planted
from prices import PRICES
from rulebook import RULES, complaints, left
from story import AddUser, Apply, Archived, Created, Declared, Edited, SomeoneEdits, Step, Switched, TimePasses, story
from world import Stages

from reconciler.errors import PlanFaulty, Source
from reconciler.model.core import Desired, DesiredCustomer, DesiredUser, Reading, SourceFile

BUGS = (
    Planted(
        "it archives what was not seen to be active",
        "plan.prune",
        "if not isinstance(there, Active):",
        "if not isinstance(there, Active) and not pruning.scope.gone(binding):",
    ),
    Planted(
        "it archives what is protected",
        "plan.prune",
        "if binding.protected or pruning.protected(binding.external_id, binding.live_external_id):",
        "if pruning.protected(binding.external_id, binding.live_external_id):",
    ),
    Planted(
        "it archives what is to be forgotten",
        "plan.prune",
        "if binding.external_id in pruning.forget and binding.project == pruning.scope.project:",
        "if False:",
    ),
    Planted(
        "it archives another project's customers",
        "plan.scope",
        "if binding.project != self.project:",
        "if False:",
    ),
    Planted(
        "it archives where the file of the entry was not read",
        "plan.scope",
        "return None if self.read(binding.source) else NotGone.NOT_READ",
        "return None",
    ),
    Planted(
        "it compares values as they are written",
        "plan.diff",
        "cause = compare(field, value, recorded, now, equal.get(name)).cause if name in differing else None",
        'cause = None if (value or "") == now else Cause.UNKNOWN',
    ),
    Planted(
        "it patches the e-mail address",
        "plan.diff",
        "if not field.patchable:",
        'if field.name == "external_id":',
    ),
    Planted(
        "it leaves alone what is declared null",
        "plan.customer",
        "return dict(customer.fields)",
        "return {name: value for name, value in customer.fields.items() if value is not None}",
    ),
    Planted(
        "it sends again and again what the server does not take",
        "plan.diff",
        "if trouble is None:",
        "if trouble is None or trouble.refused is not None:",
    ),
    Planted(
        "it takes Acme for acme",
        "plan.identity",
        "candidates = {one.id: one for one in register.holders.get(customer.external_id, ())}",
        "candidates = {one.id: one for key in register.holders if key.lower() == customer.external_id.lower() "
        "for one in register.holders[key]}",
    ),
    Planted(
        "it adopts the first of two customers with one external_id",
        "plan.identity",
        "if len(candidates) > 1:",
        "if len(candidates) > 1 and not (candidates := dict([*candidates.items()][:1])):",
    ),
    Planted(
        "it creates anew what it should restore",
        "plan.identity",
        "return _unrivalled(customer, Known(bound, there, via, row, register.bindings.get(customer.external_id)), "
        "register)",
        "return Known(bound, there, via, row, None if moved else row) if isinstance(there, Active) else Nobody()",
    ),
    Planted(
        "it creates beside a customer with nearly its key",
        "plan.lookalikes",
        "strong = sign in (SYNCED, NEAR) or sharing.is_unique(one)",
        "strong = sign not in (SYNCED, NEAR) and sharing.is_unique(one)",
    ),
    Planted(
        "it creates beside a customer with its email",
        "plan.collisions",
        "return one.found.key is None or not {key, one.found.key}.intersection(recreate)",
        "return NEAR in one.signs",
    ),
    Planted(
        "it does not limit the restores of what others archived",
        "plan.limits",
        'yield "max_restores", terms.max_restores, restores, base',
        "pass",
    ),
    Planted(
        "it creates a user that somebody else has made",
        "plan.users",
        "lacking = any(canonical_email(user.email) not in seen for user in customer.users)",
        "lacking = False",
    ),
)

HOME, WEST = "customers.yaml", "more/west.yaml"


def _entry(key: str, file: str = HOME, **told: object) -> DesiredCustomer:
    """Return an entry; what is not a key of an entry is a field."""
    users = told.pop("users", ())
    besides = {name: told.pop(name) for name in ("archived", "protect") if name in told}
    source = Source(file, 2, 3)
    made = tuple(DesiredUser(email, {}, source) for email in users)  # type: ignore[attr-defined]
    return DesiredCustomer(key, {"name": "A", **told}, source, users=made, **besides)  # type: ignore[arg-type]


def _declared(*entries: DesiredCustomer, files: Iterable[str] = (HOME, WEST), forget: Iterable[str] = ()) -> Declared:
    """Return that these entries stand in the files, and no others."""
    reading = Reading(tuple(SourceFile(name, "0" * 64) for name in files))
    forgotten = {key: Source(HOME, 60, 3) for key in forget}
    return Declared(Desired({one.external_id: one for one in entries}, forget=forgotten, reading=reading))


def _live(key: str, **fields: str) -> Created:
    return Created(key, {"name": "A", **fields})


@dataclass(frozen=True, slots=True)
class Tale:
    """A short history on a server of these ways, told to an empty account."""

    words: str
    steps: tuple[Step | Switched, ...]
    ways: Ways = field(default_factory=Ways)

    def __str__(self) -> str:
        """Return what it is about."""
        return self.words


LATER = TimePasses(60.0)
ACME, GLOBEX = _entry("acme"), _entry("globex")

TALES = (
    Tale(
        "an entry goes whose customer somebody archived",
        (_declared(ACME), Apply(), LATER, SomeoneEdits((Archived(0),)), _declared(), Apply()),
        Ways(gets_archived=True),
    ),
    Tale("a protected entry goes", (_declared(_entry("acme", protect=True)), Apply(), LATER, _declared(), Apply())),
    Tale("an entry is forgotten", (_declared(ACME), Apply(), LATER, _declared(forget=["acme"]), Apply())),
    Tale(
        "another project runs",
        (Switched("other"), _declared(_entry("globex", WEST), files=[WEST]), Apply(), LATER, Switched("default"),
         _declared(ACME, files=[HOME]), Apply(), LATER, _declared(ACME, files=[HOME, WEST]), Apply()),
    ),
    Tale(
        "a file is not read",
        (_declared(ACME, _entry("globex", WEST)), Apply(), LATER, _declared(ACME, files=[HOME]), Apply()),
    ),
    Tale(
        "values are live in another writing",
        (SomeoneEdits((_live("acme", ein="123456789", city=" Bonn "),)), LATER,
         _declared(_entry("acme", ein="12-3456789", city="Bonn")), Apply()),
    ),
    Tale(
        "the server writes values its own way",
        (_declared(_entry("acme", country="USA", ein="12-3456789")), Apply(), LATER, Apply()),
        Ways(rewrites=frozenset(Rewrite)),
    ),
    Tale(
        "an e-mail address differs",
        (SomeoneEdits((_live("acme", email="a@x.example"),)), LATER,
         _declared(_entry("acme", email="b@x.example")), Apply()),
    ),
    Tale(
        "a field is wanted empty",
        (SomeoneEdits((_live("acme", city="Bonn"),)), LATER, _declared(_entry("acme", city=None)), Apply()),
    ),
    Tale(
        "the server does not take a city",
        (_declared(_entry("acme", city="Bonn")), Apply(), LATER, _declared(_entry("acme", city="Ulm")), Apply()),
        Ways(ignores=frozenset({"city"})),
    ),
    Tale("a customer is called Acme", (SomeoneEdits((_live("Acme"),)), LATER, _declared(ACME), Apply())),
    Tale(
        "a customer with another external_id has the email",
        (SomeoneEdits((_live("psa-7", email="a@x.example"),)), LATER,
         _declared(_entry("acme", email="a@x.example")), Apply()),
    ),
    Tale(
        "two customers are called acme",
        (SomeoneEdits((_live("acme"), _live("acme"))), LATER, _declared(ACME), Apply()),
    ),
    Tale(
        "an entry is archived, and wanted again",
        (_declared(ACME), Apply(), LATER, _declared(_entry("acme", archived=True)), Apply(), LATER,
         _declared(ACME), Apply()),
    ),
    Tale(
        "somebody archives two customers that are wanted",
        (_declared(ACME, GLOBEX), Apply(), LATER, SomeoneEdits((Archived(0), Archived(1))), Apply()),
        Ways(gets_archived=True),
    ),
    Tale(
        "somebody adds a user that is declared later",
        (_declared(ACME), Apply(), LATER, SomeoneEdits((AddUser(0, "jane@x.example"),)),
         _declared(_entry("acme", users=["Jane@x.example"])), Apply()),
    ),
    Tale(
        "somebody edits what is declared",
        (_declared(_entry("acme", city="Bonn")), Apply(), LATER, SomeoneEdits((Edited(0, {"city": "Ulm"}),)), Apply()),
    ),
)  # fmt: skip


def _judged(tale: Tale, stages: Stages) -> list[str]:
    """Return what the properties complain of after a tale; a plan that its own trial in memory refuses is one."""
    with story(tale.ways, stages=stages) as one:
        try:
            one.tell(tale.steps)
            _, second, third = (one.settled_run() for _ in range(3))
        except PlanFaulty as refusal:
            return [f"the trial of the plan: {refusal}"]
        again = [f"planned again: {change.action} {change.address}" for change in left(second, third)]
        return complaints(one.runs, *RULES, *PRICES) + one.world.api.complaints + again


@pytest.mark.parametrize("tale", TALES, ids=str)
def test_the_planner_without_a_bug_passes(tale: Tale) -> None:
    with planted(None) as stages:
        assert _judged(tale, stages) == []


@pytest.mark.parametrize("number", range(len(BUGS)), ids=lambda number: str(BUGS[number]))
def test_a_planted_bug_is_found(number: int) -> None:
    # Tales are in the order of the bugs, more or less: the one that finds it is told first, or soon.
    with planted(BUGS[number]) as stages:
        assert any(_judged(tale, stages) for tale in (*TALES[number:], *TALES[:number]))


def test_a_plant_whose_line_has_gone_is_an_error() -> None:
    rotted = Planted("it does nothing", "plan.diff", "if the line is not there:", "pass")
    with pytest.raises(LookupError, match=r"stands 0 times in plan\.diff"), planted(rotted):
        pass
