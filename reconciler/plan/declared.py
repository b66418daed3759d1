"""A declared customer with its users, to its part of the plan: by who it is, and what of it is in doubt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.errors import Incomplete
from reconciler.model.core import Action, Address, DesiredCustomer
from reconciler.model.ledger import Intent, Records
from reconciler.model.plan import Blocked
from reconciler.model.policy import Terms
from reconciler.model.reports import YES, ProbeQuestion, answers_of
from reconciler.plan.customer import Means, plan_known, plan_nobody
from reconciler.plan.entry import Here
from reconciler.plan.match import Identity, Known, Nobody, Register
from reconciler.plan.part import NOTHING, Part
from reconciler.plan.presence import Active, Unread
from reconciler.plan.scope import protecting
from reconciler.plan.users import doubtful, known_users, new_users


def open_creates(records: Records) -> dict[Address, Intent]:
    """Return the latest open intent of each create, of a customer or a user, by its address."""
    return {
        intent.address: intent for intent in records.intents if intent.action in (Action.CREATE, Action.CREATE_USER)
    }


def means_of(records: Records, terms: Terms) -> Means:
    """Return what planning a customer needs besides itself."""
    wants_email = answers_of(records.learned.answers).get(ProbeQuestion.EMAIL_REQUIRED) == YES
    return Means(Here(terms.project, terms.place), terms.equal, records.taken, protecting(terms.protect), wants_email)


@dataclass(frozen=True, slots=True)
class Declared:
    """What planning each declared customer has in common."""

    register: Register
    records: Records
    terms: Terms
    means: Means
    open_creates: Mapping[Address, Intent]

    def part(self, customer: DesiredCustomer, identity: Identity) -> Part:
        """Return what one declared customer and its users need."""
        match identity:
            case Unread(read):
                return Part(reads=(read,))
            case Blocked():
                return Part(blocked=(identity,))
            case Nobody():
                intent = self._open_create(Address(customer.external_id))
                if intent is not None and not customer.archived:
                    return Part(blocked=(doubtful(intent.address, customer.source),))
                part = plan_nobody(customer, self.means)
                return part + new_users(customer, None) if part.changes else part
            case Known():
                part = plan_known(customer, identity, self.means)
                return part if customer.archived else part + self._users(customer, identity, part)

    def _users(self, customer: DesiredCustomer, known: Known, part: Part) -> Part:
        """Return what the users of a known customer need."""
        recorded = self.records.users.get(known.id)
        if not isinstance(known.presence, Active):
            restore = next((change for change in part.changes if change.action is Action.RESTORE), None)
            if restore is None:
                return NOTHING
            if restore.otherwise is not None or recorded is None:
                return new_users(customer, known.id, unless_listed=True)
        if not customer.users and not recorded:
            return NOTHING
        live = self.register.sight.live
        seen = isinstance(known.presence, Active) and not known.presence.unseen
        if seen and known.id in live.got and live.got[known.id] is None:
            raise Incomplete(
                f"the users of {known.id}, which this tool wrote a moment ago, cannot be listed yet; nothing was sent",
                "run again in a minute",
            )
        doubted = any(Address(customer.external_id, user.email) in self.open_creates for user in customer.users)
        return known_users(
            customer,
            known.id,
            recorded,
            live.users.get(known.id),
            read_again=self.terms.refresh_users or doubted,
            listable=seen,
            fresh=known.row is not None and self.register.sight.fresh(known.row),
            in_doubt=lambda address: self._open_create(address) is not None,
        )

    def _open_create(self, address: Address) -> Intent | None:
        """Return the create of `address` that was not answered and may still come to be seen, None without one."""
        intent = self.open_creates.get(address)
        sight = self.register.sight
        return intent if intent is not None and intent.unseen_until(sight.lag_s) > sight.live.read_at else None
