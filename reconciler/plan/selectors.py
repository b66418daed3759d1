"""
Selectors: patterns of external_ids on the command line and in the project file, and those that match nobody. Pure.

A selector that matches nobody is mostly a slip of the pen, and says nothing by itself: nothing to do looks the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from reconciler.documents.scalars import did_you_mean, quoted
from reconciler.errors import ReconcilerError
from reconciler.kinds.kind import nearly
from reconciler.model.core import Address, Desired, Live
from reconciler.model.ledger import Records
from reconciler.model.plan import Note
from reconciler.model.policy import Terms
from reconciler.plan.scope import matcher, selecting, spellings

if TYPE_CHECKING:
    from reconciler.model.reports import Rule

MOST_NOTED = 20
"""So many selectors that match nobody are named in a plan."""

NOBODY = "matches no customer that is declared, managed or live"

_MOST_COMPARED = 20_000  # comparing a word with more takes seconds
_GLOB = frozenset("*?[")


def _address(key: str) -> str:
    """Return a key as plans print it."""
    return str(Address(key))


def matching_nobody(selectors: Iterable[str], keys: Callable[[], Iterable[str]]) -> tuple[str, ...]:
    """Return the selectors of a command line that select none of `keys`."""
    return tuple(one for one in dict.fromkeys(selectors) if not any(map(selecting((one,)), keys())))


def nearest(selector: str, keys: Callable[[], Iterable[str]], *, written: Callable[[str], str] = _address) -> str:
    """
    Return the hint that names the key that is nearly a selector, "" where none is, or it is a pattern.

    A key is named as it is `written`: on a command line as an address.
    """
    if _GLOB & set(selector):
        return ""
    sought = {nearly(one) for one in spellings(selector)}
    near = next((key for key in keys() if nearly(key) in sought), None)
    if near is None:
        known = tuple(dict.fromkeys(keys()))
        return did_you_mean(selector, known) if len(known) <= _MOST_COMPARED else ""
    return f"did you mean {quoted(written(near))}?"


def keys_of(desired: Desired, live: Live, records: Records) -> Callable[[], Iterable[str]]:
    """Return what yields the keys that are declared, bound or live, those of before a move among them."""
    former = [move.origin for move in desired.moved]
    return lambda: filter(
        None,
        chain(
            desired.customers,
            records.bindings,
            former,
            (customer.external_id for customer in live.listed.values()),
            (row.live_external_id for row in records.bindings.values()),
        ),
    )


def checked(desired: Desired, live: Live, records: Records, terms: Terms) -> tuple[Note, ...]:
    """
    Return a note for each pattern that matches nobody, in the project file, of `--exclude` or `--allow-recreate`.

    Raises ReconcilerError for a `--target` that does: what it should have narrowed the plan to is not there.
    """
    keys = keys_of(desired, live, records)
    missed = matching_nobody(terms.targets, keys)
    if missed:
        raise ReconcilerError(f"--target {_shown(missed)} {NOBODY}; nothing was sent", _hint(missed[0], desired, keys))
    insisted = tuple(_insisted(desired, records, terms.recreate)) if terms.recreate else ()
    if live.narrowed:
        return insisted  # who else is live is not known

    def everybody() -> Iterable[str]:
        return chain(keys(), desired.left_out)

    at = terms.places.get("protect")
    protect = f"`policy.protect` ({at})" if at is not None else "`policy.protect`"
    rules = ((protect, terms.protect), ("`owns`", terms.owns), ("`include`", desired.include))
    missed_rules = [
        (where, one)
        for where, patterns in (*rules, ("`exclude`", desired.exclude))
        for one in dict.fromkeys(patterns)
        if not any(map(matcher((one,)), everybody()))
    ]
    missed_rules += [("--exclude", one) for one in matching_nobody(terms.excludes, everybody)]
    notes = [
        Note(f"{where}: {quoted(one)} {NOBODY}{_suffix(nearest(one, everybody, written=str))}")
        for where, one in missed_rules[:MOST_NOTED]
    ]
    rest = len(missed_rules) - len(notes)
    return (*insisted, *notes, *([Note(f"the same holds for {rest} more patterns")] if rest else ()))


def _insisted(desired: Desired, records: Records, recreate: Iterable[str]) -> Iterator[Note]:
    """Yield a note for each key of `--allow-recreate`, which takes no patterns, that is nobody's."""
    former = (move.origin for move in desired.moved)
    known = dict.fromkeys((*desired.customers, *desired.left_out, *records.bindings, *former))
    for one in dict.fromkeys(recreate):
        if known.keys().isdisjoint(spellings(one)):
            hint = _suffix(nearest(one, lambda: known, written=str))
            yield Note(f"--allow-recreate: {quoted(one)} matches no customer that is declared or managed{hint}")


def rules_of_nobody(
    rules: Iterable[Rule], desired: Desired, live: Live, records: Records
) -> tuple[tuple[Rule, str], ...]:
    """Return the rules of an ignore file that hide the drift of nobody, each with the key that may be meant."""
    keys = keys_of(desired, live, records)
    missed = [rule for rule in rules if not any(map(matcher((rule.key,)), keys()))]
    return tuple((rule, nearest(rule.key, keys, written=str)) for rule in missed[:MOST_NOTED])


def _hint(missed: str, desired: Desired, keys: Callable[[], Iterable[str]]) -> str:
    """Return what to do about a target that matches nobody."""
    if any(map(selecting((missed,)), desired.left_out)):
        return "the environment's `include` and `exclude` leave it out"
    return nearest(missed, keys) or "check the key; `reconciler state list` shows those that are managed"


def _shown(selectors: Sequence[str]) -> str:
    """Return selectors for a message."""
    more = f" and {len(selectors) - 3} more" if len(selectors) > 3 else ""  # noqa: PLR2004 - as many are named
    return ", ".join(map(quoted, selectors[:3])) + more


def _suffix(hint: str) -> str:
    """Return a hint behind a sentence."""
    return f"; {hint}" if hint else ""
