"""
Small worlds for property tests: what is declared, what is live, what a server is like, what happens in between.

Everything is a value that prints as it is written, so that a shrunk example can be pasted into a test. The
plainest choice comes first in every list: Hypothesis shrinks towards it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import story
from api_account import nth_id
from api_ways import Empties, ErrorBody, Fault, Order, Rewrite, Unique, Unset, UserEmails, Ways
from hypothesis import strategies as st

from reconciler.errors import Source
from reconciler.model.core import CustomerId, Desired, DesiredCustomer, DesiredUser, Move, Reading, SourceFile

PLAIN_KEYS = ("acme", "globex", "initech")
ODD_KEYS = ("Acme", "acme ", "a/b", "a%2Fb", "50%", "two words", "caf\u00e9", "cafe\u0301")
"""Keys that a careless comparison or address takes for one another."""

WORDS = ("A", "B", " A ", "\u00e1", "a\u0301")
"""Values with canonical twins: the first and the third, the last two."""

VALUES: Mapping[str, Sequence[str]] = {
    "name": WORDS,
    "city": WORDS,
    "country": ("USA", "US", "CA"),
    "ein": ("12-3456789", "123456789", "98-7654321"),
    "state": ("NY", "ny", "MA"),
    "email": ("a@x.example", "A@x.example", "b@x.example"),
}
"""Not every field: the others behave as `city` does."""

USER_EMAILS = ("jane@x.example", "Jane@x.example", "joe@x.example")
FILES = ("customers.yaml", "more/west.yaml")


def keys() -> st.SearchStrategy[str]:
    """Return external_ids: mostly plain ones, so that worlds meet."""
    return st.sampled_from(PLAIN_KEYS) | st.sampled_from(PLAIN_KEYS) | st.sampled_from(ODD_KEYS)


def customer_ids() -> st.SearchStrategy[CustomerId]:
    """Return ids for pins: those of the first customers of an account, and one that is unknown."""
    return st.sampled_from([*(CustomerId(nth_id(number)) for number in (1, 2, 3)), CustomerId("cus_unknown")])


# --- desired -----------------------------------------------------------------------------------------


def declared_fields() -> st.SearchStrategy[dict[str, str | None]]:
    """Return a customer's fields as declared: a name, and what else is written; None is wanted empty."""
    optional = {name: st.sampled_from([*values, None]) for name, values in VALUES.items() if name != "name"}
    return st.fixed_dictionaries({"name": st.sampled_from(WORDS)}, optional=optional)


@st.composite
def desired_users(draw: st.DrawFn, source: Source) -> tuple[DesiredUser, ...]:
    """Return up to two users, no two of which have one e-mail address in another case."""
    emails = draw(st.lists(st.sampled_from(USER_EMAILS), max_size=2, unique_by=str.casefold))
    names = st.fixed_dictionaries({}, optional={name: st.sampled_from(["A", "B", None]) for name in _USER_NAMES})
    ignored = st.sampled_from([frozenset[str](), frozenset({"first_name"})])
    return tuple(DesiredUser(email, draw(names), source, draw(ignored)) for email in emails)


@st.composite
def desired_customers(draw: st.DrawFn, external_id: str, source: Source, *, pins: bool = True) -> DesiredCustomer:
    """Return one declared customer; with `pins` it may have an `id:`."""
    return DesiredCustomer(
        external_id=external_id,
        fields=draw(declared_fields()),
        source=source,
        users=draw(desired_users(source)),
        archived=draw(_seldom(st.just(value=True), otherwise=False)),
        id=draw(_seldom(customer_ids(), otherwise=None)) if pins else None,
        protect=draw(_seldom(st.booleans(), otherwise=None)),
        ignore_changes=draw(_seldom(st.sampled_from([{"city"}, {"email"}]).map(frozenset), otherwise=frozenset())),
    )


@st.composite
def desired_states(
    draw: st.DrawFn, *, max_customers: int = 3, pins: bool = True, moves: bool = True, forgets: bool = True
) -> Desired:
    """
    Return all that is declared, as the reading of YAML lets it through.

    A `moved` comes from a key that is not declared and leads to one that is, in one step or two; a `forget` is not
    declared, and every file with a customer was read.
    """
    chosen = draw(st.lists(keys(), max_size=max_customers, unique=True))
    customers = {}
    for line, key in enumerate(chosen, start=2):
        source = Source(draw(st.sampled_from(FILES)), line, 3)
        customers[key] = draw(desired_customers(key, source, pins=pins))
    others = [key for key in (*PLAIN_KEYS, *ODD_KEYS) if key not in customers]
    origins = draw(st.lists(st.sampled_from(others), max_size=2, unique=True)) if moves and customers else []
    left = [key for key in others if key not in origins]
    forgotten = draw(st.lists(st.sampled_from(left), max_size=1)) if forgets else []
    return Desired(
        customers=customers,
        moved=tuple(
            # To a declared key, or by way of the one that moved there before.
            Move(key, draw(st.sampled_from([*chosen, *origins[:number]])), Source(FILES[0], 50 + number, 5))
            for number, key in enumerate(origins)
        ),
        forget={key: Source(FILES[0], 60, 10) for key in forgotten},
        reading=draw(readings({customer.source.file for customer in customers.values()})),
    )


@st.composite
def readings(draw: st.DrawFn, needed: set[str]) -> Reading:
    """Return what was read: mostly all files, at least the `needed` ones; a folder may have been read whole."""
    names = draw(st.just(set(FILES)) | st.just(set(FILES)) | st.just(needed))
    digest = hashlib.sha256(repr(sorted(names)).encode()).hexdigest()
    files = tuple(SourceFile(name, digest) for name in sorted(names))
    return Reading(files, folders=draw(st.sampled_from([(), ("more",)])))


# --- live --------------------------------------------------------------------------------------------


def live_fields() -> st.SearchStrategy[dict[str, str]]:
    """Return the fields of a customer that somebody else made."""
    return st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in VALUES.items()})


def live_creates() -> st.SearchStrategy[story.Created]:
    """Return customers that somebody else made; several may have one external_id, or none."""
    return st.builds(
        story.Created,
        external_id=keys() | keys() | st.just(""),
        fields=live_fields(),
        users=st.lists(st.sampled_from(USER_EMAILS), max_size=1).map(tuple),
        age_s=st.sampled_from([3600.0, 60.0, 0.0]),
        integration_id=_seldom(st.just("psa-1"), otherwise=""),
        payment_methods=_seldom(st.just(2), otherwise=0),
    )


def live_edits() -> st.SearchStrategy[story.LiveEdit]:
    """Return one thing that somebody else does to the account."""
    which = st.integers(min_value=0, max_value=4)
    edits = st.fixed_dictionaries(
        {}, optional={name: st.sampled_from([*values, None]) for name, values in VALUES.items()}
    )
    return st.one_of(
        st.builds(story.Edited, which, edits),
        live_creates(),
        st.builds(story.Archived, which),
        st.builds(story.Restored, which),
        st.builds(story.AddUser, which, st.sampled_from(USER_EMAILS), st.sampled_from(["A", "B"])),
        st.builds(story.Edited, which, st.builds(lambda key: {"external_id": key}, keys() | st.just(""))),
        st.builds(story.Deleted, which),
    )


def live_states(*, max_customers: int = 4) -> st.SearchStrategy[tuple[story.LiveEdit, ...]]:
    """
    Return how an account came to be before we met it: customers, some of them archived since.

    Let the clock pass the server's `lag_s` after doing them, or reads do not see them yet.
    """
    which = st.integers(min_value=0, max_value=max_customers)
    creates = st.lists(live_creates(), max_size=max_customers)
    archives = st.lists(st.builds(story.Archived, which), max_size=2)
    return st.builds(lambda *parts: tuple(edit for part in parts for edit in part), creates, archives)


# --- servers -----------------------------------------------------------------------------------------

_CHOICES: Mapping[str, Sequence[Any]] = {
    "lists_archived": (False, True),
    "gets_archived": (False, True),
    "patches_archived": (False, True),
    "repeated_archive": (200, 400, 404),
    "repeated_restore": (200, 400, 404),
    "restore_replies": (True, False),
    "unique": tuple(Unique),
    "unique_status": (400, 422),
    "required": (frozenset(), frozenset({"name"}), frozenset({"name", "email"})),
    "user_emails": tuple(UserEmails),
    "page_max": (100, 1, 2, 3),
    "larger_refused": (False, True),
    "page_uneven": (False, True),
    "page_nested": (False, True),
    "cursor_counts": (False, True),
    "order": tuple(Order),
    "narrows": (True, False),
    "created_digits": (3, 0, 6),
    "start_inclusive": (True, False),
    "end_inclusive": (True, False),
    "lag_s": (0.0, 1.0, 8.0),
    "empties": tuple(Empties),
    "unset": tuple(Unset),
    "rewrites": (frozenset(), *(frozenset({rewrite}) for rewrite in Rewrite), frozenset(Rewrite)),
    "ignores": (frozenset(), frozenset({"city"}), frozenset({"name", "country"})),
    "error_body": tuple(ErrorBody),
    "extra_fields": (False, True),
    "methods_nested": (False, True),
    "token_s": (3600,),
    "rate_per_s": (0,),
}


def ways(**fixed: object) -> st.SearchStrategy[Ways]:
    """
    Return servers: every combination of `Ways`, but with `fixed` as given (`ways(lag_s=0.0)`).

    Pace and token life are plain unless fixed, for speed; archives are not refused for open invoices.
    """
    choices = {name: st.sampled_from(values) for name, values in _CHOICES.items() if name not in fixed}
    return st.builds(Ways, **choices, **{name: st.just(value) for name, value in fixed.items()})


# --- histories ---------------------------------------------------------------------------------------


def fault_scripts(*, max_size: int = 4) -> st.SearchStrategy[tuple[Fault, ...]]:
    """Return what goes wrong with the first writes of a run: most of them nothing."""
    faults: list[Fault] = ["lost_after", "lost_before", "500_after", "503_before", "html_before", "unreachable", 429]
    return st.lists(st.none() | st.sampled_from(faults), max_size=max_size).map(tuple)


def histories(
    *, max_steps: int = 4, faults: bool = True, ledger_lost: bool = True
) -> st.SearchStrategy[list[story.Step]]:
    """Return what happens to an account: it begins with a declaration, and every run applies the last one."""
    applies = st.builds(story.Apply, fault_scripts() if faults else st.just(()))
    later = [
        applies,
        st.builds(story.Declared, desired_states()),
        st.builds(story.SomeoneEdits, st.lists(live_edits(), min_size=1, max_size=2).map(tuple)),
        st.builds(story.TimePasses, st.sampled_from([60.0, 1.0, 4000.0])),
        *([st.just(story.LedgerLost())] if ledger_lost else []),
    ]
    rests = st.lists(st.one_of(later), max_size=max_steps)
    begun = st.builds(story.Declared, desired_states())
    return st.builds(lambda first, apply, rest: [first, apply, *rest], begun, applies, rests)


_USER_NAMES = ("first_name", "last_name")


def _seldom(strategy: st.SearchStrategy[Any], *, otherwise: object) -> st.SearchStrategy[Any]:
    """Return `otherwise` four times of five."""
    return st.one_of([st.just(otherwise)] * 4 + [strategy])
