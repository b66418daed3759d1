"""`drift --accept`: what the live side changed, written into the files. The next apply records it."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from reconciler.cli import output
from reconciler.cli.session import Session
from reconciler.desired.accept import Left, accept_drift
from reconciler.desired.files import read_files
from reconciler.desired.write import Written, write_customers
from reconciler.documents.edit import SetValue
from reconciler.errors import Refused
from reconciler.escape import visible
from reconciler.model.core import Desired, DesiredCustomer
from reconciler.model.reports import Drift
from reconciler.report.layout import count


def take_over(session: Session, desired: Desired, drift: Drift) -> int:
    """Write what drifted into the files, say what could not be, and return the exit code."""
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
        if one.edit is not None:
            output.result(_patch(one, desired.customers.get(one.finding.address.external_id)))
    return 2 if done.left else 0


def _texts(root: Path, desired: Desired) -> dict[str, str]:
    """Return the files that were read, by name; Refused where one is not what was read any more."""
    texts: dict[str, str] = {}
    for file in desired.reading.files:
        content = (root / file.name).read_bytes()
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise Refused(f"{visible(file.name)}: it was written by somebody else meanwhile", "run it again")
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
    """Return an entry's lines, without what stands above it in a file."""
    return write_customers([entry]).splitlines()[2:]
