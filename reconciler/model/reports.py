"""
The nouns of reports: drift, an explanation, what `doctor` found, and what a probe answered.

Drift is read off a plan and what the plan was made from, so that it cannot tell another story than the plan. What
is live as it is declared is no drift, whatever the ledger says.

`plan.explain` makes an explanation, and a report shows it.

A finding's `said` and `mend` are for whoever runs the command and may name paths, hosts and people of this machine;
`facts` are closed words, numbers and truth values alone, so that a report made of them can be shown to anybody.

What a probe `found` is a closed word, a number, or names of fields; "" where the probe could not tell, and `why` says
why. It holds nothing of anybody.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from reconciler.errors import Source
from reconciler.many import one_of_many
from reconciler.model.core import Action, Address, Cause, CustomerId, EnvironmentRef
from reconciler.model.ledger import BindingState, Intent, Run
from reconciler.model.plan import Blocked, Plan, Unknown, Unverified
from reconciler.model.reasons import ReasonCode, ReasonParts, check_parts


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that is said: a closed code, and the typed parts that it carries."""

    code: ReasonCode
    parts: ReasonParts = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse parts that the code does not carry."""
        check_parts(self.code, self.parts)


class DriftKind(StrEnum):
    """What happened to a customer, other than by our doing."""

    CHANGED = "changed"
    ARCHIVED = "archived"
    RESTORED = "restored"
    GONE = "gone"
    DUPLICATED = "duplicated"
    UNMANAGED = "unmanaged"


@dataclass(frozen=True, slots=True)
class Moved:
    """
    One field that is not as it was applied.

    `applied` is what the server held after our last write, None where there is no record; `declared` None is wanted
    empty. `cause` says who moved: the live side (drift), both, or nobody knows (unknown).
    """

    name: str
    applied: str | None
    live: str
    declared: str | None
    cause: Cause


class DriftReason(ReasonCode):
    """What happened to a customer that drifted."""

    NOT_AS_APPLIED = "not_as_applied"
    NOT_AS_DECLARED = "not_as_declared"
    ARCHIVED = "archived"
    HIDDEN_OR_GONE = "hidden_or_gone"
    RESTORED = "restored"
    RESTORED_UNDECLARED = "restored_undeclared"
    SYNCED_ARCHIVED = "synced_archived"
    SYNCED_FIELD = "synced_field"
    DUPLICATED = "duplicated", "customers"
    APPEARED = "appeared", "created_at"


@dataclass(frozen=True, slots=True)
class DriftFinding:
    """
    One customer (or user) that drifted, and what happened to it.

    `ids` are those that share an external_id, where it is duplicated. `blocked`: what keeps an apply from bringing back
    what is declared.
    """

    kind: DriftKind
    address: Address
    id: CustomerId | None
    why: tuple[Remark, ...]
    fields: tuple[Moved, ...] = ()
    source: Source | None = None
    ids: tuple[CustomerId, ...] = ()
    blocked: tuple[Blocked, ...] = ()


@dataclass(frozen=True, slots=True)
class Pending:
    """An edit of the files that is not applied yet: no drift."""

    action: Action
    address: Address
    fields: tuple[str, ...] = ()
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """
    One entry of the ignore file: findings that it fits are not counted until the day after `until`.

    `key` is a shell pattern of external_ids, `kinds` and `fields` are empty where all are meant.
    """

    key: str
    until: date
    reason: str
    source: Source
    kinds: frozenset[DriftKind] = frozenset()
    fields: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ignored:
    """A finding, or those of its fields, that a rule hides."""

    finding: DriftFinding
    rule: Rule


@dataclass(frozen=True, slots=True)
class Heard:
    """
    What a drift was asked for by webhooks: how many `bodies` about how many `customers`.

    `unknown` are ids that are no customer of the account. `topics` counts the bodies of other topics.
    """

    bodies: int
    customers: int
    unknown: tuple[CustomerId, ...] = ()
    topics: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drift:
    """
    All that the live side changed, and what is beside it.

    - `findings`: the drift. `pending`: edits that are not applied. `ignored`: what rules hide; `expired`: rules
      whose day has passed, and that hide nothing any more.
    - `blocked`: what the plan could not do for another reason than drift.
    - `unknown`: what cannot be known, there being no ledger. `unobservable`: what no request shows on this server.
    - `unverified`: customers that were written so lately that whether they drifted cannot be said yet.
    - `managed` of `live` customers are bound: the coverage. With `heard`, of those alone that webhooks named.
    """

    environment: EnvironmentRef
    project: str
    findings: tuple[DriftFinding, ...] = ()
    pending: tuple[Pending, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    expired: tuple[Rule, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    unobservable: tuple[Unknown, ...] = ()
    unverified: tuple[Unverified, ...] = ()
    managed: int = 0
    live: int = 0
    requests: int = 0
    heard: Heard | None = None

    def count(self, kind: DriftKind) -> int:
        """Return how many findings are of one kind."""
        return sum(one.kind is kind for one in self.findings)


class RemarkCode(ReasonCode):
    """One thing that an explanation says of a customer: what was read, or what follows from it."""

    # Is it declared?
    DECLARED_AT = "declared_at", "source"
    NOT_DECLARED = "not_declared"
    RENAMED = "renamed", "source", "to"
    FORGOTTEN = "forgotten", "source"
    ARCHIVED_SET = "archived_set"
    ARCHIVED_NOT_SET = "archived_not_set"
    PROTECT_SET = "protect_set"
    PROTECT_LIFTED = "protect_lifted"
    IGNORES = "ignores", "fields"
    WAS_IN_READ = "was_in_read", "file"
    WAS_IN_UNREAD = "was_in_unread", "file"
    IN_PROJECT = "in_project", "project"
    LEFT_OUT = "left_out"
    # Who is it?
    PINNED = "pinned", "id"
    BOUND = "bound", "id", "state", "via"
    NOT_IN_LEDGER = "not_in_ledger"
    CARRIED_BY = "carried_by", "ids"
    CARRIED_BY_NONE = "carried_by_none"
    FOUND_BY_PIN = "found_by_pin", "id"
    FOUND_BY_MOVE = "found_by_move", "id"
    FOUND_BY_CREATE = "found_by_create", "id"
    FOUND_BY_MATCH = "found_by_match", "id"
    NOBODY = "nobody"
    UNDECIDED = "undecided"
    NOT_READ_YET = "not_read_yet"
    # Is it active?
    SYNCED_AS = "synced_as", "integration_id"
    LISTED = "listed", "id"
    NOT_LISTED = "not_listed", "id"
    IN_NARROW_LIST = "in_narrow_list"
    NOT_IN_NARROW_LIST = "not_in_narrow_list"
    GET_FOUND = "get_found"
    GET_NOT_FOUND = "get_not_found"
    WRITTEN_RECENTLY = "written_recently", "seconds"
    ARCHIVED_LISTING_UNKNOWN = "archived_listing_unknown"
    ARCHIVED_ARE_LISTED = "archived_are_listed"
    ARCHIVED_ARE_NOT_LISTED = "archived_are_not_listed"
    LISTING_KNOWN_BY = "listing_known_by", "how"
    ACTIVE = "active"
    COUNTS_AS_ACTIVE = "counts_as_active"
    ARCHIVED_BY_US = "archived_by_us"
    COUNTS_AS_ARCHIVED = "counts_as_archived"
    ARCHIVED_OUTSIDE = "archived_outside"
    HIDDEN_OR_GONE = "hidden_or_gone"
    INCONCLUSIVE = "inconclusive"
    RESTORED_SINCE = "restored_since"
    # What differs?
    FIELD_NOT_DECLARED = "field_not_declared"
    FIELD_IGNORED = "field_ignored"
    FIELD_OWNED = "field_owned"
    UNRECORDED = "unrecorded", "live"
    COMPARED = "compared", "applied", "live", "observed"
    # May it be archived?
    IS_DECLARED = "is_declared"
    NOT_MANAGED = "not_managed"
    FILE_NOT_READ = "file_not_read", "file"
    FILE_UNKNOWN = "file_unknown"
    STATE_IS = "state_is", "state"
    ENTRY_REMOVED = "entry_removed"
    OWNED = "owned"
    ABSENT = "absent"
    PRUNE_IS = "prune_is", "prune"
    OTHER_KEY = "other_key"
    NOT_OWNED = "not_owned"
    IN_LEDGER = "in_ledger"
    PROTECTED = "protected"
    NOT_PROTECTED = "not_protected"
    PATTERN = "pattern"
    PATTERN_AT = "pattern_at", "source"
    NO_PATTERN = "no_pattern"
    OBSERVED = "observed"
    CLAIMED = "claimed", "id"


class FieldOutcome(StrEnum):
    """What follows for a field."""

    RELEASED = "released"
    NOT_COMPARED = "not_compared"
    BLOCKED = "blocked"
    UNCHANGED = "unchanged"
    PATCH = "patch"


@dataclass(frozen=True, slots=True)
class Row:
    """
    One field: its value on each side, as far as the side has it, the row of the table, and what follows.

    `sides` is (side, value) of declared, applied, observed and live; `cause` is that of a patch.
    """

    name: str
    sides: tuple[tuple[str, str | None], ...]
    rule: Remark
    then: FieldOutcome
    cause: Cause | None = None


class ArchiveRule(StrEnum):
    """A rule that archives a customer, or that keeps it from being archived."""

    DECLARED = "declared"
    ENTRY_GONE = "entry_gone"
    OWNED = "owned"
    PROTECTED = "protected"
    POLICY_PROTECT = "policy.protect"
    FORGET = "forget"
    SYNCED = "synced"
    CLAIMED = "claimed"

    @property
    def archives(self) -> bool:
        """Say whether it archives; the others keep a customer from it."""
        return self in (ArchiveRule.DECLARED, ArchiveRule.ENTRY_GONE, ArchiveRule.OWNED)


@dataclass(frozen=True, slots=True)
class RuleCheck:
    """One rule, whether it holds, and why."""

    rule: ArchiveRule
    holds: bool
    why: Remark


@dataclass(frozen=True, slots=True)
class UserSides:
    """One user: where it is declared, whether the ledger has it, whether the API listed it; None: not asked."""

    email: str
    source: str | None
    recorded: bool
    listed: bool | None


@dataclass(frozen=True, slots=True)
class LastMove:
    """
    Our last create, archive or restore of a customer, and its run; None where the ledger does not have that any more.

    `entry` is the last change that was made by its entry, where that was removed then; None where there is none.
    """

    intent: Intent
    run: Run | None
    entry: Intent | None = None


@dataclass(frozen=True, slots=True)
class LaterChange:
    """
    What happened to a customer after a run: by a later run's change, or outside Reconciler (`intent` is None).

    Outside, `fields` are those that differ, each with the value that we left and the one that it has now, and `became`
    is the state that someone brought the customer to; None where that is as we left it.
    """

    address: Address
    id: CustomerId
    intent: Intent | None = None
    run: Run | None = None
    fields: tuple[tuple[str, str | None, str], ...] = ()
    became: BindingState | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    Why `address` is planned as it is.

    - `declared`, `identity`, `presence`: what is said of it, one after the other, with ids and places.
    - `fields`: the three-way table, a row a field. `archiving`: each rule that could archive it, or keeps it.
    - `shelved`: it is archived, and by us, so that no rule is asked whether it may be: `archived` is when and why, None
      where the history does not have that. `activated`: when and why we created or restored one that is active.
    - `users`: those that any side has. `outcome`: the plan, of which only what is about `address` is left.
    """

    address: Address
    declared: tuple[Remark, ...]
    identity: tuple[Remark, ...]
    presence: tuple[Remark, ...]
    fields: tuple[Row, ...]
    archiving: tuple[RuleCheck, ...]
    users: tuple[UserSides, ...]
    outcome: Plan
    shelved: bool = False
    archived: LastMove | None = None
    activated: LastMove | None = None


class TrialFault(StrEnum):
    """What a plan would do wrong."""

    # Its request
    NO_ROW = "no_row"
    OTHER_ID = "other_id"
    CUSTOMER_NOT_CREATED = "customer_not_created"
    REFUSED = "refused"
    NOT_TAKEN = "not_taken"
    # Once all is done
    UNBOUND = "unbound"
    ACTIVE = "active"
    ARCHIVED = "archived"
    DUPLICATED = "duplicated"
    NOT_AS_DECLARED = "not_as_declared"
    USER_MISSING = "user_missing"
    BLOCKED = "blocked"
    PLANNED_AGAIN = "planned_again"


@dataclass(frozen=True, slots=True, order=True)
class TrialFailure:
    """
    What a plan would do wrong, at an address: with the action and the fields that it is about, never a value.

    `status` is that with which the rules refuse a request. `done`: after how many of the customer's changes, and a
    second plan; None: after all of this plan.
    """

    address: Address
    fault: TrialFault
    action: Action | None = None
    fields: tuple[str, ...] = ()
    status: int = 0
    done: int | None = None


Fact = str | int | float | bool | None
Facts = Mapping[str, Fact]


class Check(StrEnum):
    """What is looked at, in the order in which it is shown."""

    PROJECT = "project"
    FILES = "files"
    CREDENTIALS = "credentials"
    REACHABILITY = "reachability"
    SCOPES = "scopes"
    CLOCK = "clock"
    CONTRACT = "contract"
    STATE = "state"
    LOCK = "lock"
    LEARNED = "learned"


class Verdict(StrEnum):
    """What a check came to. `skipped`: it could not be made, because of what another one found."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was found, and what fixes it, "" where there is nothing to fix."""

    check: Check
    verdict: Verdict
    said: str
    mend: str = ""
    facts: Facts = field(default_factory=dict)


class ContractChange(StrEnum):
    """How the other document differs from our contract."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class ContractPart(StrEnum):
    """Which part of an operation differs."""

    OPERATION = "operation"
    PARAMETER = "parameter"
    REQUEST_FIELD = "request field"
    REPLY_FIELD = "reply field"
    SCOPE = "scope"


@dataclass(frozen=True, slots=True)
class ContractDifference:
    """
    One difference. `ours` and `theirs` are what a part is (`string date-time, required`), "" where it is not there.

    `operation` is as `GET /customers/{}`. Only what is removed or changed can break a request of ours.
    """

    change: ContractChange
    operation: str
    part: ContractPart
    name: str
    ours: str = ""
    theirs: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """
    All findings, in the order of the checks.

    `environment` is None where it is not clear which one is meant. `server` is `production`, `demo`, `this machine`
    or `another`, "" where it is unknown. `program` says with what it was found: versions, operating system.
    """

    findings: tuple[Finding, ...]
    environment: EnvironmentRef | None = None
    server: str = ""
    requests: int = 0
    program: Facts = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        """Say whether nothing is wrong."""
        return all(one.verdict is not Verdict.WRONG for one in self.findings)


def skipped(check: Check, why: str) -> Finding:
    """Return that a check could not be made."""
    return Finding(check, Verdict.SKIPPED, f"not checked: {why}")


PROBES = "(probe)"
"""The project of the ledger's rows that a probe made: no project of a user's is called so."""

YES, NO = "yes", "no"


class ProbeQuestion(StrEnum):
    """What a probe asks, in the order in which it is shown; `rules.questions` has it in words."""

    LISTS_ARCHIVED = "lists_archived"
    GETS_ARCHIVED = "gets_archived"
    PATCHES_ARCHIVED = "patches_archived"
    REPEATED_ARCHIVE = "repeated_archive"
    REPEATED_RESTORE = "repeated_restore"
    RESTORE_REPLIES = "restore_replies"
    UNIQUE = "unique"
    UNIQUE_STATUS = "unique_status"
    EXTERNAL_IDS = "external_ids"
    EMAIL_REQUIRED = "email_required"
    LARGER_LIMIT = "larger_limit"
    LONGEST_PAGE = "longest_page"
    PAGE_SHAPE = "page_shape"
    ORDER = "order"
    PAGING = "paging"
    NARROWS = "narrows"
    START_INCLUSIVE = "start_inclusive"
    END_INCLUSIVE = "end_inclusive"
    PRECISION = "precision"
    LAG = "lag"
    LAG_ON = "lag_on"
    CLEARS = "clears"
    CLEARS_REFUSED = "clears_refused"
    UNSET = "unset"
    IGNORES = "ignores"
    REWRITES = "rewrites"
    USER_UNIQUE = "user_unique"
    USER_CASE = "user_case"
    EMAIL_LOWERED = "email_lowered"
    METHODS_BARE = "methods_bare"
    EXTRA_FIELDS = "extra_fields"
    ERROR_BODY = "error_body"


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """What a probe found; `found` is "" where it could not tell. `why` is for a person, and may quote the server."""

    question: ProbeQuestion
    found: str
    why: str = ""


Answers = Mapping[ProbeQuestion, ProbeAnswer]


def kept(before: str, answers: Iterable[ProbeAnswer]) -> str:
    """Return what the ledger keeps of answers, with those `before` that were not found again; "" for none."""
    found = {**answers_of(before), **{one.question: one.found for one in answers if one.found}}
    return json.dumps(found, sort_keys=True, separators=(",", ":")) if found else ""


def answers_of(text: str) -> dict[ProbeQuestion, str]:
    """
    Return what `kept` kept; a question of another version is left out, and so is what no version wrote.

    >>> answers_of('{"clears": "null", "of a later version": "yes"}'), answers_of("altered")
    ({<ProbeQuestion.CLEARS: 'clears'>: 'null'}, {})
    """
    known = {one.value for one in ProbeQuestion}
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    rows = found.items() if isinstance(found, dict) else ()
    return {ProbeQuestion(name): str(answer) for name, answer in rows if name in known}


class LeftOutReason(StrEnum):
    """Why a row of a sheet, or a user in it, was not written."""

    BELOW_TABLE = "below_table"
    NO_EMAIL = "no_email"
    NO_CUSTOMER = "no_customer"


@one_of_many()
class LeftOutRow:
    """A row that was not written although no filter of the map passed over it."""

    source: Source
    reason: LeftOutReason


@one_of_many()
class Repair:
    """A cell that was not taken as the sheet has it: its column, the field it became, both values, and the cleaner."""

    source: Source
    column: str
    field: str
    old: str
    new: str
    by: str


@dataclass(slots=True)
class SheetReading:
    """
    What became of the rows of a sheet; `how` is what was recognized of the file, `header` the line of the header.

    `repaired` counts the repairs by cleaner. Of a big sheet `repairs` holds the first ones only, where no more are
    asked for.
    """

    file: str
    how: str
    header: int = 0
    read: int = 0
    filtered: int = 0
    written: int = 0
    repaired: Counter[str] = field(default_factory=Counter)
    repairs: list[Repair] = field(default_factory=list)
    left_out: list[LeftOutRow] = field(default_factory=list)


@dataclass(slots=True)
class SheetUpdate:
    """
    What a sheet changes in files that are there, by key.

    `gone` left the sheet and are still declared active, `archived` are those of them that are archived by this update,
    `returned` are declared archived and in the sheet. `refused`: what could not be edited, and why.
    """

    new: list[str] = field(default_factory=list)
    changed: dict[str, list[str]] = field(default_factory=dict)
    unchanged: int = 0
    gone: list[str] = field(default_factory=list)
    archived: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
