"""`seed`: customers who do not exist, created in an environment that is not production, or printed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click

from reconciler.cli import consent, output
from reconciler.cli.carry_out import RunOptions, agreed_and_done, asked_of
from reconciler.cli.import_ import schema_from
from reconciler.cli.options import Ask
from reconciler.cli.plan import made
from reconciler.cli.session import Session, connected, declared, settings_of
from reconciler.desired.write import write_customers
from reconciler.errors import Refused, Source
from reconciler.escape import visible
from reconciler.ledger.base import Ledger
from reconciler.model.core import Action, Desired, DesiredCustomer, Reason
from reconciler.model.plan import Change
from reconciler.model.policy import Prune, Terms
from reconciler.pipeline import resources
from reconciler.report.layout import count
from reconciler.settings import Environment, Options, Settings
from reconciler.settings.values import bills
from reconciler.synthetic.people import generate_customers

PRINTED = 10
"""How many customers `--print` prints unless told how many."""


def print_generated(customers: int | None, users: int, seed: int, out: Path | None) -> None:
    """Write customers who do not exist."""
    if out is not None:
        output.check_new(out)
    customers = PRINTED if customers is None else customers
    text = write_customers(
        generate_customers(customers, users, seed), schema="" if out is None else schema_from(out.parent)
    )
    output.document_to(out, text)
    output.note(f"{count(customers, 'customer')} written, {count(customers * users, 'user')}")


NOBODYS = ("example", "test", "invalid", "localhost")
"""Top-level domains that nobody can own (RFC 2606), so that no mail reaches a person."""
EXAMPLES = ("example.com", "example.net", "example.org")
_NAMED = 3

GENERATED = "generated"
"""The file of an entry that no file declares."""


@dataclass(frozen=True, slots=True)
class Generated:
    """How many customers to generate, with how many users each, from which seed number."""

    customers: int
    users: int
    seed: int


def run(
    ctx: click.Context,
    customers: int | None,
    users: int,
    number: int,
    form: str,
    *,
    options: Options,
    reset: bool,
    real_addresses: bool,
    redact: bool,
    ask: Ask,
) -> None:
    """Plan what is declared or generated, ask, do it."""
    if customers is not None and options.files:
        raise click.UsageError("--customers generates customers: leave out -f")
    consent.can_be_asked(auto_approve=ask.auto_approve)
    asked = asked_of(ctx, ask, form, redact=redact)
    settings = settings_of(options)
    environment = settings.environment()
    _may_be_filled(environment, reset=reset)
    wanted = None if customers is None else Generated(customers, users, number)
    desired = _desired(settings, environment, wanted, redact=redact)
    if not real_addresses:
        _nobodys(desired)
    with (
        connected(settings, options, environment, trace=asked.events.sent) as session,
        session.run(resources.begin(environment, session.clock, doing="seed", timeout_s=ask.lock_timeout_s)) as ledger,
    ):
        ctx.exit(_fill(session, ledger, desired, asked, reset=reset))


def _may_be_filled(environment: Environment, *, reset: bool) -> None:
    """Raise Refused for production, and for a reset of what is not marked disposable."""
    if bills(environment.base_url()):
        raise Refused("seed does not work in production; nothing was sent", "select another environment with -e")
    if reset and not environment.disposable:
        raise Refused(
            f"environment {visible(environment.name)} is not marked disposable; nothing was sent",
            (
                "--reset archives every customer that is not declared: write `disposable: "
                "true` under the environment in the project file"
            ),
        )


def _desired(settings: Settings, environment: Environment, wanted: Generated | None, *, redact: bool) -> Desired:
    """Return what the files declare, or what is generated, which counts as standard input and removes no entry."""
    if wanted is None:
        return declared(settings, environment, redact=redact).desired
    # Only here: Faker takes half a second to load.
    from reconciler.synthetic.people import generate_customers

    text = write_customers(generate_customers(wanted.customers, wanted.users, wanted.seed))
    bare = replace(environment, overlays=())
    made = declared(settings, bare, paths=("-",), stdin=io.BytesIO(text.encode("utf-8"))).desired
    source = Source(GENERATED)
    return replace(made, customers={key: _placed(one, source) for key, one in made.customers.items()})


def _placed(customer: DesiredCustomer, source: Source) -> DesiredCustomer:
    """Return a customer that is in no file that anybody could look into."""
    return replace(customer, source=source, users=tuple(replace(user, source=source) for user in customer.users))


def _nobodys(desired: Desired) -> None:
    """Raise Refused where an address may be someone's."""
    found = [address for address in _addresses(desired) if not _is_nobodys(address)]
    if found:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise Refused(
            visible(f"these email addresses may be real: {', '.join(found[:_NAMED])}{more}; nothing was sent"),
            "a created user may get an email: use domains such as acme.example, or pass --real-addresses",
        )


def _addresses(desired: Desired) -> Iterator[str]:
    """Yield every email address that is declared."""
    for customer in desired.customers.values():
        if customer.fields.get("email"):
            yield str(customer.fields["email"])
        for user in customer.users:
            yield user.email


def _is_nobodys(address: str) -> bool:
    """
    Say whether an address is of a domain that is kept for examples.

    >>> _is_nobodys("a@acme.example"), _is_nobodys("a@mail.example.com"), _is_nobodys("a@myexample.com")
    (True, True, False)
    """
    domain = address.rpartition("@")[2].casefold().rstrip(".")
    return domain.rpartition(".")[2] in NOBODYS or any(f".{domain}".endswith(f".{one}") for one in EXAMPLES)


def _fill(session: Session, ledger: Ledger, desired: Desired, asked: RunOptions, *, reset: bool) -> int:
    """Plan, ask and do it, and return the exit code."""
    terms = session.environment.terms(session.options)
    began_s = session.clock.monotonic()
    planned = made(session, ledger, desired, _resetting(terms) if reset else terms, patient=True, lacked={})
    planned = replace(planned, plan=replace(planned.plan, changes=tuple(map(_seeded, planned.plan.changes))))
    planned_s = session.clock.monotonic() - began_s
    archives = planned.plan.count(Action.ARCHIVE)
    if reset and archives and not asked.auto_approve:
        words = f"{count(archives, 'customer')} of {session.environment.name} would be archived"
        consent.word(words, session.environment.name)
    return agreed_and_done(session, ledger, planned, asked, name="seed", planned_s=planned_s)


def _seeded(change: Change) -> Change:
    """Return a change as `seed` plans it: what was generated has a reason of its own, and no source."""
    generated = change.source is not None and change.source.file == GENERATED
    return replace(change, reason=Reason.SEED, source=None) if generated else change


def _resetting(terms: Terms) -> Terms:
    """Return the terms under which all that is not declared is archived."""
    return replace(terms, prune=Prune.ALL, owns=("*",), reset=True)
