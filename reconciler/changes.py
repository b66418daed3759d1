"""The parts of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.errors import Source
from reconciler.model import Action, Address, Cause, CustomerId, LiveCustomer, Read, Reason, Status


@dataclass(frozen=True, slots=True)
class Candidate:
    """
    One of several customers that share an external_id.

    `key` is what the ledger binds it to, None where it is bound to nothing; `users` and `payment_methods`
    count what it has, None where that was not read yet.
    """

    customer: LiveCustomer
    key: str | None
    users: int | None
    payment_methods: int | None


@dataclass(frozen=True, slots=True)
class Group:
    """Customers that share an external_id, the one to keep first, and why that one."""

    external_id: str
    candidates: tuple[Candidate, ...]
    why: str

    @property
    def kept(self) -> Candidate:
        """Return the one to keep."""
        return self.candidates[0]


@dataclass(frozen=True, slots=True)
class Twins:
    """Customers that agree in `fields`, (field, value as the first one has it), and do not share an external_id."""

    fields: tuple[tuple[str, str], ...]
    customers: tuple[LiveCustomer, ...]


@dataclass(frozen=True, slots=True)
class Doubles:
    """What is there twice; `reads` is what must be read before it can be said which one to keep."""

    groups: tuple[Group, ...] = ()
    twins: tuple[Twins, ...] = ()
    reads: tuple[Read, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """
    One field of a change. `before` and `after` are as written, "" or None for empty.

    `after` None is a field declared `null`: wanted empty. For creates `before` is "" and `cause` config.
    """

    name: str
    before: str
    after: str | None
    cause: Cause = Cause.CONFIG


@dataclass(frozen=True, slots=True)
class Change:
    """
    One request to be sent.

    ===========  =============  ==========================================  ====================
    action       id             fields                                      besides
    ===========  =============  ==========================================  ====================
    restore      the customer   none; with `otherwise`: those of a create   otherwise, or None
    patch        the customer   what differs
    create       None           what is declared and not empty
    create_user  the customer,  what is declared and not empty, and email   unless_listed
                 or None where
                 this plan
                 creates it
    archive      the customer   none                                        payment_methods
    ===========  =============  ==========================================  ====================

    - `otherwise` is `create` where a get answered 404 to a customer that the ledger held active: it is
      hidden or gone, and only the restore's own answer tells.
    - `unless_listed`: the customer's users are listed after its restore, and one found is not created.
    - `payment_methods`: how many the customer has, where they were counted.
    """

    action: Action
    address: Address
    id: CustomerId | None
    reason: Reason
    fields: tuple[FieldChange, ...] = ()
    source: Source | None = None
    otherwise: Action | None = None
    unless_listed: bool = False
    payment_methods: int | None = None


class BindingAction(StrEnum):
    """Changes to the ledger alone: they are shown, written by any apply, and are no changes for the exit code."""

    ADOPT = "adopt"
    MOVE = "move"
    FORGET = "forget"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class BindingChange:
    """A binding that begins, changes its key, or ends. `origin` is the former key of a move."""

    action: BindingAction
    address: Address
    id: CustomerId
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Rename:
    """That the key `origin` may be called `to` now: what a `moved` line would say."""

    origin: str
    to: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """
    What is wanted and cannot be done, why, and the way out that, followed, leaves nothing blocked.

    `values` lists the values that the texts quote, (field, value): `--redact` masks those. `moved` is there where the
    create of one key and the end of another may be one customer.
    """

    address: Address
    reason: str
    hint: str
    field: str | None = None
    source: Source | None = None
    ids: tuple[CustomerId, ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    moved: Rename | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """
    What a reader of the plan should know and need not act on; `address` is None for the whole plan.

    `values` lists the values that the text quotes, (field, value): `--redact` masks those.
    """

    text: str
    address: Address | None = None
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Unverified:
    """
    A customer that is read as it was before our last write: the read may lag, or someone brought that state back.

    By the server's clock it was written `ago_s` seconds before it was read; in `left_s` seconds reads can be trusted.
    """

    address: Address
    id: CustomerId
    ago_s: float
    left_s: float


@dataclass(frozen=True, slots=True)
class Exceeded:
    """
    A limit that the plan exceeds, and the flag that allows it once: "" where only waiting, or another rule, does.

    `source` is where the limit is written, None where nobody wrote it. A window that is closed is a limit too:
    `action` is then what it holds back, `rule` when that is allowed, in words, and `opens_at` when it opens
    (RFC 3339 UTC), "" for never.
    """

    name: str
    planned: int
    allowed: int
    flag: str
    source: Source | None = None
    action: Action | None = None
    rule: str = ""
    opens_at: str = ""


@dataclass(frozen=True, slots=True)
class Fit:
    """In how many runs of so many requests and seconds a plan fits; 0: in none, as planning alone takes more."""

    windows: int
    max_requests: int | None = None
    max_duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """
    The price: one request a change, and `overhead`: what planning has sent and what apply adds.

    Overhead counts the token, the listing and the other reads of the plan, and the two requests that
    learn the server's ways where an apply of this plan will send them. `fit` is there where it was asked for.
    """

    requests: int
    overhead: int
    rate_per_s: float
    fit: Fit | None = None

    @property
    def seconds(self) -> float:
        """Return how long the changes take at the rate; 0 without a limit."""
        return self.requests / self.rate_per_s if self.rate_per_s else 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of a change. `message` is for a person, empty where there is nothing to say.

    `id` is the customer's, known after a create too. *In doubt* is not *failed*: only reading tells.
    """

    change: Change
    status: Status
    message: str = ""
    id: CustomerId | None = None
