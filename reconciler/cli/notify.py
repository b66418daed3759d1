"""Notifications of drift by Apprise URLs, each state of it once."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace

from reconciler.cli import output
from reconciler.cli.session import Session
from reconciler.errors import LedgerFailed, Locked
from reconciler.model.ledger import PutLearned
from reconciler.model.reports import Drift
from reconciler.pipeline import resources
from reconciler.pipeline.plan import Planned
from reconciler.report.drift import Message, message_of, state_of
from reconciler.resources import to_install

NOTIFY = "RECONCILER_NOTIFY"


def notify(session: Session, planned: Planned, drift: Drift) -> None:
    """
    Tell the URLs in RECONCILER_NOTIFY of `drift`, where it is not what was told last; nothing without URLs.

    The ledger remembers what was told. Without one, drift is told each time, and the end of it never; nor is it while
    some customers cannot be verified yet. What cannot be sent is a warning: the exit code is the drift's.
    """
    urls = os.environ.get(NOTIFY, "").split()
    state = state_of(drift)
    if not urls or state == planned.learned.told or (drift.unverified and not drift.findings):
        return
    if _sent(urls, message_of(drift)) and planned.records.known:
        _remember(session, planned, state)


def _sent(urls: Sequence[str], message: Message) -> bool:
    """Send a message to every URL, and say whether each took it; no URL is shown, as it holds a password."""
    try:
        # Only here: an extra, and slow to load.
        import apprise
    except ImportError:
        output.say(f"warning: {NOTIFY} is set, and Apprise is not installed: {to_install('notify')}")
        return False
    # What it logs may hold parts of a URL.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    sender = apprise.Apprise()
    unknown = [number for number, url in enumerate(urls, start=1) if not sender.add(url)]
    for number in unknown:
        output.say(f"warning: URL {number} of {NOTIFY} is none that Apprise knows; nothing was sent to it")
    sent = bool(sender.notify(title=message.title, body=message.body, body_format=apprise.NotifyFormat.TEXT))
    if not sent:
        output.say(f"warning: not every URL of {NOTIFY} took the notification")
    return sent and not unknown


def _remember(session: Session, planned: Planned, state: str) -> None:
    """Write what was told; where that cannot be, it is told once more."""
    try:
        with session.run(resources.note(session.environment, session.clock, doing="drift")) as ledger:
            ledger.commit([PutLearned(replace(planned.learned, told=state))])
    except (Locked, LedgerFailed) as exc:
        output.say(f"warning: that this drift was told could not be written, so that it is told again: {exc}")
