"""What is said of a plan: why something is blocked, what to know, what is unknown, why nothing is planned at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from reconciler.errors import ReconcilerError
from reconciler.model.plan import Blocked, Note, Unknown
from reconciler.model.reasons import BlockedReason, NoteKind, ReasonCode, ReasonParts, StopReason, UnknownKind
from reconciler.report.messages import Wording, worded
from reconciler.report.redact import masked_parts

BLOCKED: Mapping[BlockedReason, Wording] = {
    BlockedReason.NAME_MISSING: Wording("It has no name, and a customer needs one to be created.", "Add `name:`."),
    BlockedReason.SYNCED_ACTIVE: Wording(
        "An integration keeps it active, and `synced.lifecycle: observe` leaves that to the integration.",
        "Delete it in the integration, which then archives it here, or delete `archived: true`.",
    ),
}

NOTES: Mapping[NoteKind, Wording] = {
    NoteKind.SYNCED_FIELD: Wording(
        "{field} is {held} in the account and {declared} in the file. An integration owns {field} (`synced.fields`), "
        "so it is not patched."
    ),
    NoteKind.SYNCED_ARCHIVE: Wording("An integration syncs it and may restore it. A third archive is blocked."),
    NoteKind.SYNCED_RESTORE: Wording("An integration syncs it and may archive it again. A third restore is blocked."),
    NoteKind.SYNCED_ARCHIVED: Wording(
        "The integration archived it, and `synced.lifecycle: observe` leaves it archived.",
        "Declare `archived: true` to agree, or restore it in the integration.",
    ),
    NoteKind.SYNCED_RELEASED: Wording(
        "It was removed from the files and stays active: an integration syncs it, and `synced.lifecycle: observe` "
        "leaves archiving to the integration."
    ),
    NoteKind.GONE_AND_INACTIVE: Wording(
        "It was removed from the files, and someone outside Reconciler has archived it already."
    ),
}

UNKNOWN: Mapping[UnknownKind, Wording] = {
    UnknownKind.NO_LEDGER: Wording(
        "There is no ledger yet, so we don't know which customers this project manages, or which ones it archived."
    ),
}

STOPS: Mapping[ReasonCode, Wording] = {
    StopReason.LISTINGS_DIFFER: Wording(
        "We listed the account {listings} times in a row, and each list held different customers. Nothing was sent.",
        "Someone else may be changing many customers right now, or the server cuts its lists short. Plan again later.",
    ),
}


def blocked_wording(one: Blocked) -> Wording:
    """Return why something is blocked, and what to do about it."""
    if not isinstance(one.reason, BlockedReason):
        return Wording(one.reason, one.hint)
    return worded(BLOCKED, one.reason, one.parts)


def note_text(one: Note) -> str:
    """Return the text of a note, with what to do where there is something."""
    if not isinstance(one.kind, NoteKind):
        return one.kind
    wording = worded(NOTES, one.kind, one.parts)
    return f"{wording.what} {wording.fix}".rstrip()


def unknown_text(one: Unknown) -> str:
    """Return what cannot be known."""
    return worded(UNKNOWN, one.kind, one.parts).what


def word(error: ReconcilerError, *, redact: bool = False) -> None:
    """Give an exception of the pure core its message and its hint; leave any other as it is."""
    if error.stop is None:
        return
    parts = cast("ReasonParts", error.stop.parts)
    wording = worded(STOPS, cast("ReasonCode", error.stop.reason), masked_parts(parts) if redact else parts)
    error.message, error.hint = wording.what, wording.fix
