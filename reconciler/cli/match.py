"""`import --match`: `id:` lines for declared customers that may be live, printed for review or written into a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from reconciler.cli import output
from reconciler.cli.import_ import Places, is_overlay, schema_from
from reconciler.cli.session import connected, declared, settings_of, shown_progress
from reconciler.desired.files import File, read_files
from reconciler.desired.write import Written, key_line, write_customers
from reconciler.documents.scalars import quoted, scalar
from reconciler.errors import Invalid, ReconcilerError
from reconciler.escape import visible
from reconciler.model.core import CustomerId
from reconciler.model.plan import MOST_ALIKE
from reconciler.pipeline import inspect, resources
from reconciler.plan.lookalikes import NEAR, Lookalike
from reconciler.plan.make import plan_context
from reconciler.report.layout import count
from reconciler.report.plan_text import reading_price
from reconciler.settings import Environment, Options, Settings
from reconciler.sheets.update import with_ids

_HEAD = """\
# For review. This binds nothing: copy the right id: lines into {place}.
# Lines that are commented out are not certain: compare them before you use them.
"""
_LONGEST_NAME = 60


def match(out: str | None, *, options: Options, redact: bool) -> None:
    """Write the id: lines that are sure to `out`, and print the others, or without it all, for review."""
    settings = settings_of(options)
    environment = settings.environment()
    target = None if out is None else _target(out, settings, environment)
    if out is not None and target is None:
        # An overlay that this writes is not there yet.
        overlays = [one for one in environment.overlays if (settings.root / one).resolve() != Path(out).resolve()]
        environment = replace(environment, overlays=tuple(overlays))
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
    number = len(found)
    if out is not None:
        sure = {key: likes[0].customer.id for key, likes in found.items() if likes[0].sure}
        found = {key: likes for key, likes in found.items() if key not in sure}
        overlay = is_overlay(out, settings, environment)
        _write(Path(out), target, sure, overlay=overlay)
    if found:
        place = "your files" if settings.pins_allowed else f"an overlay of {visible(environment.name)}"
        output.document("".join(f"{line}\n" for line in _lines(found, place, redact=redact)))
    output.note(f"{count(number, 'declared customer')} may already be live")


def _target(out: str, settings: Settings, environment: Environment) -> File | None:
    """Return the file that is there; ReconcilerError where no id can be written to this path."""
    path = Path(out)
    if not out or path.is_dir():
        raise ReconcilerError(f"-o: {quoted(out)} is not a file", "name a customers file or an overlay")
    output.check_parent(path)
    pinned = [Written("", {}, id="")]
    if refused := Places(out, None).check_pins(pinned, settings, environment):
        raise ReconcilerError(f"nothing was written: {refused}")
    if not path.exists():
        return None
    found = read_files([out], root=Path.cwd())
    if found.problems:
        raise Invalid(found.problems)
    return found.files[0]


def _write(path: Path, file: File | None, sure: Mapping[str, CustomerId], *, overlay: bool) -> None:
    """Write `id:` lines into a file that is there, no other line changed, else into a new one."""
    if not sure:
        return
    if file is None:
        entries = [Written(key, {}, id=one) for key, one in sure.items()]
        output.write_private(path, write_customers(entries, schema=schema_from(path.parent)))
        refused: list[tuple[str, str]] = []
    else:
        text, refused = with_ids(file.name, file.content, sure, overlay=overlay)
        output.replace_file(path.resolve(), text.encode())
    for key, why in refused:
        output.say(f"not written: {quoted(key)}: {why}; write `id: {sure[key]}` by hand")
    output.note(f"{count(len(sure) - len(refused), 'id line')} written to {visible(str(path))}")


def _lines(found: Mapping[str, tuple[Lookalike, ...]], place: str, *, redact: bool) -> Iterator[str]:
    """Yield the lines of the fragment; `place` is where its lines belong, in words."""
    sure = any(like.sure for likes in found.values() for like in likes)
    yield _HEAD.format(place=place) + ("customers:" if sure else "# customers:")
    for key, likes in found.items():
        # The key too: one with nothing below it is null, and in an overlay that says the customer is absent.
        mark = "" if likes[0].sure else "# "
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
    alike = f"score {min(like.score, MOST_ALIKE):.1f} of {MOST_ALIKE:.0f}" if like.score else ""
    return "; ".join(filter(None, ("" if like.sure else "maybe", near, same and f"the same {same}", alike, had)))
