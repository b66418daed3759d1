"""
What a probe asks about an account, and what it answered.

A `found` is a closed word, a number, or names of fields; "" where the probe could not tell, and `why` says
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


class ProbeQuestion(StrEnum):
    """What a probe asks, in the order in which it is shown; `rules.questions` has it in words."""

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


@dataclass(frozen=True, slots=True)
class Answer:
    """What a probe found; `found` is "" where it could not tell. `why` is for a person, and may quote the server."""

    question: ProbeQuestion
    found: str
    why: str = ""


Answers = Mapping[ProbeQuestion, Answer]


def kept(before: str, answers: Iterable[Answer]) -> str:
    """Return what the ledger keeps of answers, with those `before` that were not found anew; "" for none."""
    found = {**answers_of(before), **{one.question: one.found for one in answers if one.found}}
    return json.dumps(found, sort_keys=True, separators=(",", ":")) if found else ""


def answers_of(text: str) -> dict[ProbeQuestion, str]:
    """
    Return what `kept` kept; a question of another version is left out, and so is what no version wrote.

    >>> answers_of('{"clears": "null", "of a later version": "yes"}'), answers_of("altered")
    ({<ProbeQuestion.CLEARS: 'clears'>: 'null'}, {})
    """
    known = {one.value for one in ProbeQuestion}
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    rows = found.items() if isinstance(found, dict) else ()
    return {ProbeQuestion(name): str(answer) for name, answer in rows if name in known}
