"""`drift`: what the live side changed since we applied; accepted into the files, or reported to someone."""

from __future__ import annotations

import difflib
import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import output
from reconciler.cli.options import ANNOTATED
from reconciler.cli.plan import again, keep_learned
from reconciler.cli.session import (
    Session,
    annotate,
    annotated_problems,
    connected,
    declared,
    settings_of,
    shown_progress,
    standard_input,
    traced,
    warn_of_exposed_files,
)
from reconciler.desired.accept import Left, accept_drift
from reconciler.desired.files import read_files
from reconciler.desired.write import Written, write_customers
from reconciler.documents.edit import SetValue
from reconciler.documents.scalars import quoted
from reconciler.errors import Invalid, LedgerFailed, Locked, Problem, Refused, Source
from reconciler.escape import MAX_BYTES, visible
from reconciler.gc_pause import without_collector
from reconciler.input_file import read_file
from reconciler.ledger.base import Ledger
from reconciler.model.core import Desired, DesiredCustomer
from reconciler.model.policy import Terms
from reconciler.model.reports import Drift, Heard, Rule
from reconciler.pipeline import drift as drifts
from reconciler.pipeline import resources
from reconciler.pipeline.plan import Planned
from reconciler.plan.scope import literal
from reconciler.report.drift import (
    Message,
    drift_brief,
    drift_json,
    drift_junit,
    drift_text,
    message_of,
    state_of,
    summary,
)
from reconciler.report.drift_page import drift_html, drift_markdown
from reconciler.report.layout import count
from reconciler.report.messages.plan import matches_nobody_text
from reconciler.report.metrics import Measurement
from reconciler.resources import to_install
from reconciler.settings import Options
from reconciler.settings.project import read_rules

if TYPE_CHECKING:
    from reconciler.pipeline.webhooks import WebhookEvents

NOTIFY = "RECONCILER_NOTIFY"


def notify(session: Session, planned: Planned, drift: Drift) -> None:
    """
    Notify the URLs in RECONCILER_NOTIFY of `drift`, if it is not what was reported last; nothing without URLs.

    Of customers that webhooks named, drift is reported each time and not remembered, as it is not the whole state.

    The ledger remembers what was reported. Without one, drift is reported each time, and its end never. The end is
    not reported while some customers cannot be verified yet. What cannot be sent is a warning: the exit code is the
    drift's.
    """
    urls = os.environ.get(NOTIFY, "").split()
    state = state_of(drift)
    if not urls or state == planned.learned.told or (drift.unverified and not drift.findings):
        return
    if drift.heard is not None and not drift.findings:
        return
    if sent(urls, message_of(drift)) and planned.records.known and drift.heard is None:
        _remember(session, planned, state)


def sent(urls: Sequence[str], message: Message) -> bool:
    """Send a message to every URL, and say whether each took it; no URL is shown, as it holds a password."""
    try:
        # Only here: an extra, and slow to load.
        import apprise
    except ImportError:
        output.say(f"warning: {NOTIFY} is set, but Apprise is not installed: {to_install('notify')}")
        return False
    # What it logs may hold parts of a URL.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    sender = apprise.Apprise()
    unknown = [number for number, url in enumerate(urls, start=1) if not sender.add(url)]
    for number in unknown:
        output.say(f"warning: URL {number} of {NOTIFY} is not one that Apprise knows; nothing was sent to it")
    taken = bool(sender.notify(title=message.title, body=message.body, body_format=apprise.NotifyFormat.TEXT))
    if not taken:
        output.say(f"warning: not every URL in {NOTIFY} took the notification")
    return taken and not unknown


def _remember(session: Session, planned: Planned, state: str) -> None:
    """Write what was reported; where that cannot be, it is reported once more."""
    try:
        session.run(drifts.remember_reported(session.environment, session.clock, planned, state))
    except (Locked, LedgerFailed) as exc:
        output.say(f"warning: could not record that a notification was sent, so it will be sent again: {exc}")


def take_over(session: Session, desired: Desired, drift: Drift, *, redact: bool) -> int:
    """
    Write what drifted into the files, say what could not be, and return the exit code.

    With `redact` no patch is printed, as it is made of values.
    """
    root = session.settings.root
    texts, overlays = _texts(root, desired), _overlays(root, session.environment.overlays)
    done = accept_drift(drift, texts, overlays)
    for name, text in done.texts.items():
        output.replace_file((root / name).resolve(), text.encode("utf-8"))
        output.report(visible(f"wrote {name}"))
    output.report(
        f"{count(done.values, 'value')} taken over; {count(len(done.left), 'is left', 'are left')} as declared."
    )
    for one in done.left:
        what = f"{one.finding.address} {one.name}".rstrip()
        output.sentence(visible(f"not taken over: {what}: {one.why}"))
        if one.edit is not None and not redact:
            output.result(_patch(one, desired.customers.get(one.finding.address.external_id)))
    return 2 if done.left else 0


def _texts(root: Path, desired: Desired) -> dict[str, str]:
    """Return the files that were read, by name; Refused where one is not what was read any more."""
    texts: dict[str, str] = {}
    for file in desired.reading.files:
        content = (root / file.name).read_bytes()
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise Refused(f"{visible(file.name)}: someone else changed the file in the meantime", "run it again")
        texts[file.name] = content.decode("utf-8")
    return texts


def _overlays(root: Path, paths: Sequence[str | Path]) -> tuple[str, ...]:
    """Return the names of the overlays' files, in the order in which they are merged."""
    return tuple(file.name for file in read_files(paths, root=root).files)


def _patch(one: Left, customer: DesiredCustomer | None) -> str:
    """Return the edit that was not made as a unified diff of the entry in its canonical layout."""
    fields: Mapping[str, str | None] = {} if customer is None else customer.fields
    key = one.finding.address.external_id
    archived = customer is not None and customer.archived
    before = Written(key, fields, archived=archived)
    match one.edit:
        case SetValue(_, bool()):
            after = Written(key, fields, archived=True)
        case SetValue((*_, name), value):
            after = Written(key, {**fields, name: None if value is None else str(value)}, archived=archived)
        case _:
            after = Written(key, fields, archived=False)
    lines: Iterable[str] = difflib.unified_diff(_lines(before), _lines(after), "declared", "live", lineterm="")
    return "\n".join(visible(line) for line in lines)


def _lines(entry: Written) -> list[str]:
    """Return an entry's lines, without what is above it in a file."""
    return write_customers([entry]).splitlines()[2:]


def compared(
    session: Session,
    ledger: Ledger,
    desired: Desired,
    terms: Terms,
    rules: Sequence[Rule],
    events: WebhookEvents | None = None,
) -> drifts.Compared:
    """Return what drifted from `desired`, of the customers that `events` name if given, with progress on stderr."""
    with without_collector(lasting=True), shown_progress(session.clock) as progress:
        say, price = progress.planning, progress.note
        comparing = drifts.compare(session.client, ledger, desired, terms, rules, events, say=say, price=price)
        return session.run(comparing)


def run(
    ctx: click.Context,
    form: str,
    reports: Sequence[tuple[str, Path]],
    ignore: str | None,
    *,
    options: Options,
    strict: bool,
    redact: bool,
    accept: bool,
    events: str | None,
    measured: Measurement | None,
) -> None:
    """Print what drifted, also to files (`reports`, a format and a path each); write it into the files if accepted."""
    with annotated_problems(form, options, redact=redact):
        settings = settings_of(options)
        environment = settings.environment()
        named = None if events is None else webhook_events(events, options)
        reports = [(one, output.of_environment(path, environment.name)) for one, path in reports]
        for _, path in reports:
            output.check_parent(path)
        rules = read_rules(ignore, settings.root, Path.cwd())
        loaded = declared(settings, environment, strict=strict, redact=redact)
    terms = environment.terms(options)
    if accept and form != "text":
        raise click.UsageError("--accept prints text: leave out --format")
    warn_of_exposed_files(environment)
    with (
        connected(settings, options, environment, trace=traced(measured)) as session,
        resources.open_ledger(environment, writable=False) as ledger,
    ):
        found = compared(session, ledger, loaded.desired, terms, rules, named)
        drift, planned = found.drift, found.planned
        if drift.heard is not None:
            say_heard(drift.heard)
        if measured is not None:
            measured.drifted(drift)
        for one, path in reports:
            output.report_to(path, as_document(drift, one, redact=redact))
        if form in ANNOTATED:
            from reconciler.report.annotations import of_drift

            annotate(form, of_drift(drift, redact=redact), options, last=summary(drift))
        else:
            show(drift, form, redact=redact)
        for rule, near in found.idle:
            output.say(f"warning: {rule.source}: {matches_nobody_text(rule.key, near)}")
        if accept:
            ctx.exit(take_over(session, loaded.desired, drift, redact=redact))
        if form == "text" and drift.findings:
            next_steps(drift, loaded.desired, options)
        keep_learned(session, planned)
        notify(session, planned, drift)
    ctx.exit(2 if drift.findings else 0)


def webhook_events(path: str, options: Options) -> WebhookEvents:
    """Return what webhooks say, of a file or of standard input; Invalid where it cannot be read."""
    from reconciler.pipeline.webhooks import LARGEST, read_events

    if options.targets:
        raise click.UsageError("--events cannot be used with --target")
    if path == "-":
        if "-" in options.files:
            raise click.UsageError("-f and --events cannot both read standard input")
        stdin = standard_input()
        if stdin is None:
            raise Invalid([Problem(Source("<stdin>"), "", "standard input is closed", "name a file in --events")])
        content = stdin.read(LARGEST + 1)
    else:
        try:
            content = read_file(Path(path), LARGEST)
        except OSError as exc:
            message = f"this cannot be read: {exc.strerror}"
            raise Invalid([Problem(Source(visible(path)), "", message, "check the path in --events")]) from exc
    name = "<stdin>" if path == "-" else visible(path)
    if len(content) > LARGEST:
        message = f"this is larger than {LARGEST // 1024**2} MiB"
        raise Invalid([Problem(Source(name), "", message, "split it into several files")])
    return read_events(content, name)


def next_steps(drift: Drift, desired: Desired, options: Options) -> None:
    """Say how to revert and how to accept drift: of the customers that webhooks named, if it is of those alone."""
    if drift.heard is not None:
        keys = dict.fromkeys(one.address.external_id for one in drift.findings)
        options = replace(options, targets=tuple(literal(key) for key in keys if key in desired.customers))
        if not options.targets:
            return
    output.next_step(f"To revert it: {again('apply', options)}")
    output.next_step(f"To accept it: {again('drift --accept', options)}")


def say_heard(heard: Heard) -> None:
    """Say what of the events was of no use."""
    if heard.topics:
        topics = ", ".join(f"{quoted(topic)} ({number})" for topic, number in sorted(heard.topics.items())[:_TOPICS])
        more = f", and {len(heard.topics) - _TOPICS} more" if len(heard.topics) > _TOPICS else ""
        left_out = count(sum(heard.topics.values()), "event that is", "events that are")
        output.say(f"left out {left_out} not about a customer: {visible(topics)}{more}")
    if heard.unknown:
        ids = ", ".join(map(visible, heard.unknown[:_TOPICS]))
        more = f", and {len(heard.unknown) - _TOPICS} more" if len(heard.unknown) > _TOPICS else ""
        output.say(f"{count(len(heard.unknown), 'id is', 'ids are')} unknown to this account: {ids}{more}")


_TOPICS = 10
"""So many topics, or ids, are named."""


def as_document(drift: Drift, form: str, *, max_bytes: int = MAX_BYTES, redact: bool) -> str:
    """Return a drift in a format, as a file holds it; `max_bytes` is for Markdown."""
    match form:
        case "json":
            return json.dumps(drift_json(drift, redact=redact), indent=2)
        case "markdown":
            return drift_markdown(drift, max_bytes=max_bytes, redact=redact)
        case "html":
            return drift_html(drift, redact=redact)
        case "junit":
            return drift_junit(drift, redact=redact)
        case "brief":
            return drift_brief(drift, redact=redact)
        case _:
            return drift_text(drift, width=output.PIPE_COLUMNS, color=False, redact=redact)


def show(drift: Drift, form: str, *, redact: bool) -> None:
    """Print a drift."""
    match form:
        case "json":
            output.json_result(drift_json(drift, redact=redact))
        case "markdown" | "html" | "junit":
            output.document(as_document(drift, form, max_bytes=output.room(MAX_BYTES), redact=redact))
        case _ if output.quiet() and not (drift.findings or drift.blocked or drift.unverified or drift.expired):
            pass
        case "brief":
            output.result(drift_brief(drift, redact=redact))
        case _:
            output.result(drift_text(drift, width=output.width(), color=output.color(), redact=redact))
