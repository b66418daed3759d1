"""
How a change, or a run, ended: closed codes with typed parts, as the ledger and JSON have them. No sentences.

`report.messages.failures` says each in words. What a server or a library said is a `Cited` part, or a `FieldCited`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as having
from typing import Any

from reconciler.model.reasons import Cited, FieldCited, FieldValue, ReasonCode, ReasonPart, ReasonParts, check_parts

ANSWER = ("request", "status", "code", "words", "about", "advice")
"""Of an error that the API answered: what its body says, and of which fields."""
FAULT = ("request", "words", "advice")
"""Of an error of the way to the API, or of what answered in its place."""


class EndReason(ReasonCode):
    """Why a change, or a run, ended as it did."""

    # What a request ended in.
    REJECTED = "rejected", *ANSWER
    UNAUTHORIZED = "unauthorized", *ANSWER
    FORBIDDEN = "forbidden", "scope", *ANSWER
    NOT_FOUND = "not_found", *ANSWER
    THROTTLED = "throttled", *ANSWER
    SERVER_ERROR = "server_error", *ANSWER
    NO_ANSWER = "no_answer", *FAULT
    UNREACHABLE = "unreachable", *FAULT
    NOT_THE_API = "not_the_api", *FAULT
    CREDENTIALS_REFUSED = "credentials_refused", *FAULT
    NOT_LISTED = "not_listed", *FAULT
    STOPPED_IN_DOUBT = "stopped_in_doubt"
    REPLY_LACKS_CUSTOMER = "reply_lacks_customer", "request"
    REPLY_LACKS_USER = "reply_lacks_user", "request"
    REPLY_OF_ANOTHER = "reply_of_another", "request", "id"
    # What was not sent.
    PREREQUISITE_FAILED = "prerequisite_failed", "action"
    PREREQUISITE_IN_DOUBT = "prerequisite_in_doubt", "action"
    RUN_STOPPED = "run_stopped"
    INTERRUPTED = "interrupted"
    BUDGET_SPENT = "budget_spent", "allowance"
    # What was sent, and needs a word.
    CREATED_WITH_VALUES = "created_with_values"
    WAS_THERE = "was_there"
    FIELDS_NOT_TAKEN = "fields_not_taken", "fields"
    OTHER_EXTERNAL_ID = "other_external_id", "external_id"
    ALREADY_ARCHIVED = "already_archived"
    ALREADY_RESTORED = "already_restored"
    NOT_VISIBLE = "not_visible"
    # What became of a change whose answer was lost.
    LOST_DONE = "lost_done"
    LOST_NOT_DONE = "lost_not_done"
    LOST_SENT_AGAIN = "lost_sent_again"
    LOST_SEVERAL = "lost_several", "ids"
    LOST_CLAIMED = "lost_claimed", "ids"
    LOST_UNMANAGED = "lost_unmanaged"
    READ_DONE = "read_done"
    READ_NOT_DONE = "read_not_done"
    READ_NOT_DONE_OR_SENT_AGAIN = "read_not_done_or_sent_again"
    EARLIER_RUN_DID_IT = "earlier_run_did_it", "run"
    EARLIER_RUN_DID_OTHERWISE = "earlier_run_did_otherwise", "run"
    # What stops a run.
    REFUSED_IN_A_ROW = "refused_in_a_row", "count"


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a change, or a run, ended as it did; `cause` is what led to that, where something else did."""

    code: EndReason
    parts: ReasonParts = having(default_factory=dict)
    cause: Ending | None = None

    def __post_init__(self) -> None:
        """Refuse parts that the code does not carry."""
        check_parts(self.code, self.parts)


def ending_json(ending: Ending | None) -> dict[str, Any]:
    """
    Return an ending as JSON has it: `code`, `parts` and `cause`, each null or empty where there is none.

    >>> ending_json(Ending(EndReason.FIELDS_NOT_TAKEN, {"fields": ("city",)}))
    {'code': 'fields_not_taken', 'parts': {'fields': ['city']}, 'cause': None}
    """
    if ending is None:
        return {"code": None, "parts": {}, "cause": None}
    parts = {
        name: [_part_json(one) for one in part] if isinstance(part, tuple) else _part_json(part)
        for name, part in ending.parts.items()
    }
    cause = None if ending.cause is None else ending_json(ending.cause)
    return {"code": ending.code.value, "parts": parts, "cause": cause}


def stored_ending(ending: Ending | None) -> str:
    """Return the stored form, "" for none; in ASCII, as half a surrogate pair that a server sent has no UTF-8."""
    return "" if ending is None else json.dumps(ending_json(ending), separators=(",", ":"))


def read_ending(stored: str) -> Ending | None:
    """Return what `stored_ending` made; KeyError, TypeError or ValueError for what it never makes."""
    return _ending(json.loads(stored)) if stored else None


def _ending(row: Mapping[str, Any]) -> Ending:
    """Return an ending of its JSON."""
    parts = {
        name: tuple(map(_part, part)) if isinstance(part, list) else _part(part) for name, part in row["parts"].items()
    }
    return Ending(EndReason(row["code"]), parts, None if row["cause"] is None else _ending(row["cause"]))


def _part_json(part: ReasonPart) -> object:
    """Return a part as JSON has it."""
    match part:
        case FieldValue(name, value):
            return {"field": name, "value": value}
        case FieldCited(name, words):
            return {"field": name, "cited": words}
        case Cited(words):
            return {"cited": words}
        case str() | int() | float():
            return part
        case _:
            raise TypeError(f"no ending has a {type(part).__name__}")


def _part(row: Any) -> ReasonPart:  # noqa: ANN401 - JSON
    """Return a part of its JSON; KeyError, TypeError or ValueError for what is none."""
    if isinstance(row, str | int | float):
        return row
    if not isinstance(row, dict) or not all(isinstance(text, str) for text in row.values()):
        raise TypeError("no part of an ending")
    if "cited" in row:
        return FieldCited(row["field"], row["cited"]) if "field" in row else Cited(row["cited"])
    return FieldValue(row["field"], row["value"])
