"""Probes of the emulator in virtual time: an account of strangers, a probe, and the run after it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from clocks import Dead, Killed, VirtualClock
from emulated import Stopped
from world import REF, World

from reconciler.emulator.server import EmulatorTransport
from reconciler.emulator.service import Emulator, load
from reconciler.model.core import CustomerId
from reconciler.model.policy import Terms
from reconciler.model.reports import NO, YES, ProbeQuestion
from reconciler.pipeline import apply, doctor
from reconciler.pipeline.history import PROBING
from reconciler.rules import Behaviour, Clears, LagOn, LargerLimit, Order, Precision, Unique, UserUnique
from reconciler.rules.account import StoredCustomer

STRANGERS = 130
TERMS = Terms(REF, rate_per_s=0.0)
_USUAL, _LARGER, _ENOUGH = 100, 1000, 4


class Probed(World):
    """A world whose account is the emulator's, with a number of customers that nobody declares."""

    def __init__(self, folder: Path, behaviour: Behaviour, *, strangers: int = STRANGERS) -> None:
        super().__init__(folder)
        # No whole second: what is cut off created_at must be something.
        self.passed_s = 3600.123456
        self.emulator = Emulator(behaviour=behaviour, rate=0, clock=Stopped(self._now))
        self.answers = EmulatorTransport(self.emulator).handle_async_request
        self.tell: Callable[[str, asyncio.Event], None] = lambda _, __: None
        rows = [
            {
                "external_id": f"stranger-{number}",
                "name": "Stranger",
                "created_at": f"2025-01-01T00:{number // 60:02}:{number % 60:02}Z",
            }
            for number in range(strangers)
        ]
        load(self.emulator.account, rows, 0.0)

    def probe(self, terms: Terms = TERMS) -> doctor.ProbeResult:
        """Probe the account."""
        return self._run(self._probe(terms))

    async def _probe(self, terms: Terms) -> doctor.ProbeResult:
        clock, stop = VirtualClock(self._now()), asyncio.Event()
        with self.ledger() as ledger:
            async with self._client() as client:
                run = apply.new_run(clock, PROBING)
                given = {"run": run, "clock": clock, "stop": stop, "tell": lambda text: self.tell(text, stop)}
                try:
                    return await doctor.probe(client, ledger, terms, **given)
                except Killed:
                    raise Dead from None

    def marked(self) -> list[StoredCustomer]:
        """Return all customers that probes made."""
        customers = self.emulator.account.customers.values()
        return [one for one in customers if one.external_id.casefold().startswith("reconciler-probe-")]

    def active(self) -> list[CustomerId]:
        """Return those of them that are active."""
        return [CustomerId(one.id) for one in self.marked() if not one.archived]


def expected(ways: Behaviour, strangers: int = STRANGERS) -> dict[ProbeQuestion, str]:
    """Return what a probe of an account with these ways answers, but for the lag; "" where no probe could tell."""
    twice = ways.unique is not Unique.NONE
    refused = ways.larger_limit is LargerLimit.REFUSE and ways.page_max < _LARGER
    longest = min(ways.page_max, ways.page_holds or _LARGER, _LARGER if not refused else _USUAL)
    shown = min(longest, strangers)
    newest = shown >= _ENOUGH and ways.order in (Order.NEWEST, Order.UPDATED)
    # Compared more finely than it is shown, a moment that is sent back is earlier than the one that is meant.
    finer = ways.finer_inside and ways.precision is not Precision.US
    orders = {Order.NEWEST: "newest", Order.UPDATED: "newest", Order.OLDEST: "oldest", Order.ID: "other"}
    late = ways.lag_s > 0
    answers = {
        ProbeQuestion.LISTS_ARCHIVED: _word(ways.lists_archived) if ways.narrows else "",
        ProbeQuestion.GETS_ARCHIVED: _word(ways.gets_archived),
        ProbeQuestion.PATCHES_ARCHIVED: _word(ways.patches_archived),
        ProbeQuestion.REPEATED_ARCHIVE: str(ways.repeated_archive),
        ProbeQuestion.REPEATED_RESTORE: str(ways.repeated_restore),
        ProbeQuestion.RESTORE_REPLIES: _word(ways.restore_replies),
        ProbeQuestion.UNIQUE: ways.unique.value,
        ProbeQuestion.UNIQUE_STATUS: str(ways.unique_status) if twice else "",
        ProbeQuestion.EXTERNAL_IDS: ways.external_ids.value,
        ProbeQuestion.EMAIL_REQUIRED: _word("email" in ways.required),
        ProbeQuestion.LARGER_LIMIT: "refused" if refused else "taken" if shown > _USUAL else "cut",
        ProbeQuestion.LONGEST_PAGE: "" if refused or shown == strangers else str(shown),
        ProbeQuestion.PAGE_SHAPE: ways.page_shape.value,
        ProbeQuestion.ORDER: orders[ways.order] if shown >= _ENOUGH else "",
        ProbeQuestion.PAGING: ways.paging.value if newest else "",
        ProbeQuestion.NARROWS: _word(ways.narrows),
        ProbeQuestion.START_INCLUSIVE: _word(ways.start_inclusive or finer) if ways.narrows else "",
        ProbeQuestion.END_INCLUSIVE: _word(ways.end_inclusive and not finer) if ways.narrows else "",
        ProbeQuestion.PRECISION: ways.precision.value,
        ProbeQuestion.LAG_ON: ways.lag_on.value if late and lag_of(ways) else "",
        ProbeQuestion.CLEARS: ways.clears.value,
        ProbeQuestion.CLEARS_REFUSED: "" if ways.clears is Clears.BOTH else _word(ways.clears_refused),
        ProbeQuestion.UNSET: ways.unset.value,
        ProbeQuestion.IGNORES: ",".join(sorted(ways.ignores)) or NO,
        ProbeQuestion.REWRITES: ",".join(sorted(one.value for one in ways.rewrites)) or NO,
        ProbeQuestion.USER_UNIQUE: "none" if ways.user_unique is UserUnique.NONE else "refused",
        ProbeQuestion.USER_CASE: _user_case(ways),
        ProbeQuestion.EMAIL_LOWERED: _word(ways.email_lowered),
        ProbeQuestion.METHODS_BARE: _word(ways.methods_bare),
        ProbeQuestion.EXTRA_FIELDS: _word(ways.extra_fields),
    }
    refuses = (
        refused
        or twice
        or answers[ProbeQuestion.USER_UNIQUE] == "refused"
        or answers[ProbeQuestion.CLEARS_REFUSED] == YES
        or "email" in ways.required
        or (late and ways.lag_on is LagOn.READS)
        or not (ways.gets_archived and ways.patches_archived)
        or (ways.repeated_archive, ways.repeated_restore) != (200, 200)
    )
    return {**answers, ProbeQuestion.ERROR_BODY: ways.error_body.value if refuses else ""}


def lag_of(ways: Behaviour) -> float:
    """Return the lag that a probe sees: none where only lists lag, and no list can be narrowed to what was created."""
    return 0.0 if ways.lag_on is LagOn.LISTS and not ways.narrows else ways.lag_s


def _user_case(ways: Behaviour) -> str:
    """Return whether the case of a user's e-mail makes another."""
    if ways.user_unique is UserUnique.NONE:
        return ""
    return "counts" if ways.user_email_case and not ways.email_lowered else "ignored"


def _word(answer: bool) -> str:
    return YES if answer else NO


SWITCHES: dict[str, tuple[object, ...]] = {
    "lists_archived": (False, True),
    "gets_archived": (True, False),
    "patches_archived": (True, False),
    "restore_replies": (True, False),
    "unique": ("all", "active", "none"),
    "unique_status": (400, 422),
    "external_ids": ("kept", "trimmed", "lowered"),
    "required": ("", "name", "name,email"),
    "patch_identity": ("ignore", "refuse"),
    "ignores": ("", "city", "city,legal_name"),
    "synced": ("take", "refuse"),
    "clears": ("text", "null", "both", "nothing"),
    "clears_refused": (False, True),
    "unset": ("text", "null", "absent"),
    "rewrites": ("", "trim", "country,ein", "state,address"),
    "page_max": (100, 1000, 50),
    "larger_limit": ("cut", "refuse"),
    "page_holds": (0, 3),
    "page_uneven": (False, True),
    "page_shape": ("flat", "nested"),
    "paging": ("position", "offset"),
    "order": ("newest", "oldest", "id", "updated"),
    "narrows": (True, False),
    "start_inclusive": (True, False),
    "end_inclusive": (True, False),
    "precision": ("us", "ms", "s"),
    "finer_inside": (False, True),
    "lag_s": (0, 3, 12),
    "lag_on": ("reads", "lists"),
    "repeated_archive": (200, 400, 404),
    "repeated_restore": (200, 400, 404),
    "user_unique": ("customer", "account", "none"),
    "user_email_case": (False, True),
    "email_lowered": (False, True),
    "methods_bare": (False, True),
    "extra_fields": (False, True),
    "error_body": ("http_error", "other", "empty", "html"),
    "limiter": ("second", "sliding", "bucket"),
    "token_counts": (False, True),
    "retry_after": ("seconds", "date", "none"),
    "limit_headers": ("none", "x_ratelimit", "ratelimit"),
    "scope_status": (403, 401, 404),
}
"""The emulator's switches, each with its ways; what a probe cannot see is among them, so that it does not disturb."""

UNSEEN = {field.name for field in fields(Behaviour)} - SWITCHES.keys()
