"""A history of an account, as steps given to a `World`: who declares what, who else works there, when we run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from api_account import Account, Customer, Endpoint, Seen
from api_ways import Fault, Ways, healthy, scripted
from hypothesis import strategies as st
from world import REF, Applied, Stages, World

from reconciler.errors import Incomplete, Refused
from reconciler.model.core import CustomerId, Desired, Status
from reconciler.model.ledger import Records
from reconciler.model.plan import Outcome
from reconciler.model.policy import Prune, Terms


@dataclass(frozen=True, slots=True)
class Created:
    """Somebody makes a customer; not where the server's `unique` forbids it."""

    external_id: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    users: tuple[str, ...] = ()
    age_s: float = 3600.0
    integration_id: str = ""
    payment_methods: int = 0

    def do(self, account: Account) -> None:
        """Do it."""
        if account.taken(self.external_id):
            return
        fields = {"external_id": self.external_id, **self.fields}
        customer_id = account.add(fields, users=self.users, age_s=self.age_s, integration_id=self.integration_id)
        if self.payment_methods:
            methods = [{"id": f"pm_{number}", "type": "card"} for number in range(self.payment_methods)]
            account.payment_methods[customer_id] = methods


@dataclass(frozen=True, slots=True)
class Edited:
    """Somebody changes fields, external_id and email among them; not where `unique` forbids it."""

    which: int
    fields: Mapping[str, str | None]

    def do(self, account: Account) -> None:
        """Do it."""
        customer = _nth(account, self.which)
        if customer and not account.taken(self.fields.get("external_id") or "", besides=customer.id):
            account.edit(customer.id, **self.fields)


@dataclass(frozen=True, slots=True)
class Archived:
    """Somebody archives a customer."""

    which: int

    def do(self, account: Account) -> None:
        """Do it."""
        if customer := _nth(account, self.which):
            account.archive(customer.id)


@dataclass(frozen=True, slots=True)
class Restored:
    """Somebody restores a customer; not where `unique` forbids it."""

    which: int

    def do(self, account: Account) -> None:
        """Do it."""
        customer = _nth(account, self.which)
        if customer and not account.taken(customer.external_id, besides=customer.id):
            account.restore(customer.id)


@dataclass(frozen=True, slots=True)
class Deleted:
    """A customer is gone for good, as after a reset of the account."""

    which: int

    def do(self, account: Account) -> None:
        """Do it."""
        if customer := _nth(account, self.which):
            account.delete(customer.id)


@dataclass(frozen=True, slots=True)
class AddUser:
    """Somebody adds a user."""

    which: int
    email: str
    first_name: str = ""

    def do(self, account: Account) -> None:
        """Do it."""
        customer = _nth(account, self.which)
        if customer and self.email not in [user.email for user in customer.users]:
            account.add_user(customer.id, self.email, self.first_name)


LiveEdit = Created | Edited | Archived | Restored | Deleted | AddUser


@dataclass(frozen=True, slots=True)
class Declared:
    """The YAML now says this."""

    desired: Desired


@dataclass(frozen=True, slots=True)
class Apply:
    """We plan and apply what is declared; `faults` befall its first writes, in their order."""

    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class SomeoneEdits:
    """Somebody else works on the account."""

    edits: tuple[LiveEdit, ...]


@dataclass(frozen=True, slots=True)
class LedgerLost:
    """The ledger is gone."""


@dataclass(frozen=True, slots=True)
class TimePasses:
    """Nothing happens for a while."""

    seconds: float


Step = Declared | Apply | SomeoneEdits | LedgerLost | TimePasses


def _nth(account: Account, which: int) -> Customer | None:
    """Return the customer of that number, round about; None where there is none."""
    customers = account.customers()
    return customers[which % len(customers)] if customers else None


SETTLED_S = 60.0
"""By then every write is to be seen, and no create of a broken run can still come: 10 s, 5 s and 30 s."""

_SHM = Path("/dev/shm")  # noqa: S108 - memory, where there is such: a commit then costs nothing


@dataclass(frozen=True, slots=True)
class Switched:
    """Another project of the same account runs from now on."""

    project: str


@dataclass(frozen=True, slots=True)
class Ran:
    """
    One run: what was declared under which terms, the account and the ledger around it, what it did and sent.

    `listed` is what a list showed when it began, `before` what the account then held.
    """

    desired: Desired
    terms: Terms
    ways: Ways
    records: Records
    before: tuple[Customer, ...]
    listed: tuple[Customer, ...]
    after: tuple[Customer, ...]
    applied: Applied
    seen: tuple[Seen, ...]
    started_at: float
    faulty: bool = False

    def customer(self, customer_id: str | None) -> Customer | None:
        """Return a customer as it was when the run began; None where there was none."""
        return next((one for one in self.before if one.id == customer_id), None)

    def sent(self, *endpoints: Endpoint) -> list[Seen]:
        """Return the requests to `endpoints`, in their order."""
        return [one for one in self.seen if one.endpoint in endpoints]

    def ended(self, *statuses: Status) -> list[Outcome]:
        """Return the outcomes with one of `statuses`."""
        return [one for one in self.applied.outcomes if one.status in statuses]


class Story:
    """A world with what is declared in it; `runs` are those that were applied, `refused` those that were not."""

    def __init__(self, world: World, terms: Terms | None = None, desired: Desired | None = None) -> None:
        self.world = world
        self.terms = terms or TERMS
        self.desired = desired or Desired()
        self.runs: list[Ran] = []
        self.refused: list[Refused | Incomplete] = []

    def tell(self, steps: Iterable[Step | Switched]) -> None:
        """Let `steps` happen; what somebody else does is then to be seen."""
        for step in steps:
            match step:
                case Declared(desired):
                    self.desired = desired
                case Switched(project):
                    self.terms = replace(self.terms, project=project)
                case Apply(faults):
                    self.world.api.fault = scripted(faults)
                    self.run(faulty=bool(faults))
                    self.world.api.fault = healthy
                case SomeoneEdits(edits):
                    for edit in edits:
                        self._edit(edit)
                    self._let_be_seen()
                case LedgerLost():
                    self.world.lose_ledger()
                    self._let_be_seen()
                case TimePasses(seconds):
                    self.world.wait(seconds)

    def _edit(self, edit: LiveEdit) -> None:
        """
        Let somebody else do something.

        What is deleted for good is active: no request deletes, and an archived customer that is gone teaches a
        wrong lesson about where archived ones are seen.
        """
        account = self.world.api.account
        gone = {one.id for one in account.customers() if one.archived}
        if isinstance(edit, Deleted) and (there := account.customers()) and there[edit.which % len(there)].id in gone:
            return
        edit.do(account)

    def _let_be_seen(self) -> None:
        """Let time pass until reads see what stands; without a ledger there is no knowing what they do not show."""
        self.world.wait(self.world.api.ways.lag_s + 0.001)

    def run(self, *, faulty: bool = False) -> Ran | None:
        """
        Apply what is declared and return it, None where nothing was sent.

        That is where the ledger is found to be another account's (then there is a new one from now on), and where
        the account cannot be read yet.
        """
        api = self.world.api
        with self.world.ledger() as ledger:
            records = ledger.records()
        listed = tuple(customer for _, _, customer in api.account.listed())
        before, sent, started_at = tuple(api.account.customers()), len(api.seen), api.now()
        try:
            applied = self.world.apply(self.desired, self.terms)
        except (Refused, Incomplete) as refusal:
            assert [one for one in api.seen[sent:] if one.method != "GET" and one.endpoint is not Endpoint.TOKEN] == []
            self.refused.append(refusal)
            if isinstance(refusal, Refused):
                self.world.lose_ledger()
            self.settle()
            return None
        ran = Ran(
            self.desired,
            self.terms,
            api.ways,
            records,
            before,
            listed,
            tuple(api.account.customers()),
            applied,
            tuple(api.seen[sent:]),
            started_at,
            faulty,
        )
        self.runs.append(ran)
        return ran

    def settled_run(self) -> Ran:
        """Return a run that begins when everything is to be seen; a ledger of another account is given up first."""
        for _ in range(3):
            self.settle()
            if (ran := self.run()) is not None:
                return ran
        raise AssertionError(self.refused)

    def settle(self) -> None:
        """Let time pass until every write is to be seen."""
        self.world.wait(SETTLED_S)


@contextmanager
def story(
    ways: Ways | None = None,
    terms: Terms | None = None,
    desired: Desired | None = None,
    *,
    stages: Stages | None = None,
) -> Iterator[Story]:
    """Yield a story that begins with an empty account and no ledger; `stages` are those of a variant."""
    with TemporaryDirectory(dir=_SHM if _SHM.is_dir() else None) as folder:
        yield Story(World(Path(folder), ways, stages=stages), terms, desired)


TERMS = Terms(REF, rate_per_s=0.0)


def terms() -> st.SearchStrategy[Terms]:
    """Return what plans are made under: mostly the defaults."""
    prunes = st.sampled_from([Prune.MANAGED, Prune.MANAGED, Prune.MANAGED, Prune.NONE, Prune.ALL])
    owns: st.SearchStrategy[tuple[str, ...]] = st.sampled_from([("*",), ("a*",), ()])
    protect: st.SearchStrategy[tuple[str, ...]] = st.sampled_from([(), (), (), ("g*",)])
    return st.builds(
        lambda *drawn: replace(TERMS, prune=drawn[0], owns=drawn[1], protect=drawn[2]), prunes, owns, protect
    )


def switches() -> st.SearchStrategy[Switched]:
    """Return another project, or the first one again."""
    return st.builds(Switched, st.sampled_from(["default", "other"]))


def ids_of(seen: Iterable[Seen]) -> list[CustomerId]:
    """Return the customer's id in the path of each request."""
    return [CustomerId(one.path.split("/")[2]) for one in seen]
