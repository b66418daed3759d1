"""Each rule that could archive a customer, and each that keeps it, with whether it holds. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.core import DesiredCustomer, LiveCustomer
from reconciler.model.ledger import Binding, BindingState
from reconciler.model.policy import Prune
from reconciler.model.reports import RuleCheck
from reconciler.plan.entry import external_ids_of, recorded_protected
from reconciler.plan.make import Judged
from reconciler.plan.match import Identity, Known

_GONE = (
    "it is managed here, its file was read, and its entry is not there; "
    "to keep it, declare it again, or name it under `forget:`"
)


def checks(
    key: str,
    customer: DesiredCustomer | None,
    row: Binding | None,
    identity: Identity | None,
    holders: tuple[LiveCustomer, ...],
    known: Judged,
) -> Iterator[RuleCheck]:
    """Yield the rules that this kind of plan archives by, then what keeps the customer; `row` is that of its key."""
    wanted = customer is not None and customer.archived
    yield RuleCheck(
        "declared", wanted, "`archived: true` is declared" if wanted else "`archived: true` is not declared"
    )
    why = _why_not_gone(key, customer, row, known)
    yield RuleCheck("entry_gone", not why, why or _GONE)
    why = _why_not_owned(key, customer, row, holders, known)
    yield RuleCheck("owned", not why, why or "`prune: all`, `owns` matches its external_id, and nobody declares it")
    yield from _keepers(key, customer, row, identity, known)


def _why_not_gone(key: str, customer: DesiredCustomer | None, row: Binding | None, known: Judged) -> str:
    """Return why its entry has not gone, "" where it has."""
    scope, pruning = known.register.scope, known.pruning
    if customer is not None:
        return "it is declared"
    if row is None:
        return "the ledger does not have it, so it is not managed"
    if row.project != scope.project:
        return f"it is of project {row.project!r}"
    if not scope.here(key):
        return "the environment's `include` and `exclude` leave it out"
    if not scope.read(row.source):
        return f"the file of its entry was not read: {row.source or 'none'}"
    if pruning.prune is Prune.NONE:
        return "`prune: none`"
    if row.state is not BindingState.ACTIVE:
        return f"the ledger holds it as {row.state.value}"
    return ""


def _why_not_owned(
    key: str,
    customer: DesiredCustomer | None,
    row: Binding | None,
    holders: tuple[LiveCustomer, ...],
    known: Judged,
) -> str:
    """Return why it is not archived as owned, "" where it is."""
    pruning = known.pruning
    if pruning.prune is not Prune.ALL:
        return f"`prune: {pruning.prune.value}`, not `all`"
    if customer is not None:
        return "it is declared"
    if not pruning.owned(key):
        return "no pattern of `owns` matches its external_id"
    if not pruning.scope.here(key):
        return "the environment's `include` and `exclude` leave it out"
    if not holders:
        return "it is not listed"
    if row is not None and row.source:
        return "the ledger has it, so only `entry_gone` decides"
    return ""


def _keepers(
    key: str, customer: DesiredCustomer | None, row: Binding | None, identity: Identity | None, known: Judged
) -> Iterator[RuleCheck]:
    """Yield what keeps a customer from being archived."""
    pruning = known.pruning
    found = identity if isinstance(identity, Known) else None
    recorded = recorded_protected(row, None if found is None else found.row)
    declared = customer is not None and customer.protect is True
    why = "the ledger holds it as protected" if recorded else "the ledger does not hold it as protected"
    yield RuleCheck(
        "protected", recorded or declared, "`protect: true` is declared" if declared else why, archives=False
    )
    names: tuple[str, ...] = (key,) if row is None else (key, row.live_external_id)
    if customer is not None and found is not None:
        names = external_ids_of(customer, found)
    policy = pruning.protected(*names)
    where = f" ({pruning.protect_at})" if policy and pruning.protect_at is not None else ""
    why = f"a pattern matches it{where}" if policy else "no pattern matches it"
    yield RuleCheck("policy.protect", policy, why, archives=False)
    if key in pruning.forget:
        yield RuleCheck("forget", True, f"`forget` names it ({pruning.forget[key]})", archives=False)  # noqa: FBT003
    if customer is None and row is not None and row.id in pruning.claimed:
        yield RuleCheck("claimed", True, f"{row.id} is, or may be, a declared customer", archives=False)  # noqa: FBT003
