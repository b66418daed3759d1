"""Planning with progress on stderr, for every command that makes a plan."""

from __future__ import annotations

from reconciler.cli.session import Session, shown_progress
from reconciler.ledger.base import Ledger
from reconciler.model.core import Desired
from reconciler.model.policy import Terms
from reconciler.pipeline import plan, resources
from reconciler.plan.presence import Lacked


def made(
    session: Session,
    ledger: Ledger,
    desired: Desired,
    terms: Terms,
    *,
    patient: bool = False,
    alone: bool = False,
    lacked: Lacked | None = None,
) -> plan.Planned:
    """
    Return the plan that leads to `desired`; the lease is kept meanwhile where `ledger` is written to.

    `patient` waits for what an earlier run left in doubt, `alone` lets the targets be read alone. `lacked` is what
    an earlier listing lacked, None for a plan that is only shown.
    """
    with shown_progress(session.clock) as progress:
        making = plan.make(
            session.client,
            ledger,
            desired,
            terms,
            say=progress.planning,
            price=progress.note,
            patience=session.clock if patient else None,
            alone=alone,
            lacked=lacked,
        )
        # Looking holds no lock that would have to be kept.
        return session.run(resources.with_renewed_lease(ledger, session.clock, making) if ledger.writable else making)


def drafted(session: Session, ledger: Ledger, draft: plan.Drafting) -> plan.Planned:
    """Return the plan that `draft` makes of the account, as `made` does; patient where `ledger` is written to."""
    terms = session.environment.terms(session.options)
    with shown_progress(session.clock) as progress:
        making = plan.make_of(
            session.client,
            ledger,
            draft,
            terms,
            say=progress.planning,
            price=progress.note,
            patience=session.clock if ledger.writable else None,
        )
        return session.run(resources.with_renewed_lease(ledger, session.clock, making) if ledger.writable else making)
