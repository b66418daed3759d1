"""What a run of ours must never do, and what it must reach: each rule from the specification alone."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase

from api_account import Customer, Endpoint
from api_model import stored
from story import Ran, ids_of

from reconciler.model.core import Action, CustomerId, Desired, DesiredCustomer, Status
from reconciler.model.ledger import Binding, BindingState
from reconciler.model.plan import Change
from reconciler.model.policy import Prune
from reconciler.model.reasons import EndReason
from reconciler.plan.server_behavior import known_lag


def changes(ran: Ran, action: Action) -> list[Change]:
    return [change for change in ran.applied.plan.changes if change.action is action]


def row_of(ran: Ran, customer_id: str | None) -> Binding | None:
    return next((row for row in ran.records.bindings.values() if row.id == customer_id), None)


def held(row: Binding | None, state: BindingState) -> bool:
    return row is not None and row.state is state


def young(ran: Ran, customer_id: str) -> bool:
    """Say whether our last write to a customer need not be seen yet."""
    row = row_of(ran, customer_id)
    return row is not None and row.written_at > ran.started_at - known_lag(ran.records.learned, ran.terms) - 1


def pins(desired: Desired) -> set[str]:
    return {one.id for one in desired.customers.values() if one.id is not None}


def names_of(desired: Desired, key: str) -> set[str]:
    """Return the key and its former keys."""
    names = {key}
    for _ in desired.moved:
        names |= {move.origin for move in desired.moved if move.to in names}
    return names


def rows_of(ran: Ran, one: DesiredCustomer) -> list[Binding]:
    """Return the ledger's rows of an entry's key and former keys."""
    return [row for name in names_of(ran.desired, one.external_id) if (row := ran.records.bindings.get(name))]


def candidates(ran: Ran, one: DesiredCustomer, among: Iterable[Customer] | None = None) -> set[CustomerId | str | None]:
    """Return the ids that an entry may be, `among` the customers before the run unless told."""
    if one.id is not None:
        return {one.id}
    there = ran.before if among is None else among
    carried = {found.id for found in there if found.external_id in names_of(ran.desired, one.external_id)}
    return {row.id for row in rows_of(ran, one)} | carried


# --- what differs ---------------------------------------------------------------------------------------


def patches_are_of_what_differs(ran: Ran) -> Iterator[str]:
    """A patch carries declared fields alone, none that is ignored or the same in canonical form."""
    for change in changes(ran, Action.PATCH):
        one = ran.desired.customers[change.address.external_id]
        for field in change.fields:
            if field.name not in one.fields or field.name in one.ignore_changes:
                yield f"{change.address}: {field.name} is patched and not managed"
            elif field.after != one.fields[field.name] or field.name in ("email", "external_id"):
                yield f"{change.address}: {field.name} is patched to {field.after!r}"
            elif canonical(field.name, field.before) == canonical(field.name, field.after):
                yield f"{change.address}: {field.name} is patched from {field.before!r} to {field.after!r}"


def canonical(name: str, value: str | None) -> str:
    """Return the form in which values compare: NFC, no outer blanks, EINs without hyphen, e-mails without case."""
    text = unicodedata.normalize("NFC", value or "").strip()
    return text.replace("-", "") if name == "ein" else text.casefold() if name == "email" else text


def what_is_declared_is_reached(ran: Ran) -> Iterator[str]:
    """Where every change was done, what is not blocked is as declared, as far as this server stores it."""
    if ran.applied.halt or any(one.status != "done" for one in ran.applied.outcomes):
        return
    blocked = {(row.address.external_id, row.field) for row in ran.applied.plan.blocked}
    after = {one.id: one for one in ran.after}
    for key, one in ran.desired.customers.items():
        ids = candidates(ran, one, ran.after)
        if (key, None) in blocked or one.archived or _unfinished(ran, key):
            continue
        there = [
            after[found] for found in ids if found in after and (not after[found].archived or ran.ways.lists_archived)
        ]
        if not there:
            yield f"{key!r} is wanted and not there"
        for name, value in one.fields.items():
            wanted = {canonical(name, value), canonical(name, stored(name, value or "", ran.ways))}
            if (key, name) in blocked or name in one.ignore_changes or not there:
                continue
            if not any(canonical(name, found.fields.get(name)) in wanted for found in there):
                yield f"{key!r}: {name} is {[found.fields.get(name) for found in there]}, declared {value!r}"


def _unfinished(ran: Ran, key: str) -> bool:
    """Say whether a customer was restored now, or written so lately that what others did is not checked yet."""
    written = any(young(ran, row.id) for row in rows_of(ran, ran.desired.customers[key]))
    return written or any(change.address.external_id == key for change in changes(ran, Action.RESTORE))


def left(before: Ran, after: Ran) -> list[Change]:
    """Return what `after` planned again although `before` had done it; what was refused or skipped is not done."""
    refused = {
        one.change.address.external_id
        for one in before.ended(Status.FAILED)
        if one.ending is None or one.ending.code is not EndReason.FIELDS_NOT_TAKEN
    }
    skipped = {(one.change.action, one.change.address) for one in before.ended(Status.SKIPPED)}
    return [
        change
        for change in after.applied.plan.changes
        if change.address.external_id not in refused and (change.action, change.address) not in skipped
    ]


# --- what is counted ------------------------------------------------------------------------------------


def limits_name_what_exceeds_them(ran: Ran) -> Iterator[str]:
    """Archives, and restores of what others archived, are held against a tenth of the active customers, at least 1."""
    rows = ran.records.bindings.values()
    active = sum(row.state is BindingState.ACTIVE for row in rows)
    archives = len(changes(ran, Action.ARCHIVE))
    restores = sum(not held(row_of(ran, one.id), BindingState.ARCHIVED) for one in changes(ran, Action.RESTORE))
    if ran.terms.prune is Prune.ALL:
        return
    allowed = max(1, active // 10)
    planned = {"max_archives": archives, "max_restores": restores}
    wanted = {name: count for name, count in planned.items() if count > allowed}
    found = {limit.name: limit.planned for limit in ran.applied.plan.limits}
    if found != wanted:
        yield f"the limits are {found}, exceeded are {wanted}"


def unchanged_counts_the_rest(ran: Ran) -> Iterator[str]:
    """`unchanged` counts the declared customers with no change and nothing blocked."""
    plan = ran.applied.plan
    touched = {row.address.external_id for row in (*plan.changes, *plan.blocked)}
    rest = len(ran.desired.customers.keys() - touched)
    if plan.unchanged != rest:
        yield f"unchanged is {plan.unchanged}, it should be {rest}"


Rule = Callable[[Ran], Iterator[str]]


def complaints(runs: Iterable[Ran], *rules: Rule) -> list[str]:
    """Return what `rules` (all, unless given) have to say of `runs`, each with the name of its rule."""
    return [f"{rule.__name__}: {words}" for ran in runs for rule in rules or RULES for words in rule(ran)]


# --- what somebody may have meant -----------------------------------------------------------------------


def archives_are_allowed(ran: Ran) -> Iterator[str]:
    """Only what is declared archived, ours whose entry has gone, or owned; never what is protected or forgotten."""
    for customer_id in ids_of(ran.sent(Endpoint.ARCHIVE)):
        customer = ran.customer(customer_id)
        if customer is None:
            if not young(ran, customer_id):
                yield f"{customer_id} does not exist"
        elif not (_declared_archived(ran, customer) or _entry_gone(ran, customer) or _owned(ran, customer)):
            yield f"{customer_id} ({customer.external_id!r}) is archived without leave"
        elif customer.archived and not ran.ways.lists_archived and not young(ran, customer_id):
            yield f"{customer_id} was archived already, and nobody saw it active"


def _declared_archived(ran: Ran, customer: Customer) -> bool:
    """Say whether an entry that is this customer says `archived: true`, and nothing protects it."""
    return any(
        one.archived and customer.id in candidates(ran, one) and not _protected(ran, one.external_id, customer.id)
        for one in ran.desired.customers.values()
    )


def _entry_gone(ran: Ran, customer: Customer) -> bool:
    """Say whether we manage it, and its entry would have been read now if it still stood."""
    row = row_of(ran, customer.id)
    if row is None or row.state is not BindingState.ACTIVE or ran.terms.prune is Prune.NONE:
        return False
    reading = ran.desired.reading
    read = row.source in {file.name for file in reading.files} or any(
        row.source.startswith(f"{folder}/") for folder in reading.folders
    )
    return (
        read
        and row.project == ran.terms.project
        and row.external_id not in ran.desired.customers
        and row.external_id not in ran.desired.forget
        and row.external_id not in {move.origin for move in ran.desired.moved}
        and customer.external_id == row.live_external_id
        and not _protected(ran, row.external_id, customer.id)
        and customer.id not in pins(ran.desired)
    )


def _owned(ran: Ran, customer: Customer) -> bool:
    """Say whether `prune: all` may archive it: its external_id is the environment's, and no entry is it."""
    key, row = customer.external_id, row_of(ran, customer.id)
    return (
        ran.terms.prune is Prune.ALL
        and bool(key)
        and any(fnmatchcase(key, pattern) for pattern in ran.terms.owns)
        and key not in ran.desired.customers
        and key not in ran.desired.forget
        and key not in {move.origin for move in ran.desired.moved}
        # A row without a file is of one whose archive as owned did not come through.
        and (row is None or (not row.source and row.state is BindingState.ACTIVE))
        and customer.id not in pins(ran.desired)
        and not any(fnmatchcase(key, pattern) for pattern in ran.terms.protect)
    )


def _protected(ran: Ran, key: str, customer_id: str) -> bool:
    """Say whether the policy, the ledger or the entry protects a customer; a `protect: false` counts once applied."""
    row, declared = row_of(ran, customer_id), ran.desired.customers.get(key)
    return (
        any(fnmatchcase(key, pattern) for pattern in ran.terms.protect)
        or (row is not None and row.protected)
        or (declared is not None and declared.protect is True)
    )


def restores_are_allowed(ran: Ran) -> Iterator[str]:
    """Only what an entry wants active, and what is not active or was archived by us."""
    for customer_id in set(ids_of(ran.sent(Endpoint.RESTORE))):
        customer, row = ran.customer(customer_id), row_of(ran, customer_id)
        entries = [one for one in ran.desired.customers.values() if not one.archived]
        if not any(customer_id in candidates(ran, one) for one in entries):
            yield f"{customer_id} is restored and no entry wants it"
        elif customer is not None and not customer.archived and not held(row, BindingState.ARCHIVED):
            yield f"{customer_id} is restored and was active"


# --- who is who -----------------------------------------------------------------------------------------


def creates_are_allowed(ran: Ran) -> Iterator[str]:
    """Only for a key that is wanted, that nobody is, and that is not known to have been anybody."""
    for change in changes(ran, Action.CREATE):
        key = change.address.external_id
        one = ran.desired.customers.get(key)
        if one is None or one.archived:
            yield f"{key!r} is created and not wanted"
        elif bound := {row.id for row in rows_of(ran, one)} | ({one.id} if one.id else set()):
            yield f"{key!r} is created although it is bound to {sorted(map(str, bound))}"
        elif seen := [found.id for found in ran.before if found.external_id == key and not found.archived]:
            yield f"{key!r} is created although {seen} carry it"


def nobody_is_created_beside_who_may_be_it(ran: Ran) -> Iterator[str]:
    """
    No create beside an active customer that no key has, by nearly its external_id or an email that is unique.

    A listed customer that someone else archived looks active, so its email counts.
    """
    wanted = [one for one in ran.desired.customers.values() if not one.archived]
    active = [found for found in ran.before if not found.archived]
    declared_emails = Counter(canonical("email", one.fields.get("email")) for one in wanted)
    listed = ran.before if ran.ways.lists_archived else active
    live_emails = Counter(canonical("email", found.fields.get("email")) for found in listed)
    taken = pins(ran.desired) | {row.id for row in ran.records.bindings.values()}
    for change in changes(ran, Action.CREATE):
        one = ran.desired.customers[change.address.external_id]
        email = canonical("email", one.fields.get("email"))
        for found in active:
            if found.id in taken or found.external_id in ran.desired.customers:
                continue
            if _folded(found.external_id) == _folded(one.external_id):
                yield f"{one.external_id!r} is created beside {found.id} ({found.external_id!r})"
            eins = {canonical("ein", fields.get("ein")) for fields in (one.fields, found.fields)} - {""}
            alone = declared_emails[email] == live_emails[email] == 1 and len(eins) < 2
            if email and alone and canonical("email", found.fields.get("email")) == email:
                yield f"{one.external_id!r} is created beside {found.id}, which has its email"


def _folded(external_id: str) -> str:
    """Return an external_id as a careless server may keep it."""
    return unicodedata.normalize("NFC", external_id).strip().casefold()


def adoptions_are_of_the_one(ran: Ran) -> Iterator[str]:
    """Without a pin an entry is bound only to the one customer that carries its key, or a former key, to the letter."""
    for change in ran.applied.plan.bindings:
        one = ran.desired.customers.get(change.address.external_id)
        if change.action != "adopt" or one is None or one.id is not None:
            continue
        names = names_of(ran.desired, one.external_id)
        carriers = [found.id for found in ran.before if found.external_id in names and not found.archived]
        customer = ran.customer(change.id)
        if customer is None or customer.external_id not in names:
            yield f"{one.external_id!r} adopts {change.id}, which does not carry it"
        elif len(carriers) > 1 and not {row.id for row in ran.records.bindings.values()} & set(carriers):
            yield f"{one.external_id!r} adopts {change.id}, one of {carriers}"


def nobody_is_doubled(ran: Ran) -> Iterator[str]:
    """No external_id has more active customers than before, or one; no customer two users with one address."""
    before, after = _active(ran.before), _active(ran.after)
    yield from (f"{key!r} is active {after[key]} times" for key in after if after[key] > max(1, before[key]))
    users = {one.id: Counter(user.email.casefold() for user in one.users) for one in ran.before}
    for customer in ran.after:
        had = users.get(customer.id, Counter())
        for email, count in Counter(user.email.casefold() for user in customer.users).items():
            if count > max(1, had[email]):
                yield f"{customer.id} has {email} {count} times"


def _active(customers: Iterable[Customer]) -> Counter[str]:
    return Counter(one.external_id for one in customers if one.external_id and not one.archived)


RULES: tuple[Rule, ...] = (
    archives_are_allowed,
    restores_are_allowed,
    creates_are_allowed,
    nobody_is_created_beside_who_may_be_it,
    adoptions_are_of_the_one,
    nobody_is_doubled,
    patches_are_of_what_differs,
    what_is_declared_is_reached,
    limits_name_what_exceeds_them,
    unchanged_counts_the_rest,
)
