"""
The nouns of the ledger: what is known between runs, and the writes that change it.

A `Binding` is one row a customer. The ledger's whole write side is `commit(writes)`: a tuple of the
values below, durable together or not at all, so that every kind of storage means the same by them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import wraps
from typing import Any, TypeVar

from reconciler.errors import LedgerFailed, Source
from reconciler.escape import visible
from reconciler.many import one_of_many
from reconciler.model.core import Action, Address, CustomerId, Reason, Status
from reconciler.model.reasons import Ending

_DECODER = json.JSONDecoder()

DOUBT_S = 35.0
"""After a crash a request may still leave within 5 s of its intent and be served within 30 s."""


class BindingState(StrEnum):
    """
    How the ledger holds a bound customer.

    `archived`: this tool archived it. `absent`: it was active, and then it was neither listed nor found,
    or only a get still knew it: archived outside Reconciler, hidden or gone.
    """

    ACTIVE = "active"
    ARCHIVED = "archived"
    ABSENT = "absent"


class Via(StrEnum):
    """How a binding came to be; `pin` and `moved` allow a live external_id that is not the key."""

    CREATED = "created"
    MATCHED = "matched"
    PIN = "pin"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Trouble:
    """
    What a field of one customer did that was not expected.

    - `patched`: the value that we patched it to, in `runs` runs, and `seen`: what it had come back to. `at`: when we
      patched it, by the server's clock in seconds since 1970; empty where an older version did.
    - `refused`: (declared, live) of a patch that the server did not take; None where there was none.
    """

    patched: str = ""
    runs: int = 0
    seen: tuple[str, ...] = ()
    refused: tuple[str, str] | None = None
    at: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Reversals:
    """
    How often in a row we archived, or restored, one customer.

    `made` is the state that we brought it to, `at` when: the server's clock, seconds since 1970, the oldest first.
    Before each time but the first, someone else had reversed the one before.
    """

    made: BindingState
    at: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RecentWrite:
    """
    A field that we wrote lately: the value that the server then held, and those that it had held before.

    `earlier` holds each former value with the server's clock at the write that replaced it.
    """

    value: str
    earlier: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Recent:
    """
    What our latest writes to a customer changed: what a read may still show of the time before them.

    `moved_at` is the server's clock at our last create, archive or restore of it; 0 where that is long ago.
    """

    moved_at: float = 0.0
    fields: Mapping[str, RecentWrite] = field(default_factory=dict)

    def as_json(self) -> str:
        """Return the stored form."""
        fields = {name: [held.value, held.earlier] for name, held in sorted(self.fields.items())}
        return json.dumps({"moved_at": self.moved_at, "fields": fields}, ensure_ascii=False, separators=(",", ":"))


T = TypeVar("T")


def _decoded(read: Callable[[Binding], T]) -> Callable[[Binding], T]:
    """Let what reads a stored text raise LedgerFailed where that holds what this program never writes."""

    @wraps(read)
    def decoded(row: Binding) -> T:
        try:
            return read(row)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise LedgerFailed(
                f"the ledger's row of {visible(row.external_id)} cannot be read: it was altered", "restore a copy of it"
            ) from error

    return decoded


@one_of_many()
class Binding:
    """
    What the ledger holds of one customer, or (as a plan's entry) will hold.

    - `external_id` is the key; `live_external_id` what the live customer carried when it was bound.
    - `id` is None only in an entry of a plan that creates the customer.
    - `written_at`: the server's clock (seconds since 1970) at our last write to it; 0 for none.
    - `applied_hash`: 16 bytes over the canonical applied values (`kinds.customer.fingerprint`), so that
      a customer that did not change is seen as such without decoding the two JSON texts.
    - `applied_json`: what we wrote, {field: text or null}; `observed_json`: what the server then held, or
      None where it is equal in canonical form.
    - `trouble_json`: {field: Trouble as JSON}, or None.
    - `place`: the repository and folder that its entry was applied from (`settings.place`), "" where that is unknown.
    - `reversals_json`: Reversals as JSON, or None where we have neither archived nor restored it.
    - `recent_json`: Recent as JSON; None where our last write created, archived or restored it and no field had been
      written shortly before, so that nothing needs to be stored for most customers.
    - `integration_id`: its `customer_integration_id` when it was last read, "" where no integration syncs it.
    """

    external_id: str
    id: CustomerId | None
    live_external_id: str
    created_at: str
    state: BindingState
    project: str
    source: str
    protected: bool
    via: Via
    written_at: float = 0.0
    applied_hash: bytes = b""
    applied_json: str = "{}"
    observed_json: str | None = None
    trouble_json: str | None = None
    place: str = ""
    reversals_json: str | None = None
    recent_json: str | None = None
    integration_id: str = ""

    @property
    def bound_id(self) -> CustomerId:
        """Return the id of a row that is stored; ValueError for an entry whose customer is not created yet."""
        if self.id is None:
            raise ValueError(f"{self.external_id!r} is bound to no customer yet")
        return self.id

    @_decoded
    def applied(self) -> dict[str, str | None]:
        """Return what we last wrote, or found and recorded, by field."""
        return texts_of(json.loads(self.applied_json))

    def has_applied(self, fields: Mapping[str, str | None]) -> bool:
        """Say whether `applied` is just that, quickly; False for what cannot be read."""
        try:
            found: object = _DECODER.raw_decode(self.applied_json)[0]
        except (ValueError, TypeError, RecursionError):
            return False
        return found == fields

    @_decoded
    def observed(self) -> dict[str, str]:
        """Return what the server then held, by field."""
        if self.observed_json is None:
            return {name: value or "" for name, value in self.applied().items()}
        return {name: _text(value) for name, value in json.loads(self.observed_json).items()}

    @_decoded
    def recent(self) -> Recent:
        """Return what our latest writes changed."""
        if self.recent_json is None:
            return Recent(self.written_at)
        stored = json.loads(self.recent_json)
        fields = {
            name: RecentWrite(_text(value), tuple((_text(former), _number(until)) for former, until in earlier))
            for name, (value, earlier) in stored["fields"].items()
        }
        return Recent(_number(stored["moved_at"]), fields)

    @_decoded
    def trouble(self) -> dict[str, Trouble]:
        """Return what is known of fields that did not behave."""
        if self.trouble_json is None:
            return {}
        return {
            name: Trouble(
                patched=_text(row["patched"]),
                runs=int(_number(row["runs"])),
                seen=tuple(map(_text, row["seen"])),
                refused=_pair(*row["refused"]) if row["refused"] else None,
                at=tuple(map(_number, row.get("at", ()))),
            )
            for name, row in json.loads(self.trouble_json).items()
        }

    @_decoded
    def reversals(self) -> Reversals | None:
        """Return our archives, or restores, of it in a row; None where the last state that we gave it is another's."""
        if self.reversals_json is None:
            return None
        row = json.loads(self.reversals_json)
        return Reversals(BindingState(row["made"]), tuple(map(_number, row["at"])))


def texts_of(decoded: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Return a stored object whose values are texts and nulls; TypeError or AttributeError for anything else."""
    for value in decoded.values():
        if value is not None and type(value) is not str:
            raise TypeError("a value is not a text")
    texts: dict[str, Any] = decoded
    return texts


def _text(value: Any) -> str:  # noqa: ANN401 - JSON
    """Return a text of a stored row; TypeError for any other value."""
    if type(value) is str:
        return value
    raise TypeError("a value is not a text")


def _number(value: Any) -> float:  # noqa: ANN401 - JSON
    """Return a number of a stored row; TypeError for any other value."""
    if type(value) in (int, float):
        return float(value)
    raise TypeError("a value is not a number")


def _pair(one: Any, other: Any) -> tuple[str, str]:  # noqa: ANN401 - JSON
    """Return two texts of a stored row; TypeError for any other values."""
    return _text(one), _text(other)


def trouble_json(trouble: Mapping[str, Trouble]) -> str | None:
    """Return the stored form of `trouble`, None where it is empty."""
    if not trouble:
        return None
    rows = {
        name: {"patched": row.patched, "runs": row.runs, "seen": row.seen, "refused": row.refused}
        | ({"at": row.at} if row.at else {})
        for name, row in sorted(trouble.items())
    }
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def reversals_json(reversals: Reversals) -> str:
    """Return the stored form of `reversals`."""
    return json.dumps({"made": reversals.made.value, "at": reversals.at}, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class SeenUser:
    """
    A user that the ledger has seen on a customer: its live names, and what we applied.

    `applied` is None for a user that is not declared, or was not when it was last applied.
    """

    email: str
    fields: Mapping[str, str]
    applied: Mapping[str, str | None] | None = None


@dataclass(frozen=True, slots=True)
class Learned:
    """
    What is known of a server's ways; None (0, "") is unknown.

    - `lists_archived`, `gets_archived`: whether archived customers are listed, and still answer a get.
    - `longest_page`: the longest page seen. `empties`: what empties a field, `""` or `null`.
    - `listed`: how many customers the last whole listing held.
    - `told`: the hash of the drift that was notified of last; "" for none.
    - `page_limit`: the largest `limit` of a list of customers that the server takes, of those tried; 0: none was.
    - `narrows`: whether a list narrowed by created_at holds only whom it should.
    - `cuts`: where the next whole listing is to be cut into ranges of created_at (seconds since 1970).
    - `lag_s`: how long a write may stay unseen, as a probe saw it; 0: no probe saw a lag.
    - `answers`: what a probe answered (`reconciler.answers.answers_of`), "" for none.
    - `how`: in words, when and from what `lists_archived` and `gets_archived` were learned.
    - `asked_at`: when we archived the newest customer that the server was asked about in vain, as it may have been
      restored since; 0: none was.
    """

    lists_archived: bool | None = None
    gets_archived: bool | None = None
    longest_page: int = 0
    empties: str | None = None
    how: str = ""
    listed: int = 0
    told: str = ""
    page_limit: int = 0
    narrows: bool | None = None
    cuts: tuple[int, ...] = ()
    lag_s: float = 0.0
    answers: str = ""
    asked_at: float = 0.0


LACKED_S = 24 * 3600.0
"""For how long it counts, in seconds, that a listing lacked a key."""


@dataclass(frozen=True, slots=True)
class Pass:
    """
    A complete listing of the account, of which only this is kept.

    - `at`: the server's clock (seconds since 1970) when it began.
    - `held`: a digest of the customers that it held (`plan.absence.held`); those created shortly before are left out.
    """

    at: float
    held: str


@dataclass(frozen=True, slots=True)
class Intent:
    """
    A change that was about to be sent, and how it ended: `status` is None while it is open.

    `seq` counts within the run. `before` and `after` are the values by field, for history and undo.
    `opened_at` is by the server's clock, seconds since 1970. `payload_hash` is the SHA-256, in hex, of
    the request's body. `reason` and `source` are those of the planned change; None where no plan gave one.
    `ending` is how it ended, None where there is nothing to say; `message` says it in runs of older versions.
    `commit` is that of the source's file in its own repository, with `-dirty` where the file differed from it; "" where
    git did not know, and in runs of older versions.
    """

    run: str
    seq: int
    action: Action
    address: Address
    id: CustomerId | None
    opened_at: float
    payload_hash: str = ""
    before: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str | None] = field(default_factory=dict)
    status: Status | None = None
    message: str = ""
    closed_at: float = 0.0
    reason: Reason | None = None
    source: Source | None = None
    commit: str = ""
    ending: Ending | None = None

    @property
    def binds(self) -> bool:
        """
        Say whether the customer that a create makes shall be bound to its key.

        Not one that `api` creates: its intent has the external_id, None for none, among its values.
        """
        return "external_id" not in self.after

    def unseen_until(self, lag_s: float) -> float:
        """Return until when its effect may stay unseen, though nobody hears an answer; `lag_s` is that of any write."""
        return self.opened_at + lag_s + DOUBT_S


def entry_before(intents: Sequence[Intent], one: Intent) -> Intent | None:
    """Return what last applied the entry that `one` says was removed, of a customer's changes, the oldest first."""
    if one.reason is not Reason.ENTRY_GONE:
        return None
    before = intents[: intents.index(one)]
    return next((was for was in reversed(before) if was.id == one.id and _is_of_entry(was)), None)


def _is_of_entry(one: Intent) -> bool:
    """Say whether the ledger has the line of the customer's own entry that a change was made by."""
    return one.source is not None and bool(one.source.line) and one.address.email is None


@dataclass(frozen=True, slots=True)
class Run:
    """
    One run of a writing command. Times are RFC 3339 UTC with microseconds; `finished_at` "" while it runs.

    - `changes`: how many were done when it ended; what is settled later is in its `Tally` alone.
    - `who` is the process (`user@host pid`), `actor` whom CI names; `commit` ends with `-dirty` where files differed.
    - `key` names the API key (`production/1f3a9c0d`), `plan` is the plan's fingerprint.
    - `pruned_at`: when the values of its changes were removed, "" while they are there.
    """

    id: str
    started_at: str
    command: str
    outcome: str = ""
    finished_at: str = ""
    requests: int = 0
    changes: int = 0
    who: str = ""
    commit: str = ""
    ci_url: str = ""
    actor: str = ""
    key: str = ""
    plan: str = ""
    pruned_at: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """What the intents of one run come to: how many changes were sent (one sent again counts again), and were done."""

    sent: int = 0
    done: int = 0


@dataclass(frozen=True, slots=True)
class Records:
    """
    All that planning asks of the ledger.

    `known` is False where there is no ledger yet: then absence proves nothing. `keys` are the API keys that are
    proven to be of its account, each as the SHA-256 of its client id, that of the last apply first; none in a new
    ledger. `taken` holds external_ids that the server said are in use, with its words. `intents` are the open ones.
    `users` holds, by customer id, the users seen there; a customer that is not in it was never listed. `lacked` holds
    external_ids that a complete listing lacked, and for which no create has been sent since.
    """

    bindings: Mapping[str, Binding] = field(default_factory=dict)
    users: Mapping[CustomerId, tuple[SeenUser, ...]] = field(default_factory=dict)
    taken: Mapping[str, str] = field(default_factory=dict)
    lacked: Mapping[str, Pass] = field(default_factory=dict)
    intents: tuple[Intent, ...] = ()
    learned: Learned = Learned()
    known: bool = False
    keys: tuple[str, ...] = ()

    def trusts(self, key: str) -> bool:
        """Say whether an API key is proven to be of the ledger's account, or no other was used before."""
        return not self.keys or key in self.keys


# --- writes ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PutBinding:
    """Write one customer's row; its id is not None."""

    binding: Binding


@dataclass(frozen=True, slots=True)
class DropBinding:
    """Stop knowing a key; the users seen on its customer go with it."""

    external_id: str


@dataclass(frozen=True, slots=True)
class PutUsers:
    """Write all the users known on a customer."""

    id: CustomerId
    users: tuple[SeenUser, ...]


@dataclass(frozen=True, slots=True)
class PutTaken:
    """Remember that the server says an external_id is in use; `words` None forgets it."""

    external_id: str
    words: str | None


@dataclass(frozen=True, slots=True)
class PutLacked:
    """Remember that a complete listing lacked these external_ids; what is too old to count is forgotten."""

    seen: Pass
    external_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PutLearned:
    """Write what is known of the server."""

    learned: Learned


@dataclass(frozen=True, slots=True)
class PutKeys:
    """Write the API keys of the ledger's account, as `Records` has them."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PutIntent:
    """Write an intent, open or closed: (run, seq) is its key."""

    intent: Intent


@dataclass(frozen=True, slots=True)
class PutRun:
    """Write a run; its id is its key."""

    run: Run


Write = PutBinding | DropBinding | PutUsers | PutTaken | PutLacked | PutLearned | PutKeys | PutIntent | PutRun
