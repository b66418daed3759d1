"""What every form of a plan says in the same words, its price included, and how it groups the changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import ceil

from reconciler.model.core import Action, Live
from reconciler.model.ledger import Learned
from reconciler.model.plan import BindingAction, Change, Cost, Exceeded, Plan
from reconciler.report.layout import count, duration


def reading_requests(learned: Learned) -> int | None:
    """
    Return how many requests a token and one listing take by what the last one held; None where none is known.

    Ranges are cut so that they take one more together, nearly always.

    >>> reading_requests(Learned(longest_page=100, listed=5_950)), reading_requests(Learned())
    (61, None)
    """
    if not learned.longest_page:
        return None
    return 1 + max(1, ceil(learned.listed / learned.longest_page)) + bool(learned.cuts)


def again_requests(customers: int, longest_page: int) -> int:
    """
    Return how many requests it takes to list the account once more, in one; a full last page is asked for another.

    >>> again_requests(350, 100), again_requests(300, 100), again_requests(0, 0)
    (4, 4, 1)
    """
    return 1 if not longest_page else max(1, ceil(customers / longest_page) + (customers % longest_page == 0))


def again_price(live: Live, rate_per_s: float) -> str:
    """Return what it costs to list the account once more, in one line; without a limit nothing worth a line: ""."""
    if not rate_per_s:
        return ""
    requests = again_requests(len(live.listed), live.longest_page)
    price = f"about {count(requests, 'request')}, {duration(requests / rate_per_s)} at {rate_per_s:g} per second"
    return f"listing the account once more, to be sure of who is not there: {price}"


def reading_price(learned: Learned, users: int, rate_per_s: float, *, alone: int = 0) -> str:
    """
    Return what reading the account costs, in one line; the users of so many customers are listed besides.

    `alone` is how many targets are read instead of it, 0 for the account. Without a limit, which only an emulator
    has, it costs nothing worth a line: "".

    >>> reading_price(Learned(longest_page=100, listed=5_950), 0, 5.0)
    'reading the account: about 61 requests, 12.2 s at 5 per second'
    >>> reading_price(Learned(longest_page=100, listed=5_950), 0, 5.0, alone=2)
    'reading 2 targets alone: about 3 requests, 0.6 s at 5 per second, and not the 61 of the account'
    >>> reading_price(Learned(), 0, 5.0)
    'reading the account: its size is not known yet'
    """
    account = reading_requests(learned)
    if not rate_per_s:
        return ""
    if account is None:
        return "reading the account: its size is not known yet"
    requests = users + (1 + alone if alone else account)
    price = f"about {count(requests, 'request')}, {duration(requests / rate_per_s)} at {rate_per_s:g} per second"
    if alone:
        return f"reading {count(alone, 'target')} alone: {price}, and not the {account + users} of the account"
    return f"reading the account: {price}"


TITLES = {
    Action.RESTORE: "Restore",
    Action.PATCH: "Patch",
    Action.CREATE: "Create",
    Action.CREATE_USER: "Create users of customers that exist",
    Action.ARCHIVE: "Archive",
}


_BINDINGS = {
    BindingAction.ADOPT: "adoption",
    BindingAction.MOVE: "move",
    BindingAction.FORGET: "forgotten key",
    BindingAction.RELEASE: "release",
}


def summary_line(plan: Plan) -> str:
    """
    Return the plan in one line.

    >>> from reconciler.model.core import EnvironmentRef
    >>> summary_line(Plan(EnvironmentRef("demo", "https://api.example", ""), "default", unchanged=40))
    'Nothing to do. 40 customers are as declared.'
    """
    if plan.empty and not plan.blocked:
        as_declared = f" {count(plan.unchanged, 'customer is', 'customers are')} as declared." if plan.unchanged else ""
        if plan.bindings:
            return f"No changes to the account.{as_declared} Run apply to record {bindings_phrase(plan)}."
        return f"Nothing to do.{as_declared}"
    users = plan.count(Action.CREATE_USER)
    return (
        f"Plan: {plan.count(Action.CREATE)} to create, {count(users, 'user')}, {plan.count(Action.PATCH)} to patch, "
        f"{plan.count(Action.ARCHIVE)} to archive, {plan.count(Action.RESTORE)} to restore; "
        f"{len(plan.blocked)} blocked; {plan.unchanged} unchanged."
    )


def bindings_phrase(plan: Plan) -> str:
    """
    Return in a few words what a plan changes in the ledger alone.

    >>> from reconciler.model.plan import BindingChange
    >>> from reconciler.model.core import Address, CustomerId, EnvironmentRef
    >>> one = BindingChange(BindingAction.ADOPT, Address("acme"), CustomerId("cus_1"))
    >>> bindings_phrase(Plan(EnvironmentRef("demo", "", ""), "default", bindings=(one,)))
    '1 adoption'
    """
    numbers = Counter(one.action for one in plan.bindings)
    return ", ".join(count(numbers[action], noun) for action, noun in _BINDINGS.items() if numbers[action])


def changes_phrase(plan: Plan) -> str:
    """
    Return in a few words what a plan sends, and its price.

    >>> from reconciler.model.core import Address, EnvironmentRef, Reason
    >>> one = Change(Action.ARCHIVE, Address("acme"), None, Reason.DECLARED)
    >>> changes_phrase(Plan(EnvironmentRef("demo", "", ""), "default", changes=(one,), cost=Cost(1, 3, 5.0)))
    '1 to archive; 1 request, 0.2 s'
    """
    parts = []
    for action in Action:
        number = plan.count(action)
        if number:
            parts.append(count(number, "user") if action is Action.CREATE_USER else f"{number} to {action.value}")
    time = f", {duration(plan.cost.seconds)}" if plan.cost.rate_per_s else ""
    return f"{', '.join(parts)}; {count(plan.cost.requests, 'request')}{time}"


def limit_phrase(limit: Exceeded) -> str:
    """
    Return what a plan exceeds, in words; not made visible.

    >>> limit_phrase(Exceeded("max_archives", 3, 1, "--max-archives 3"))
    'max_archives: 3 planned, 1 allowed'
    """
    written = f" ({limit.source})" if limit.source is not None else ""
    if limit.action is not None:
        return f"{limit.name}{written}: {limit.action} only {limit.rule}, {limit.planned} planned"
    return f"{limit.name}{written}: {limit.planned} planned, {limit.allowed} allowed"


def limit_way(limit: Exceeded) -> str:
    """
    Return what allows it, in words.

    >>> limit_way(Exceeded("windows", 3, 0, "", None, Action.ARCHIVE, "mon-fri", "2026-01-05T08:00:00Z"))
    'it opens at 2026-01-05T08:00:00Z'
    """
    if limit.flag:
        return f"to allow it once: {limit.flag}"
    return f"it opens at {limit.opens_at}" if limit.opens_at else "it does not open within two weeks"


def users_phrase(plan: Plan) -> str:
    """Return what creating users brings about; "" where the plan creates none."""
    users = plan.count(Action.CREATE_USER)
    if not users:
        return ""
    return f"{count(users, 'user is', 'users are')} created: each probably gets an e-mail from the vendor"


def left_out_phrase(plan: Plan) -> str:
    """Return how many customers the plan does not judge, and why; "" for none."""
    if not plan.out_of_scope:
        return ""
    left_out = count(plan.out_of_scope, "managed customer is", "managed customers are")
    return f"{left_out} left out: of another project, or of a file that was not read now"


def cost_phrase(cost: Cost) -> str:
    """
    Return the price in requests and time.

    >>> cost_phrase(Cost(12, 3, 5.0))
    'Cost: 12 requests, 2.4 s at 5/s; 3 more for the token, planning and learning.'
    """
    rest = f"; {cost.overhead} more for the token, planning and learning" if cost.overhead else ""
    if not cost.requests:
        return f"Cost: nothing to send{rest}.{_fit(cost)}"
    time = f"{duration(cost.seconds)} at {cost.rate_per_s:g}/s" if cost.rate_per_s else "at no limit"
    return f"Cost: {count(cost.requests, 'request')}, {time}{rest}.{_fit(cost)}"


def sections(plan: Plan) -> Iterator[tuple[Action, list[tuple[Change, bool]]]]:
    """
    Yield each action that there is with its changes, in their order.

    True marks a user that stands with the create of its customer, and not in a section of its own.
    """
    new = {change.address.external_id for change in plan.changes if change.action is Action.CREATE}
    members: dict[Action, list[tuple[Change, bool]]] = {action: [] for action in Action}
    for change in plan.changes:
        nested = change.action is Action.CREATE_USER and change.address.external_id in new
        members[Action.CREATE if nested else change.action].append((change, nested))
    yield from ((action, rows) for action, rows in members.items() if rows)


def _fit(cost: Cost) -> str:
    """Return in how many runs the plan fits, "" where that was not asked."""
    if cost.fit is None:
        return ""
    bounds = [] if cost.fit.max_requests is None else [count(cost.fit.max_requests, "request")]
    bounds += [] if cost.fit.max_duration_s is None else [duration(cost.fit.max_duration_s)]
    if not cost.fit.windows:
        return f" It fits in no window of {' and '.join(bounds)}: {cost.overhead} go before the first change."
    return f" It fits in {count(cost.fit.windows, 'window')} of {' and '.join(bounds)}."
