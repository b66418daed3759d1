"""
Which account a saved plan was made from, so that another key of that account may apply it.

A client id names a key and not an account. What tells two accounts behind one base URL apart is who lives there: the
customers that the ledger binds or, while it binds too few, all that were listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.errors import Refused
from reconciler.model.core import Action, CustomerId, Live
from reconciler.model.ledger import Records
from reconciler.model.plan import Change
from reconciler.plan.presence import digest_of
from reconciler.plan.safety_checks import PROOF, as_recorded


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    What a saved plan keeps of the account that it was made from.

    - `ledger`: the lineage of the ledger whose bindings proved the account; "" where they did not.
    - `listed`: a digest of the customers that were listed, those apart that the plan archives or restores; "" where
      the account was not listed.
    """

    ledger: str = ""
    listed: str = ""


NO_EVIDENCE = Evidence()


def evidence_of(changes: Iterable[Change], live: Live, records: Records, lineage: str) -> Evidence:
    """Return what a plan that makes `changes` keeps of its account; `lineage` is that of its ledger, "" for none."""
    return Evidence(lineage if _proven(records, live) else "", _listed(changes, live, {}))


def check_account(
    then: Evidence,
    changes: Iterable[Change],
    live: Live,
    records: Records,
    lineage: str,
    created: Mapping[str, CustomerId | None],
) -> None:
    """
    Raise Refused where it is not shown that an account is the one that a saved plan of another key was made from.

    `changes` are those of the plan, `created` the customers that its own earlier runs created, by key. The other
    arguments are today's.
    """
    if then.ledger and then.ledger == lineage and _proven(records, live):
        return
    if then.listed and then.listed == _listed(changes, live, created):
        return
    held, counted = as_recorded(records, live)
    if counted >= PROOF and not _proven(records, live):
        why = f"only {held} of {counted} customers that the ledger knows are live here"
    else:
        why = "customers were created or archived since, and not by this plan"
    raise Refused(
        "the plan was made with another API key, and nothing shows that it is for this key's account: "
        f"{why}; nothing was sent",
        "check the credentials and RECONCILER_STATE; if they are right, make a new plan: reconciler plan --out FILE",
    )


def _proven(records: Records, live: Live) -> bool:
    """Say whether the bound customers prove that the ledger is this account's."""
    held, counted = as_recorded(records, live)
    return held >= PROOF and held * 2 >= counted


def _listed(changes: Iterable[Change], live: Live, created: Mapping[str, CustomerId | None]) -> str:
    """Return a digest of the listed customers that a plan neither created, archives nor restores; "" for no listing."""
    if live.narrowed:
        return ""
    touched = {change.id for change in changes if change.action in (Action.ARCHIVE, Action.RESTORE)}
    ours = {one for one in created.values() if one is not None}
    # Of a create whose answer was lost only the key is known.
    lost = {key for key, one in created.items() if one is None}
    return digest_of(
        one.id
        for one in live.listed.values()
        if one.id not in touched and one.id not in ours and (one.external_id not in lost)
    )
