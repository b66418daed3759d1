"""`import --bind`: what was just written is bound in the ledger, as an apply of it would that changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reconciler.cli import output
from reconciler.cli.session import Session
from reconciler.desired.load import load_desired
from reconciler.ledger.base import Ledger
from reconciler.model.core import Desired, Live
from reconciler.model.ledger import PutRun, Records
from reconciler.pipeline import apply, plan, resources
from reconciler.pipeline.resources import origin_of_run
from reconciler.plan.draft import Draft, without_requests
from reconciler.plan.make import make_plan
from reconciler.report.layout import count

COMMAND = "import --bind"
_NAMED = 3


def bind(session: Session, ledger: Ledger, paths: Sequence[Path], live: Live) -> None:
    """
    Bind what the files declare and `live` holds, and say what could not be bound.

    `ledger` is held for writing since before the account was read. What it binds already stays as it is: another
    file may be its entry's. So does what is not as declared, as then a plan has something to show.
    """
    desired = _written(session, paths)
    records = ledger.records()
    known = desired.customers.keys() & records.bindings.keys()
    terms = session.environment.terms(session.options)

    def draft(read: Live, settled: Records) -> Draft:
        return make_plan(desired, read, settled, terms)

    making = plan.planned_of(session.client, live, records, draft, terms, say=lambda _: None)
    planned = session.run(resources.with_renewed_lease(ledger, session.clock, making))
    planned = replace(planned, plan=without_requests(planned.plan, desired.customers.keys() - known))
    run = apply.new_run(session.clock, COMMAND, origin=origin_of_run(session.settings.root))
    done = apply.finished_run(run, session.clock, "done", requests=session.client.requests)
    ledger.commit([*apply.bookkeeping(planned, terms), PutRun(done)])
    bound = {row.external_id for row in planned.plan.entries}
    output.note(f"{count(len(bound), 'customer')} bound")
    if known:
        output.note(f"{count(len(known), 'is', 'are')} bound already: left as before")
    if left := sorted(desired.customers.keys() - known - bound):
        more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        output.say(f"not bound: {', '.join(left[:_NAMED])}{more}; the next plan says why")


def _written(session: Session, paths: Sequence[Path]) -> Desired:
    """
    Return what was just written, as it is written: an overlay may want it otherwise, which the next plan shows.

    The environment's patterns hold, as they say whose customers it has.
    """
    environment = session.environment
    return load_desired(
        [path.absolute() for path in paths],
        root=session.settings.root,
        include=environment.include,
        exclude=environment.exclude,
    ).desired
