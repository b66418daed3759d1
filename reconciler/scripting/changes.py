"""Changes of a script: each in a run of its own, under the lock and the policy of its environment."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from reconciler.api.client import ApiClient
from reconciler.apply.direct_request import Call
from reconciler.clock import Clock
from reconciler.errors import Interrupted, ReconcilerError, Refused, Unanswered
from reconciler.ledger.base import Ledger
from reconciler.model.core import Action, Status
from reconciler.pipeline import applying, calling, writing
from reconciler.pipeline.calling import Called, Prepared
from reconciler.pipeline.origin import Origin
from reconciler.plan.limits import closed
from reconciler.report.plan_words import limit_phrase, limit_way
from reconciler.settings import Environment, Options


@dataclass(frozen=True, slots=True)
class Changes:
    """
    What changes one account, a call at a time: this process's own lock would refuse a second one.

    `approved` are actions that the policy wants approved; another run is waited for `lock_timeout_s`.
    """

    environment: Environment
    options: Options
    client: ApiClient
    clock: Clock
    origin: Origin
    approved: frozenset[Action] = frozenset()
    lock_timeout_s: float = 0.0
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def made(self, call: Call) -> object:
        """
        Make a call and return the reply's body, None where none came.

        Raises Refused where the policy, the lock or the ledger is against it, Unanswered where it stays in doubt, and
        what the request failed with.
        """
        async with self._one_at_a_time:
            doing = f"a script: {call.name}"
            begun = await writing.begin(self.environment, self.clock, doing=doing, timeout_s=self.lock_timeout_s)
            with begun as ledger:
                called = await writing.kept(ledger, self.clock, self._carried(ledger, call))
        return _body(called)

    async def _carried(self, ledger: Ledger, call: Call) -> Called:
        """Prepare a call, check it against the policy, and send it."""
        terms = self.environment.terms(self.options)
        prepared = await calling.prepare(self.client, ledger, call, terms)
        self._check(prepared)
        return await calling.carry_out(
            self.client,
            ledger,
            prepared,
            terms,
            run=applying.new_run(self.clock, call.name, origin=self.origin),
            clock=self.clock,
            stop=asyncio.Event(),
            tell=lambda _: None,
        )

    def _check(self, prepared: Prepared) -> None:
        """Raise Refused where the policy wants an approval that is not given, or holds a window closed."""
        policy, action = self.environment.policy, prepared.change.action
        if action in policy.require_approval_for and action not in self.approved:
            raise Refused(f"the policy wants {action} approved; nothing was sent", f"give approve=[{action.value!r}]")
        for row in closed(prepared.plan.changes, policy.windows, self.client.server_now()):
            raise Refused(f"outside a window: {limit_phrase(row)}; nothing was sent", limit_way(row))


def _body(called: Called) -> object:
    """Return the body of the reply to a call that was done; raise what it ended in otherwise."""
    match called.outcome.status:
        case Status.DONE:
            return called.body
        case Status.IN_DOUBT:
            raise Unanswered(called.outcome.message)
        case Status.SKIPPED:
            raise Interrupted(called.outcome.message)
        case Status.FAILED:
            raise called.failure or ReconcilerError(called.outcome.message)
