"""
The questions that the API's documentation leaves open, and what a probe of one account answered.

A `found` is a closed word (`WORDS`), a number, or names of fields; "" where the probe could not tell, and `why` says
why. It holds nothing of anybody.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

PROBES = "(probe)"
"""The project of the ledger's rows that a probe made: no project of a user's is called so."""

YES, NO = "yes", "no"


class Question(StrEnum):
    """What a probe asks, in the order in which it is shown; `ASKED` has it in words."""

    LISTS_ARCHIVED = "lists_archived"
    GETS_ARCHIVED = "gets_archived"
    PATCHES_ARCHIVED = "patches_archived"
    REPEATED_ARCHIVE = "repeated_archive"
    REPEATED_RESTORE = "repeated_restore"
    RESTORE_REPLIES = "restore_replies"
    UNIQUE = "unique"
    UNIQUE_STATUS = "unique_status"
    EXTERNAL_IDS = "external_ids"
    EMAIL_REQUIRED = "email_required"
    LARGER_LIMIT = "larger_limit"
    LONGEST_PAGE = "longest_page"
    PAGE_SHAPE = "page_shape"
    ORDER = "order"
    PAGING = "paging"
    NARROWS = "narrows"
    START_INCLUSIVE = "start_inclusive"
    END_INCLUSIVE = "end_inclusive"
    PRECISION = "precision"
    LAG = "lag"
    LAG_ON = "lag_on"
    CLEARS = "clears"
    CLEARS_REFUSED = "clears_refused"
    UNSET = "unset"
    IGNORES = "ignores"
    REWRITES = "rewrites"
    USER_UNIQUE = "user_unique"
    USER_CASE = "user_case"
    EMAIL_LOWERED = "email_lowered"
    METHODS_BARE = "methods_bare"
    EXTRA_FIELDS = "extra_fields"
    ERROR_BODY = "error_body"


ASKED: Mapping[Question, str] = {
    Question.LISTS_ARCHIVED: "is an archived customer listed",
    Question.GETS_ARCHIVED: "does an archived customer answer a get",
    Question.PATCHES_ARCHIVED: "does an archived customer take a patch",
    Question.REPEATED_ARCHIVE: "what the archive of an archived customer answers",
    Question.REPEATED_RESTORE: "what the restore of an active customer answers",
    Question.RESTORE_REPLIES: "does a restore's answer hold the customer",
    Question.UNIQUE: "among which customers an external_id is unique: none, active, all",
    Question.UNIQUE_STATUS: "what a create with a taken external_id answers",
    Question.EXTERNAL_IDS: "what becomes of an external_id: kept, trimmed, lowered, other",
    Question.EMAIL_REQUIRED: "must a create have an email",
    Question.LARGER_LIMIT: "what a limit of 1000 does: taken, cut, refused",
    Question.LONGEST_PAGE: "the longest page of such a list",
    Question.PAGE_SHAPE: "where a page keeps its cursor: flat, or nested in pagination",
    Question.ORDER: "the order of a list: newest, oldest, other",
    Question.PAGING: "what a cursor holds: a position, or an offset that new customers shift",
    Question.NARROWS: "does a list narrowed by created_at hold only whom it should",
    Question.START_INCLUSIVE: "does created_at_start hold the moment itself",
    Question.END_INCLUSIVE: "does created_at_end hold the moment itself",
    Question.PRECISION: "the smallest part of created_at: s, ms, us",
    Question.LAG: "after how many seconds a create was seen by get and list",
    Question.LAG_ON: "which reads were late: reads (all), lists",
    Question.CLEARS: 'what empties a field in a patch: text (""), null, both, nothing',
    Question.CLEARS_REFUSED: "is a patch refused that cannot empty a field",
    Question.UNSET: "how a reply shows a field without value: text, null, absent",
    Question.IGNORES: "fields that a patch leaves as they are",
    Question.REWRITES: "what the server rewrites in a value",
    Question.USER_UNIQUE: "is a second user with one email refused: none, refused",
    Question.USER_CASE: "does the case of a user's email make another: counts, ignored",
    Question.EMAIL_LOWERED: "is an email kept in lower case",
    Question.METHODS_BARE: "are payment methods a bare array",
    Question.EXTRA_FIELDS: "are there fields that the reference does not name",
    Question.ERROR_BODY: "what a refusal's body is: http_error, other, empty, html",
}
"""Each question in words."""

NOT_ASKED: Mapping[str, str] = {
    "invoices": "the probe's customer has no invoice",
    "synced": "the probe's customer is not synced",
    "identity": "the reference has no such patch, and none is sent",
    "scope": "the probe's key has its scopes",
    "counted": "only going over the limit tells, and others may use the key",
    "token": "only going over the limit tells",
    "retry": "only a 429 tells",
    "headers": "only a 429 tells",
}
"""The open questions (`rules.questions`, by their keys) that a probe leaves open, and why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a probe found; `found` is "" where it could not tell. `why` is for a person, and may quote the server."""

    question: Question
    found: str
    why: str = ""


Answers = Mapping[Question, Answer]


def kept(before: str, answers: Iterable[Answer]) -> str:
    """Return what the ledger keeps of answers, with those `before` that were not found anew; "" for none."""
    found = {**answers_of(before), **{one.question: one.found for one in answers if one.found}}
    return json.dumps(found, sort_keys=True, separators=(",", ":")) if found else ""


def answers_of(text: str) -> dict[Question, str]:
    """
    Return what `kept` kept; a question of another version is left out, and so is what no version wrote.

    >>> answers_of('{"clears": "null", "of a later version": "yes"}'), answers_of("altered")
    ({<Question.CLEARS: 'clears'>: 'null'}, {})
    """
    known = {one.value for one in Question}
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    rows = found.items() if isinstance(found, dict) else ()
    return {Question(name): str(answer) for name, answer in rows if name in known}
