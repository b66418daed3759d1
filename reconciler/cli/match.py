"""`match`: `id:` lines to review, for declared customers that may be live already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.cli import output
from reconciler.cli.session import connected, declared, settings_of, shown_progress
from reconciler.desired.write import key_line
from reconciler.documents.scalars import scalar
from reconciler.escape import visible
from reconciler.pipeline import inspect, resources
from reconciler.plan.lookalikes import NEAR, Lookalike
from reconciler.plan.make import plan_context
from reconciler.report.layout import count
from reconciler.report.plan_words import reading_price
from reconciler.settings import Options

_HEAD = """\
# For review. Nothing is bound by this: copy the id: lines that are right into {place}.
# What is commented is one of several that are alike.
"""
_LONGEST_NAME = 60


def run(*, options: Options, redact: bool) -> None:
    """Print id: lines for review."""
    settings = settings_of(options)
    environment = settings.environment()
    desired = declared(settings, environment, redact=redact).desired
    with resources.open_ledger(environment, writable=False) as ledger:
        records = ledger.records()
    with connected(settings, options, environment) as session, shown_progress(session.clock) as progress:
        progress.note(reading_price(records.learned, 0, environment.rate_per_s))
        reading = inspect.account(
            session.client,
            records,
            chosen=lambda _: True,
            users=False,
            say=progress.planning,
        )
        account = session.run(reading)
    found = plan_context(desired, account.live, records, environment.terms(options)).found.likes
    if found:
        place = "your files" if settings.pins_allowed else f"an overlay of {visible(environment.name)}"
        output.document("".join(f"{line}\n" for line in _lines(found, place, redact=redact)))
    output.note(f"{count(len(found), 'declared customer')} may be live already")


def _lines(found: Mapping[str, tuple[Lookalike, ...]], place: str, *, redact: bool) -> Iterator[str]:
    """Yield the lines of the fragment; `place` is where its lines belong, in words."""
    sure = any(like.alone for likes in found.values() for like in likes)
    yield _HEAD.format(place=place) + ("customers:" if sure else "# customers:")
    for key, likes in found.items():
        # The key too: one with nothing below it is null, and in an overlay that says the customer is absent.
        mark = "" if likes[0].alone else "# "
        yield from (mark + line for line in key_line(key))
        for like in likes:
            name = "" if redact else scalar(like.customer.fields.get("name", "")[:_LONGEST_NAME])
            yield f"    # {_agrees(like)}" + (f"; its name is {name}" if name else "")
            yield f"{mark}    id: {scalar(like.customer.id)}"


def _agrees(like: Lookalike) -> str:
    """Return in words, for a comment, what agrees, and which key had the customer."""
    near = f"its external_id is {scalar(like.customer.external_id)}" if NEAR in like.signs else ""
    same = ", ".join(sign for sign in like.signs if sign != NEAR)
    had = f"it was {scalar(like.found.key)} in the ledger" if like.found.key is not None else ""
    return "; ".join(filter(None, (near, same and f"the same {same}", had)))
