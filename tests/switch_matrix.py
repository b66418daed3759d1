"""Switches of the emulator in combination: a covering array over the open questions, histories, and their rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from allpairspy import AllPairs
from plan_values import customer, declared
from rulebook import RULES, complaints, left
from story import TERMS, Ran, Story
from world import SwitchedWorld

from reconciler.emulator.fault_settings import switched
from reconciler.errors import Source
from reconciler.model.core import Desired, DesiredUser, Status
from reconciler.model.plan import Change
from reconciler.model.policy import Share
from reconciler.report.messages.failures import outcome_text
from reconciler.report.messages.plan import blocked_wording
from reconciler.rules import Behaviour, Clears, ExternalIds, Paging, Synced, Unique, UserUnique
from reconciler.rules.questions import QUESTIONS

_SHM = Path("/dev/shm")  # noqa: S108 - memory, where there is such: a commit then costs nothing
_HERE = {"page_max=50": "page_max=4", "invoiced=acme": "invoiced=invoiced"}
"""An account of a dozen customers has several pages too, and one of them open invoices."""

Row = Mapping[str, str]
"""The way of each question, by its key."""


def rows() -> Iterator[Row]:
    """Yield rows in which any two questions meet in each combination of their ways."""
    for ways in AllPairs([list(question.ways) for question in QUESTIONS]):
        yield {question.key: way for question, way in zip(QUESTIONS, ways, strict=True)}


def behaviour_of(row: Row) -> Behaviour:
    """Return the behaviour with the ways of a row; of questions that it lacks the first."""
    settings = [question.ways[row[question.key]] for question in QUESTIONS if question.key in row]
    here = (_HERE.get(one, one) for setting in settings for one in setting.split())
    return switched(Behaviour(), dict(one.split("=", 1) for text in here for one in text.split()))


SOURCE = Source("customers.yaml", 4, 5)
FULL: Mapping[str, str | None] = {
    "name": " Acme ",
    "email": "Billing@x.example",
    "ein": "12-3456789",
    "street_address": "1 Main St",
    "city": "Boston",
    "state": "ny",
    "country": "USA",
}


def _entry(key: str, *users: str, archived: bool = False, **fields: str | None):  # noqa: ANN202
    """Return an entry; its users are named by the first part of their e-mails."""
    values = {"name": key, "email": f"{key}@x.example", **fields}
    people = (DesiredUser(f"{name}@{key}.example", {"first_name": name}, SOURCE) for name in users)
    return customer(key, *people, fields=values, archived=archived)


SHARED = DesiredUser("jane@found.example", {"first_name": "Jane"}, SOURCE)
"""A user of two customers."""
FIRST = declared(
    customer("acme", SHARED, fields=FULL),
    _entry("Found", "Jane", city="Boston"),
    _entry("New One"),
    _entry("old"),
    _entry("synced", city="Boston"),
    _entry("patched", city="Boston"),
    _entry("cleared", city="Boston", state="NY"),
    *(_entry(key) for key in ("archived", "invoiced")),
    *(_entry(key, "Jane") for key in ("gone", "back", "returned")),
)
_KEPT = {
    key: one for key, one in FIRST.customers.items() if key in ("acme", "Found", "New One", "old", "synced", "returned")
}
SECOND = declared(
    *_KEPT.values(),
    _entry("patched", "Jane", "Joe", city="Paris"),
    _entry("cleared", city=None, state=None, country="US"),
    *(_entry(key, archived=True) for key in ("archived", "invoiced")),
    _entry("back", "Jane", archived=True),
    _entry("new", "Jane", "Joe"),
)
THIRD = declared(
    *(one for key, one in SECOND.customers.items() if key not in ("back", "archived")),
    _entry("back", "Jane", "Joe", city="Paris"),
    _entry("gone", "Jane"),
)

UNDER = replace(TERMS, max_archives=Share(100, percent=True), max_restores=Share(100, percent=True))
MOST_RUNS = 5
"""So many runs must do for a phase: what a server does not take is learned by trying it once."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One edit of what is declared, and the runs until nothing was left; `left_over` is what the last planned again."""

    name: str
    runs: tuple[Ran, ...]
    left_over: tuple[Change, ...]

    @property
    def last(self) -> Ran:
        """Return the last run."""
        return self.runs[-1]


@dataclass(frozen=True, slots=True)
class Told:
    """The history of one behaviour; `shifting` are runs whose lists moved under their reader, without a ledger."""

    behaviour: Behaviour
    phases: tuple[Phase, ...]
    shifting: tuple[Ran, ...] = ()


Meddle = Callable[[Story, str], None]
"""What else happens before and after the runs of a phase, which it is told by its name."""


SHIFTS = range(3)
"""Ways in which others work while the account is listed and the ledger is lost."""


def nothing_else(_: Story, __: str) -> None:
    """Do nothing."""


def history(
    behaviour: Behaviour,
    kind: type[SwitchedWorld] = SwitchedWorld,
    *,
    before: Meddle = nothing_else,
    after: Meddle = nothing_else,
    shifts: Iterable[int] = SHIFTS,
) -> Told:
    """
    Tell the story: found and created, edited on both sides, brought back, and the ledger lost.

    The client is a little faster than the server allows. At last the ledger is lost in each of the ways of `shifts`.
    """

    def phase(name: str, desired: Desired) -> Phase:
        story.desired = desired
        before(story, name)
        told = _phase(story, name)
        after(story, name)
        return told

    with TemporaryDirectory(dir=_SHM if _SHM.is_dir() else None) as folder:
        world = kind(Path(folder), behaviour, limit_per_s=5.0)
        world.rate_per_s = 6.0
        story = Story(world, UNDER)
        _others_begin(world)
        phases = [phase("first", FIRST)]
        _others_go_on(world)
        phases += [phase("second", SECOND), phase("third", THIRD)]
        world.lose_ledger()
        phases.append(phase("lost", THIRD))
        # Whatever else it is like: lists have several pages now, move while others write, and nothing forbids a double.
        world.api.served.behaviour = replace(
            behaviour, page_max=4, page_holds=0, paging=Paging.OFFSET, unique=Unique.NONE
        )
        shifting = [run for number in shifts for run in _shifted(story, number)]
    return Told(behaviour, tuple(phases), tuple(shifting))


def _shifted(story: Story, number: int) -> Iterator[Ran]:
    """Yield a run without a ledger, between whose pages others archive, create and edit, and the run after it."""
    world = story.world
    assert isinstance(world, SwitchedWorld)
    _others_pass(world, number)
    world.lose_ledger()
    acts = [partial(_other_acts, world, number + place) for place in range(4 + number)]
    world.between(acts)
    story.settle()
    if (ran := story.run()) is not None:
        yield ran
    world.between([])
    yield story.settled_run()


def _others_pass(world: SwitchedWorld, number: int) -> None:
    """Let others have some customers more, the first and the last of any list among them, as far as that goes."""
    world.api.edit(
        *({"external_id": f"passing-{number}-{place}", "name": f"Passing {place}"} for place in range(3)),
        {"external_id": f"older-{number}", "name": "Older", "created_at": f"2020-01-0{number + 1}T00:00:00Z"},
    )


def _other_acts(world: SwitchedWorld, number: int) -> None:
    """Let others archive, create and edit customers that nobody declares, in turn."""
    theirs = [
        one for one in world.api.customers() if one.external_id.startswith(("passing", "older")) and not one.archived
    ]
    if number % 4 == 2:
        world.api.edit({"external_id": "", "name": f"Made meanwhile {number}"})
    elif number % 4 == 3:
        world.api.edit({"id": world.api.find("acme").id, "legal_name": f"Edited {number}"})
    elif theirs:
        world.api.edit({"id": theirs[number % len(theirs)].id, "archived": True})


def _others_begin(world: SwitchedWorld) -> None:
    """Let the account have customers before we come."""
    world.api.edit(
        {"external_id": "Found", "name": "Found", "email": "found@x.example", "city": "Rome", "users": [_JANE]},
        {"external_id": "strange", "name": "Strange"},
        {"external_id": "old", "name": "old", "email": "old@x.example", "archived": True},
        {
            "external_id": "synced",
            "name": "synced",
            "email": "synced@x.example",
            "city": "Rome",
            "customer_integration_id": "crm-1",
        },
    )
    world.api.served.account.payment_methods["gone"] = [{"id": "pm_1", "type": "card"}]


def _others_go_on(world: SwitchedWorld) -> None:
    """Let somebody edit and archive what we manage."""
    patched, returned = (world.api.find(key).id for key in ("patched", "returned"))
    world.api.edit({"id": patched, "city": "Elsewhere"}, {"id": returned, "archived": True})


_JANE = {"email": "jane@found.example", "first_name": "Jane"}


def _phase(story: Story, name: str) -> Phase:
    """Apply what is declared until a run has nothing left to do, a minute after each other."""
    runs: list[Ran] = []
    again: list[Change] = []
    for _ in range(MOST_RUNS):
        runs.append(story.settled_run())
        if len(runs) > 1 and not (again := left(*runs[-2:])):
            break
    return Phase(name, tuple(runs), tuple(again))


_OURS = [rule for rule in RULES if rule.__name__ != "limits_name_what_exceeds_them"]
"""Without the rule of the default limits: the histories' terms have others."""

Stuck = tuple[str, str]
"""An address, and the field that is blocked or the action that fails; "" for a customer that is blocked as a whole."""


def wrong(told: Told) -> Iterator[str]:
    """Yield what is wrong with a history, nothing where all is well."""
    for phase in told.phases:
        broken = complaints(phase.runs, *_OURS)
        if phase.name == "lost" and told.behaviour.external_ids is ExternalIds.LOWERED:
            # Nothing but the ledger knew whose key the server keeps in its own way: the plan asks, and creates.
            broken = [words for words in broken if "'new one' is active 2 times" not in words]
        if told.behaviour.external_ids is ExternalIds.LOWERED:
            # Found by a run after one that died, it is bound under the key; the rule looks for the key itself.
            broken = [words for words in broken if "'New One' is wanted and not there" not in words]
        yield from (f"{phase.name}: {words}" for words in broken)
        known = impossible(told.behaviour, phase.name)
        left_over = [one for one in phase.left_over if (str(one.address), str(one.action)) not in known]
        yield from (f"{phase.name}: {one.action} {one.address} is planned for ever" for one in left_over)
        yield from (f"{phase.name}: {words}" for words in _unexplained(told.behaviour, phase))
    yield from _doubled(told)
    yield from _archived(told)
    yield from _strangers(told)


def stuck(phase: Phase) -> dict[Stuck, str]:
    """Return what the last run of a phase did not reach, with the words that say why."""
    ran = phase.last
    rows = ran.applied.plan.blocked
    blocked = {(str(row.address), row.field or ""): "; ".join(astuple(blocked_wording(row))) for row in rows}
    return blocked | {
        (str(one.change.address), str(one.change.action)): outcome_text(one)
        for one in ran.applied.outcomes
        if one.status is not Status.DONE
    }


def _unexplained(ways: Behaviour, phase: Phase) -> Iterator[str]:
    """Yield what is not reached although this server makes it possible, and what is not reached without a word."""
    found, known = stuck(phase), impossible(ways, phase.name)
    yield from (f"{one} is not reached: {words}" for one, words in found.items() if one not in known)
    yield from (f"{one} is not reached, and nothing says why" for one, words in found.items() if not words.strip(" ;"))
    if phase.last.applied.halt:
        yield f"the run stopped: {phase.last.applied.halt}"
    yield from (f"{row.address}: no way out" for row in phase.last.applied.plan.blocked if not blocked_wording(row).fix)


def impossible(ways: Behaviour, phase: str) -> set[Stuck]:
    """Return what a server makes impossible, from its switches alone."""
    stuck: set[Stuck] = set()
    if "city" in ways.ignores:
        stuck |= {(key, "city") for key in ("Found", "patched", "back", "synced", "cleared")}
    if ways.clears is Clears.NOTHING:
        stuck |= {("cleared", "city"), ("cleared", "state")}
    if ways.synced is not Synced.TAKE:
        stuck |= {("synced", "city" if ways.synced is Synced.IGNORE else "patch")}
    if "all" in (ways.unique, ways.email_unique) and not ways.lists_archived:
        stuck |= {("old", ""), ("old", "create")}
    if ways.user_unique is UserUnique.ACCOUNT:
        stuck |= {("acme/jane@found.example", "create_user")}
    if ways.invoiced:
        stuck |= {("invoiced", "archive")}
    if phase == "lost":
        # What the server rewrites was recorded when it was written; without a record it is a value that it keeps.
        stuck |= {("acme", "state"), ("acme", "country"), ("acme", "street_address")} if ways.rewrites else set()
        if ways.lists_archived and ways.repeated_archive != 200:
            stuck |= {("invoiced", "archive")}
        if ways.external_ids is ExternalIds.LOWERED:
            stuck |= {("New One", ""), ("New One", "create")}
    return stuck


def _doubled(told: Told) -> Iterator[str]:
    """Yield who was created beside an active customer with the same external_id while lists moved."""
    for ran in told.shifting:
        before, after = (
            Counter(one.external_id for one in customers if not one.archived) for customers in (ran.before, ran.after)
        )
        keys = set(ran.desired.customers)
        if told.behaviour.external_ids is ExternalIds.LOWERED:
            keys.discard("New One")  # what the server keeps is another key
        yield from (
            f"shifting: {key!r} is active {after[key]} times"
            for key in sorted(keys)
            if after[key] > max(1, before[key])
        )


def _archived(told: Told) -> Iterator[str]:
    """Yield who is archived and should not be, and who should be and is not, after the second and the third phase."""
    ways = told.behaviour
    # Where archived ones are listed, mostly nothing tells that somebody archived one that is wanted active.
    free = {"returned"} if ways.lists_archived else set()
    refused = {"invoiced"} if ways.invoiced else set()
    wanted = {"archived", "invoiced"} - refused
    for phase, more in zip(told.phases[1:], ({"gone", "back"}, set(), set()), strict=True):
        active = {one.external_id for one in phase.last.after if not one.archived} - free - {"old"}
        archived = {one.external_id for one in phase.last.after if one.archived} - free - {"old"}
        if archived != wanted | more:
            yield f"{phase.name}: archived are {sorted(archived)}, wanted {sorted(wanted | more)}"
        if both := active & (wanted | more):
            yield f"{phase.name}: active are {sorted(both)}"


def _strangers(told: Told) -> Iterator[str]:
    """Yield that a customer of nobody's declaration was touched."""
    before, after = (
        next(one for one in ran.after if one.external_id == "strange")
        for ran in (told.phases[0].runs[0], told.phases[-1].last)
    )
    if before != after:
        yield f"a stranger was {before} and is {after}"
