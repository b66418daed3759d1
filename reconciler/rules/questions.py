"""
The open questions of the API as data, each once: its ways, the emulator's switches, what a probe asks and finds.

Source: what the API's reference page "Customers", its guides and its OpenAPI text leave out. From this table come the
emulator's switches, what `doctor --probe` asks and leaves open, and what planning takes over from its answers
(`learned`). `report.messages.questions` has each question, way and switch in words, and
`docs/explanation/what-we-know-of-the-api.md` says what the tool does in each way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.model.reports import NO, YES, ProbeQuestion


class NotAsked(StrEnum):
    """Why no probe asks a question."""

    NO_INVOICE = "no_invoice"
    NOT_SYNCED = "not_synced"
    NEVER_SENT = "never_sent"
    TWO_OF_ONE_EMAIL = "two_of_one_email"
    HAS_SCOPES = "has_scopes"
    NEEDS_EXCESS = "needs_excess"
    NEEDS_429 = "needs_429"


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What a probe asks about an open question.

    `learned` is the field of `records.Learned` that is set to what `values` has for the answer; "" where planning
    takes nothing over, or not as it is.
    """

    question: ProbeQuestion
    learned: str = ""
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """
    An open question under a short key, with its ways.

    - `ways` maps the code of each answer to the switches that make the emulator give it, `NAME=VALUE` with spaces
      between. The first is the emulator's default.
    - `asked` is what a probe asks about it; where that is nothing, `not_asked` says why.
    """

    key: str
    ways: Mapping[str, str]
    asked: tuple[Asked, ...] = ()
    not_asked: NotAsked | None = None

    @property
    def switches(self) -> tuple[str, ...]:
        """Return the names of the switches of its ways."""
        settings = (one for way in self.ways.values() for one in way.split())
        return tuple(dict.fromkeys(one.partition("=")[0] for one in settings))


def learned(found: Mapping[ProbeQuestion, str]) -> dict[str, object]:
    """
    Return what planning takes over from a probe's answers, by the fields of `records.Learned`.

    >>> learned({ProbeQuestion.NARROWS: "no", ProbeQuestion.CLEARS: "nothing", ProbeQuestion.ORDER: "newest"})
    {'narrows': False}
    """
    asked = (one for question in QUESTIONS for one in question.asked)
    return {one.learned: one.values[answer] for one in asked if (answer := found.get(one.question, "")) in one.values}


_YES_NO = {YES: True, NO: False}
_LONGEST = Asked(ProbeQuestion.LONGEST_PAGE)

QUESTIONS: tuple[Question, ...] = (
    # Archived customers
    Question(
        "listed",
        {"no": "lists_archived=false", "yes": "lists_archived=true"},
        (Asked(ProbeQuestion.LISTS_ARCHIVED, "lists_archived", _YES_NO),),
    ),
    Question(
        "get",
        {"200": "gets_archived=true", "404": "gets_archived=false"},
        (Asked(ProbeQuestion.GETS_ARCHIVED, "gets_archived", _YES_NO),),
    ),
    Question(
        "written",
        {"yes": "patches_archived=true", "404": "patches_archived=false"},
        (Asked(ProbeQuestion.PATCHES_ARCHIVED),),
    ),
    Question(
        "archive_twice",
        {"200": "repeated_archive=200", "400": "repeated_archive=400", "404": "repeated_archive=404"},
        (Asked(ProbeQuestion.REPEATED_ARCHIVE),),
    ),
    Question(
        "restore_twice",
        {"200": "repeated_restore=200", "400": "repeated_restore=400", "404": "repeated_restore=404"},
        (Asked(ProbeQuestion.REPEATED_RESTORE),),
    ),
    Question(
        "restore_reply",
        {"customer": "restore_replies=true", "nothing": "restore_replies=false"},
        (Asked(ProbeQuestion.RESTORE_REPLIES),),
    ),
    Question(
        "invoices",
        {
            "no": "invoiced=",
            "400": "invoiced=acme invoiced_status=400",
            "422": "invoiced=acme invoiced_status=422",
            "500": "invoiced=acme invoiced_status=500",
        },
        not_asked=NotAsked.NO_INVOICE,
    ),
    # Who is who
    Question(
        "unique",
        {
            "all_400": "unique=all",
            "all_422": "unique=all unique_status=422",
            "active": "unique=active",
            "no": "unique=none",
        },
        (Asked(ProbeQuestion.UNIQUE), Asked(ProbeQuestion.UNIQUE_STATUS)),
    ),
    Question(
        "email",
        {"no": "email_unique=none", "active": "email_unique=active", "all": "email_unique=all"},
        not_asked=NotAsked.TWO_OF_ONE_EMAIL,
    ),
    Question(
        "external_id",
        {"yes": "external_ids=kept", "trimmed": "external_ids=trimmed", "lowered": "external_ids=lowered"},
        (Asked(ProbeQuestion.EXTERNAL_IDS),),
    ),
    Question(
        "required",
        {"nothing": "required=", "name": "required=name", "name_email": "required=name,email"},
        (Asked(ProbeQuestion.EMAIL_REQUIRED),),
    ),
    Question(
        "users",
        {"customer": "user_unique=customer", "account": "user_unique=account", "yes": "user_unique=none"},
        (Asked(ProbeQuestion.USER_UNIQUE),),
    ),
    Question(
        "user_case",
        {"yes": "user_email_case=false", "no": "user_email_case=true"},
        (Asked(ProbeQuestion.USER_CASE),),
    ),
    # Values
    Question(
        "empties",
        {"text": "clears=text", "null": "clears=null", "both": "clears=both", "nothing": "clears=nothing"},
        (Asked(ProbeQuestion.CLEARS, "empties", {"text": '""', "both": '""', "null": "null"}),),
    ),
    Question(
        "not_emptied",
        {"ignored": "clears_refused=false", "refused": "clears_refused=true"},
        (Asked(ProbeQuestion.CLEARS_REFUSED),),
    ),
    Question(
        "unset",
        {"text": "unset=text", "null": "unset=null", "absent": "unset=absent"},
        (Asked(ProbeQuestion.UNSET),),
    ),
    Question(
        "rewritten",
        {
            "no": "rewrites=",
            "trim": "rewrites=trim",
            "country": "rewrites=country",
            "ein": "rewrites=ein",
            "state": "rewrites=state",
            "address": "rewrites=address",
            "email": "email_lowered=true",
        },
        (Asked(ProbeQuestion.REWRITES), Asked(ProbeQuestion.EMAIL_LOWERED)),
    ),
    Question("taken", {"yes": "ignores=", "some": "ignores=city"}, (Asked(ProbeQuestion.IGNORES),)),
    Question(
        "synced",
        {"yes": "synced=take", "ignored": "synced=ignore", "422": "synced=refuse"},
        not_asked=NotAsked.NOT_SYNCED,
    ),
    Question(
        "sync_undoes",
        {
            "nothing": "sync_undoes=",
            "restore": "sync_undoes=restore",
            "archive": "sync_undoes=archive",
            "patch": "sync_undoes=patch",
            "all": "sync_undoes=restore,archive,patch",
        },
        not_asked=NotAsked.NOT_SYNCED,
    ),
    Question(
        "integration_id",
        {"internal": "integration_ids=internal", "number": "integration_ids=number"},
        not_asked=NotAsked.NOT_SYNCED,
    ),
    Question(
        "identity",
        {"ignored": "patch_identity=ignore", "422": "patch_identity=refuse"},
        not_asked=NotAsked.NEVER_SENT,
    ),
    # Lists
    Question("most", {"100": "page_max=100", "1000": "page_max=1000", "50": "page_max=50"}, (_LONGEST,)),
    Question(
        "larger",
        {"cut": "larger_limit=cut", "400": "larger_limit=refuse"},
        (Asked(ProbeQuestion.LARGER_LIMIT, "page_limit", {"taken": 1000, "cut": 100, "refused": 100}),),
    ),
    Question("full", {"yes": "page_holds=0", "fewer": "page_holds=3", "some": "page_uneven=true"}, (_LONGEST,)),
    Question(
        "page_shape", {"flat": "page_shape=flat", "nested": "page_shape=nested"}, (Asked(ProbeQuestion.PAGE_SHAPE),)
    ),
    Question("paging", {"position": "paging=position", "offset": "paging=offset"}, (Asked(ProbeQuestion.PAGING),)),
    Question(
        "order",
        {"id": "order=id", "newest": "order=newest", "oldest": "order=oldest", "updated": "order=updated"},
        (Asked(ProbeQuestion.ORDER),),
    ),
    Question(
        "bounds",
        {
            "both": "start_inclusive=true end_inclusive=true",
            "not_start": "start_inclusive=false",
            "not_end": "end_inclusive=false",
            "ignored": "narrows=false",
        },
        (
            Asked(ProbeQuestion.NARROWS, "narrows", _YES_NO),
            Asked(ProbeQuestion.START_INCLUSIVE),
            Asked(ProbeQuestion.END_INCLUSIVE),
        ),
    ),
    Question(
        "precision",
        {"us": "precision=us", "ms": "precision=ms", "s": "precision=s", "finer": "precision=s finer_inside=true"},
        (Asked(ProbeQuestion.PRECISION),),
    ),
    Question(
        "lag",
        {"none": "lag_s=0", "later": "lag_s=3", "lists": "lag_s=3 lag_on=lists"},
        (Asked(ProbeQuestion.LAG), Asked(ProbeQuestion.LAG_ON)),
    ),
    # Replies
    Question(
        "methods", {"object": "methods_bare=false", "array": "methods_bare=true"}, (Asked(ProbeQuestion.METHODS_BARE),)
    ),
    Question("unknown", {"no": "extra_fields=false", "yes": "extra_fields=true"}, (Asked(ProbeQuestion.EXTRA_FIELDS),)),
    Question(
        "error",
        {
            "http_error": "error_body=http_error",
            "other": "error_body=other",
            "empty": "error_body=empty",
            "html": "error_body=html",
        },
        (Asked(ProbeQuestion.ERROR_BODY),),
    ),
    Question(
        "scope",
        {"403": "scope_status=403", "401": "scope_status=401", "404": "scope_status=404"},
        not_asked=NotAsked.HAS_SCOPES,
    ),
    Question(
        "users_scope",
        {"customers": "users_scope=customers", "users": "users_scope=users"},
        not_asked=NotAsked.HAS_SCOPES,
    ),
    Question(
        "methods_scope",
        {"customers": "methods_scope=customers", "payments": "methods_scope=payments"},
        not_asked=NotAsked.HAS_SCOPES,
    ),
    # Pace
    Question(
        "counted",
        {"second": "limiter=second", "sliding": "limiter=sliding", "bucket": "limiter=bucket"},
        not_asked=NotAsked.NEEDS_EXCESS,
    ),
    Question("token", {"no": "token_counts=false", "yes": "token_counts=true"}, not_asked=NotAsked.NEEDS_EXCESS),
    Question(
        "retry",
        {"seconds": "retry_after=seconds", "date": "retry_after=date", "none": "retry_after=none"},
        not_asked=NotAsked.NEEDS_429,
    ),
    Question(
        "headers",
        {
            "none": "limit_headers=none",
            "x_ratelimit": "limit_headers=x_ratelimit",
            "ratelimit": "limit_headers=ratelimit",
        },
        not_asked=NotAsked.NEEDS_429,
    ),
)
"""Every open question, in the order of the page that explains them."""
