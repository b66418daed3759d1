"""
Everything at once: edits of the YAML and of the live side, faults, deaths at any step, a second run, a lost ledger.

Hypothesis chooses what happens next. Whatever does: given the ledger, nobody is doubled by our doing; without it, no
create makes two active customers of one key, also where others archive, create and edit between two pages of a list;
nobody is archived who is declared active, or restored who is not, or either where an integration decides that; and
once the faults end, one run leaves nothing in doubt and the next one plans nothing. A run may be taken over in its
middle and wake up again: at every step of one in `tests/test_taken_over.py`. That two runs are held apart by the lock
is in `tests/cli/test_cli_racing_runs.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from api_ways import Fault, Order, Unique, Ways, healthy, scripted
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from plan_values import customer, declared
from story import AddUser, Archived, Created, Edited, LiveEdit, Restored
from strategies import fault_scripts
from test_crash import MEMORY, Dead, Death, Killed, patient
from two_runners import Begun, TakenOverAt
from world import REF, Applied, Stages

from reconciler.crash_points import no_hook
from reconciler.errors import Incomplete, Source, TakenOver
from reconciler.model.core import Desired, DesiredUser, Status
from reconciler.model.policy import Lifecycle, Share, SyncedRules, Terms

KEYS = ("Acme", "globex ", "00123")
ALL = Share(100, percent=True)
TERMS = Terms(REF, rate_per_s=0.0, max_archives=ALL, max_restores=ALL)
OBSERVES = SyncedRules(Lifecycle.OBSERVE)
SETTLED_S = 60.0
MOMENTS = st.sampled_from([0.0, 3.5, SETTLED_S])
SOURCE = Source("customers.yaml", 2, 3)

SERVERS = (
    Ways(gets_archived=True),
    Ways(lists_archived=True, gets_archived=True, patches_archived=True),
    Ways(unique=Unique.ACTIVE, repeated_archive=404, repeated_restore=400),
    Ways(gets_archived=True, created_digits=0, start_inclusive=False, end_inclusive=False),
    Ways(gets_archived=True, lag_s=3.0),
    Ways(gets_archived=True, page_max=2, cursor_counts=True),
    Ways(lists_archived=True, gets_archived=True, patches_archived=True, page_max=2, cursor_counts=True),
    Ways(page_max=2, cursor_counts=True, order=Order.OLDEST),
    Ways(gets_archived=True, page_max=2, cursor_counts=True, order=Order.UPDATED),
    Ways(page_max=3, order=Order.UPDATED, page_uneven=True),
)


def states() -> st.SearchStrategy[Desired]:
    """Return a few declared customers, some with a user, some wanted archived."""
    row = st.tuples(st.sampled_from(KEYS), st.sampled_from(["A", "B"]), st.booleans(), st.booleans())
    return st.lists(row, max_size=3, unique_by=lambda one: one[0]).map(
        lambda rows: declared(*(_customer(*one) for one in rows))
    )


def _customer(key: str, city: str, archived: bool, with_user: bool):  # noqa: ANN202 - a DesiredCustomer
    users = (DesiredUser(f"jane@{key.strip()}.example", {"first_name": "Jane"}, SOURCE),) if with_user else ()
    return customer(key, *users, fields={"name": key, "city": city}, archived=archived)


ALL_OF_THEM = declared(*(_customer(key, "A", archived=False, with_user=False) for key in KEYS))


def edits() -> st.SearchStrategy[LiveEdit]:
    """Return what somebody else does; nobody makes a second customer with a key of ours."""
    which = st.integers(0, 5)
    city = st.sampled_from(["A", "B", "C"])
    return st.one_of(
        st.builds(Archived, which),
        st.builds(Restored, which),
        st.builds(lambda number, text: Edited(number, {"city": text}), which, city),
        st.builds(AddUser, which, st.sampled_from([f"jane@{key.strip()}.example" for key in KEYS])),
        st.builds(Created, st.sampled_from(["", "other"])),
    )


def _folded(external_id: str) -> str:
    """Return what a server or a spreadsheet may make of an external_id."""
    return external_id.strip().lower().lstrip("0")


def edits_between_pages() -> st.SearchStrategy[LiveEdit]:
    """Return what somebody else does while a list is read; who brings a key back then, doubles it."""
    which = st.integers(0, 9)
    return st.one_of(
        st.builds(Archived, which),
        st.builds(lambda number, text: Edited(number, {"city": text}), which, st.sampled_from(["A", "B", "C"])),
        st.builds(Created, st.sampled_from(["", "other"])),
    )


class Account(RuleBasedStateMachine):
    """One account, one ledger, and all that may happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory(dir=MEMORY)
        self.ours: defaultdict[str, set[str]] = defaultdict(set)
        self.wrong: list[str] = []
        self.between: list[LiveEdit] = []

    @initialize(
        server=st.sampled_from(SERVERS),
        desired=states(),
        strangers=st.integers(0, 4),
        synced=st.sampled_from(
            (SyncedRules(), SyncedRules(Lifecycle.OBSERVE), SyncedRules(fields=frozenset({"city"})))
        ),
    )
    def begin(self, server: Ways, desired: Desired, strangers: int, synced: SyncedRules) -> None:
        """Begin with an account that nobody has, or a few strangers do."""
        self.terms = replace(TERMS, synced=synced)
        self.world = Begun(Path(self.folder.name), server, stages=Stages(make=patient))
        self.world.answers = self._watched
        for number in range(strangers):
            Created(f"stranger-{number}").do(self.world.api.account)
        self.desired = desired

    def teardown(self) -> None:
        """Remove the ledger."""
        self.folder.cleanup()

    @rule(desired=states())
    def declare(self, desired: Desired) -> None:
        """Edit the YAML."""
        self.desired = desired

    @rule(edit=edits(), before_s=MOMENTS, after_s=MOMENTS)
    def somebody_edits(self, edit: LiveEdit, before_s: float, after_s: float) -> None:
        """Let somebody else work on the account at any moment, right after a write of ours and before a run too."""
        self.world.wait(before_s)
        edit.do(self.world.api.account)
        self.world.wait(after_s)

    @rule(key=st.sampled_from(KEYS), with_key=st.booleans())
    def an_integration_creates(self, key: str, with_key: bool) -> None:
        """Let an integration create a customer, with a key where nobody has that; what it does then, others do too."""
        account = self.world.api.account
        free = key not in {one.external_id for one in account.customers()}
        fields = {"name": f"Synced {key}", "city": "A"}
        self.world.wait(SETTLED_S)
        Created(key if with_key and free else "", fields, integration_id=f"psa-{len(account.customers())}").do(account)
        self.world.wait(SETTLED_S)

    @rule(edits=st.lists(edits_between_pages(), min_size=1, max_size=8))
    def apply_while_others_work_between_two_pages(self, edits: Sequence[LiveEdit]) -> None:
        """Run while the list shifts under its reader."""
        self._apply_between(edits)

    @rule(archives=st.lists(st.integers(0, 9).map(Archived), min_size=2, max_size=8))
    def lose_the_ledger_while_others_archive_between_two_pages(self, archives: Sequence[LiveEdit]) -> None:
        """Let all be there that may be declared, and a run without its ledger read a list that shifts."""
        self.desired = ALL_OF_THEM
        self.world.wait(SETTLED_S)
        self._apply()
        self.lose_the_ledger()
        self._apply_between(archives)

    def _apply_between(self, edits: Sequence[LiveEdit]) -> None:
        """Apply while others do `edits`, one before each page but the first of a list."""
        self.between = list(edits)
        self._apply()
        self.between = []
        self.world.wait(SETTLED_S)

    @rule()
    def plan_and_keep_what_it_lacked(self) -> None:
        """Plan as `plan` does: the ledger remembers what the listing lacked."""
        self.world.wait(SETTLED_S)
        with suppress(Incomplete):
            self.world.plan(self.desired, self.terms, keep=True)

    @rule(faults=fault_scripts())
    def apply_under_faults(self, faults: Sequence[Fault]) -> None:
        """Run while writes are lost."""
        self.world.api.fault = scripted(faults)
        self._apply()
        self.world.api.fault = healthy
        self.world.wait(SETTLED_S)

    @rule(step=st.integers(1, 60), wait_s=st.sampled_from([0.0, SETTLED_S]))
    def die(self, step: int, wait_s: float) -> None:
        """Kill a run at one of its steps."""
        self.world.step = Death(step)
        with suppress(Dead, Killed):
            self._apply()
        self.world.step = no_hook
        self.world.wait(wait_s)

    @rule(step=st.integers(1, 16), second=st.none() | states())
    def be_taken_over(self, step: int, second: Desired | None) -> None:
        """Let another run, perhaps of another edit, begin in the middle of one, which wakes up when that has ended."""
        first = self.desired

        def other() -> None:
            self.desired = first if second is None else second
            self._apply()

        self.world.step = TakenOverAt(self.world, other, step)
        with suppress(TakenOver):
            self._apply(first)
        self.world.step = no_hook
        self.world.wait(SETTLED_S)

    @rule()
    def lose_the_ledger(self) -> None:
        """Go on without the ledger: what was ours cannot be known any more."""
        self.world.wait(SETTLED_S)
        self.world.lose_ledger()
        self.ours.clear()

    @rule()
    def lose_the_ledger_and_the_form_of_the_keys(self) -> None:
        """Let the server keep external_ids in another form from now on, as a migration may, and lose the ledger."""
        self.world.wait(SETTLED_S)
        for one in self.world.api.account.customers():
            self.world.api.account.edit(one.id, external_id=_folded(one.external_id))
        self.world.wait(SETTLED_S)
        self.world.lose_ledger()
        self.ours.clear()

    @rule()
    def run_without_faults(self) -> None:
        """Run until nothing is left: one run leaves nothing in doubt, the second nothing to plan."""
        self.world.wait(SETTLED_S)
        first = self._apply()
        self.world.wait(SETTLED_S)
        second = self._apply()
        self.world.wait(SETTLED_S)
        third = self.world.plan(self.desired, self.terms)
        with self.world.ledger() as ledger:
            assert ledger.records().intents == ()
        assert first is not None
        assert second is not None
        assert [one for one in first.outcomes if one.status is Status.IN_DOUBT] == []
        assert third.changes == ()

    @invariant()
    def nothing_is_done_that_no_rule_allows(self) -> None:
        """Hold what was seen on the wire against the rules."""
        assert self.wrong == []

    def _apply(self, desired: Desired | None = None) -> Applied | None:
        """Apply what is declared, and return None where the account could not be read yet."""
        try:
            return self.world.apply(self.desired if desired is None else desired, self.terms)
        except Incomplete:
            return None

    def _watched(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, and note what it did to the account that it should not have done."""
        account = self.world.api.account
        if self.between and request.url.path == "/customers" and "after" in request.url.params:
            self.between.pop(0).do(account)
        before = {one.id: one for one in account.customers()}
        active_before = account.active()
        try:
            return self.world.api.handler(request)
        finally:
            for one in account.customers():
                was = before.get(one.id)
                wanted = self.desired.customers.get(one.external_id)
                active = wanted is not None and not wanted.archived
                if was is None:
                    if self.ours[one.external_id] & before.keys():
                        self.wrong.append(f"{one.external_id} was created twice")
                    if _folded(one.external_id) in {_folded(other.external_id) for other in active_before}:
                        self.wrong.append(f"{one.external_id} was created beside a customer that may be it")
                    self.ours[one.external_id].add(one.id)
                elif one.archived is not was.archived and was.integration_id and self.terms.synced == OBSERVES:
                    self.wrong.append(f"{one.external_id} was archived or restored, and the integration decides that")
                elif one.archived and not was.archived and active:
                    self.wrong.append(f"{one.external_id} was archived")
                elif was.archived and not one.archived and not active:
                    self.wrong.append(f"{one.external_id} was restored")
                emails = [user.email for user in one.users]
                if was is not None and was.users != one.users and len(set(emails)) < len(emails):
                    self.wrong.append(f"a user of {one.external_id} was doubled")


class TestAccount(Account.TestCase):  # type: ignore[misc]
    """The machine, as a test."""

    settings = settings(
        max_examples=120, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck)
    )
