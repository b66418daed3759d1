"""
The open questions of the API as data, each once: its ways, the emulator's switches, what a probe asks and teaches.

Source: what the API's reference page "Customers", its guides and its OpenAPI text leave out. From this table come the
meaning of the emulator's switches (`MEANINGS`), what `doctor --probe` asks and leaves open, and what planning takes
over from its answers (`learned`). `docs/explanation/what-we-know-of-the-api.md` says what the tool does in each way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from reconciler.model.reports import NO, YES, ProbeQuestion
from reconciler.rules.behaviour import Behaviour


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What a probe asks about an open question, in words.

    `learned` is the field of `records.Learned` that is set to what `values` has for the answer; "" where planning
    takes nothing over, or not as it is.
    """

    question: ProbeQuestion
    words: str
    learned: str = ""
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """
    An open question under a short key, in words, with its ways.

    - `ways` maps each answer to the switches that make the emulator give it, `NAME=VALUE` with spaces between. The
      first is the one that the emulator gives unless told.
    - `switches` says what each of those switches is.
    - `asked` is what a probe asks about it; where that is nothing, `not_asked` says why.
    """

    key: str
    words: str
    ways: Mapping[str, str]
    switches: Mapping[str, str]
    asked: tuple[Asked, ...] = ()
    not_asked: str = ""


def switched(settings: str) -> Behaviour:
    """
    Return the behaviour with the switches of a way.

    >>> switched("unique=all unique_status=422").unique_status
    422
    """
    return Behaviour().changed(dict(one.split("=", 1) for one in settings.split()))


def learned(found: Mapping[ProbeQuestion, str]) -> dict[str, object]:
    """
    Return what planning takes over from a probe's answers, by the fields of `records.Learned`.

    >>> learned({ProbeQuestion.NARROWS: "no", ProbeQuestion.CLEARS: "nothing", ProbeQuestion.ORDER: "newest"})
    {'narrows': False}
    """
    asked = (one for question in QUESTIONS for one in question.asked)
    return {one.learned: one.values[answer] for one in asked if (answer := found.get(one.question, "")) in one.values}


_YES_NO = {YES: True, NO: False}
_LONGEST = Asked(ProbeQuestion.LONGEST_PAGE, "the longest page of such a list")

QUESTIONS: tuple[Question, ...] = (
    # Archived customers
    Question(
        "listed",
        "Are archived customers listed?",
        ways={"no": "lists_archived=false", "yes": "lists_archived=true"},
        switches={"lists_archived": "an archived customer is listed"},
        asked=(Asked(ProbeQuestion.LISTS_ARCHIVED, "is an archived customer listed", "lists_archived", _YES_NO),),
    ),
    Question(
        "get",
        "Does a get of an archived customer answer?",
        ways={"200": "gets_archived=true", "404": "gets_archived=false"},
        switches={"gets_archived": "an archived customer answers a get; else 404"},
        asked=(Asked(ProbeQuestion.GETS_ARCHIVED, "does an archived customer answer a get", "gets_archived", _YES_NO),),
    ),
    Question(
        "written",
        "Does an archived customer take a patch and new users?",
        ways={"yes": "patches_archived=true", "404": "patches_archived=false"},
        switches={"patches_archived": "an archived customer takes a patch and new users; else 404"},
        asked=(Asked(ProbeQuestion.PATCHES_ARCHIVED, "does an archived customer take a patch"),),
    ),
    Question(
        "archive twice",
        "What does the archive of an archived customer answer?",
        ways={"200": "repeated_archive=200", "400": "repeated_archive=400", "404": "repeated_archive=404"},
        switches={"repeated_archive": "what the archive of an archived customer answers"},
        asked=(Asked(ProbeQuestion.REPEATED_ARCHIVE, "what the archive of an archived customer answers"),),
    ),
    Question(
        "restore twice",
        "What does the restore of an active customer answer?",
        ways={"200": "repeated_restore=200", "400": "repeated_restore=400", "404": "repeated_restore=404"},
        switches={"repeated_restore": "what the restore of an active customer answers"},
        asked=(Asked(ProbeQuestion.REPEATED_RESTORE, "what the restore of an active customer answers"),),
    ),
    Question(
        "restore reply",
        "What does the 200 to a restore carry?",
        ways={"the customer": "restore_replies=true", "nothing": "restore_replies=false"},
        switches={"restore_replies": "a restore's 200 carries the customer; else its body is empty"},
        asked=(Asked(ProbeQuestion.RESTORE_REPLIES, "does a restore's answer hold the customer"),),
    ),
    Question(
        "invoices",
        "Does archiving fail where invoices are open?",
        ways={
            "no": "invoiced=",
            "400": "invoiced=acme invoiced_status=400",
            "422": "invoiced=acme invoiced_status=422",
            "500": "invoiced=acme invoiced_status=500",
        },
        switches={
            "invoiced": "ids or external_ids of customers with open invoices, whose archive is refused",
            "invoiced_status": "what that archive answers",
        },
        not_asked="the probe's customer has no invoice",
    ),
    # Who is who
    Question(
        "unique",
        "Is an external_id unique?",
        ways={
            "among all, 400": "unique=all",
            "among all, 422": "unique=all unique_status=422",
            "among active ones": "unique=active",
            "no": "unique=none",
        },
        switches={
            "unique": "among which customers an external_id may stand once only",
            "unique_status": "what a create with an external_id that is taken answers",
        },
        asked=(
            Asked(ProbeQuestion.UNIQUE, "among which customers an external_id is unique: none, active, all"),
            Asked(ProbeQuestion.UNIQUE_STATUS, "what a create with a taken external_id answers"),
        ),
    ),
    Question(
        "external_id",
        "Is an external_id kept as it is sent?",
        ways={
            "yes": "external_ids=kept",
            "without outer blanks": "external_ids=trimmed",
            "lowered": "external_ids=lowered",
        },
        switches={"external_ids": "what the server makes of an external_id before it keeps it"},
        asked=(Asked(ProbeQuestion.EXTERNAL_IDS, "what becomes of an external_id: kept, trimmed, lowered, other"),),
    ),
    Question(
        "required",
        "What must a create carry?",
        ways={"nothing": "required=", "a name": "required=name", "a name and an e-mail": "required=name,email"},
        switches={"required": "fields without which a create answers 422"},
        asked=(Asked(ProbeQuestion.EMAIL_REQUIRED, "must a create have an email"),),
    ),
    Question(
        "users",
        "May two users have one e-mail?",
        ways={
            "not of one customer": "user_unique=customer",
            "not in the account": "user_unique=account",
            "yes": "user_unique=none",
        },
        switches={"user_unique": "within what two users may not share an e-mail; the second is refused with 422"},
        asked=(Asked(ProbeQuestion.USER_UNIQUE, "is a second user with one email refused: none, refused"),),
    ),
    Question(
        "user case",
        "Are users' e-mails that differ in case one?",
        ways={"yes": "user_email_case=false", "no": "user_email_case=true"},
        switches={"user_email_case": "e-mails of users that differ in case alone are two"},
        asked=(Asked(ProbeQuestion.USER_CASE, "does the case of a user's email make another: counts, ignored"),),
    ),
    # Values
    Question(
        "empties",
        "What empties a field in a patch?",
        ways={
            "the empty text": "clears=text",
            "null": "clears=null",
            "both": "clears=both",
            "nothing": "clears=nothing",
        },
        switches={"clears": "what empties a field in a patch: the empty text, null, both or nothing"},
        asked=(
            Asked(
                ProbeQuestion.CLEARS,
                'what empties a field in a patch: text (""), null, both, nothing',
                "empties",
                {"text": '""', "both": '""', "null": "null"},
            ),
        ),
    ),
    Question(
        "not emptied",
        "What does a patch do with what does not empty a field?",
        ways={"it is ignored": "clears_refused=false", "it is refused": "clears_refused=true"},
        switches={"clears_refused": "what does not empty a field is refused with 422; else the field stays as it is"},
        asked=(Asked(ProbeQuestion.CLEARS_REFUSED, "is a patch refused that cannot empty a field"),),
    ),
    Question(
        "unset",
        "How is an empty field shown?",
        ways={"as the empty text": "unset=text", "as null": "unset=null", "not at all": "unset=absent"},
        switches={"unset": "how a reply shows a field that holds nothing"},
        asked=(Asked(ProbeQuestion.UNSET, "how a reply shows a field without value: text, null, absent"),),
    ),
    Question(
        "rewritten",
        "Does the server rewrite values?",
        ways={
            "no": "rewrites=",
            "blanks are trimmed": "rewrites=trim",
            "USA becomes US": "rewrites=country",
            "an EIN loses its hyphen": "rewrites=ein",
            "a state becomes capitals": "rewrites=state",
            "an address is formatted": "rewrites=address",
            "an e-mail becomes lower case": "email_lowered=true",
        },
        switches={
            "rewrites": "what the server does to a value before it keeps it",
            "email_lowered": "an e-mail is kept in lower case",
        },
        asked=(
            Asked(ProbeQuestion.REWRITES, "what the server rewrites in a value"),
            Asked(ProbeQuestion.EMAIL_LOWERED, "is an email kept in lower case"),
        ),
    ),
    Question(
        "taken",
        "Does a patch take every field?",
        ways={"yes": "ignores=", "some are left as they are": "ignores=city"},
        switches={"ignores": "fields that a patch leaves as they are without a word"},
        asked=(Asked(ProbeQuestion.IGNORES, "fields that a patch leaves as they are"),),
    ),
    Question(
        "synced",
        "Does a customer that an integration syncs take a patch?",
        ways={"yes": "synced=take", "it is ignored": "synced=ignore", "422": "synced=refuse"},
        switches={"synced": "what a patch does of a customer that has a customer_integration_id"},
        not_asked="the probe's customer is not synced",
    ),
    Question(
        "identity",
        "What does a patch do with email and external_id?",
        ways={"it ignores them": "patch_identity=ignore", "422": "patch_identity=refuse"},
        switches={"patch_identity": "what a patch does with email and external_id"},
        not_asked="the reference has no such patch, and none is sent",
    ),
    # Lists
    Question(
        "most",
        "What is the largest limit?",
        ways={"100": "page_max=100", "1000": "page_max=1000", "50": "page_max=50"},
        switches={"page_max": "the largest limit of a page"},
        asked=(_LONGEST,),
    ),
    Question(
        "larger",
        "What does a larger limit do?",
        ways={"it is cut": "larger_limit=cut", "400": "larger_limit=refuse"},
        switches={"larger_limit": "a larger limit is cut, or refused with 400"},
        asked=(
            Asked(
                ProbeQuestion.LARGER_LIMIT,
                "what a limit of 1000 does: taken, cut, refused",
                "page_limit",
                {"taken": 1000, "cut": 100, "refused": 100},
            ),
        ),
    ),
    Question(
        "full",
        "Does a page hold as many as asked for?",
        ways={"yes": "page_holds=0", "fewer": "page_holds=3", "some hold fewer": "page_uneven=true"},
        switches={
            "page_holds": "how many rows a page holds at most, whatever its limit; 0: as many as asked",
            "page_uneven": "some pages hold one row fewer",
        },
        asked=(_LONGEST,),
    ),
    Question(
        "page shape",
        "Where does a page keep its cursors?",
        ways={"beside data": "page_shape=flat", "in pagination": "page_shape=nested"},
        switches={"page_shape": "where a page keeps its cursors: beside data, or in pagination"},
        asked=(Asked(ProbeQuestion.PAGE_SHAPE, "where a page keeps its cursor: flat, or nested in pagination"),),
    ),
    Question(
        "paging",
        "Is a list consistent while others write?",
        ways={"a cursor names a row": "paging=position", "a cursor counts rows": "paging=offset"},
        switches={"paging": "what a cursor holds; with offset, a customer created meanwhile shifts the pages to come"},
        asked=(Asked(ProbeQuestion.PAGING, "what a cursor holds: a position, or an offset that new customers shift"),),
    ),
    Question(
        "order",
        "In which order is a list?",
        ways={
            "newest first": "order=newest",
            "oldest first": "order=oldest",
            "by id": "order=id",
            "written last first": "order=updated",
        },
        switches={"order": "the order of a list of customers"},
        asked=(Asked(ProbeQuestion.ORDER, "the order of a list: newest, oldest, other"),),
    ),
    Question(
        "bounds",
        "Are created_at_start and created_at_end in the range?",
        ways={
            "both": "start_inclusive=true end_inclusive=true",
            "not the start": "start_inclusive=false",
            "not the end": "end_inclusive=false",
            "they are not heard": "narrows=false",
        },
        switches={
            "narrows": "created_at_start and created_at_end narrow a list; else they change nothing",
            "start_inclusive": "created_at_start itself is in the range",
            "end_inclusive": "created_at_end itself is in the range",
        },
        asked=(
            Asked(
                ProbeQuestion.NARROWS, "does a list narrowed by created_at hold only whom it should", "narrows", _YES_NO
            ),
            Asked(ProbeQuestion.START_INCLUSIVE, "does created_at_start hold the moment itself"),
            Asked(ProbeQuestion.END_INCLUSIVE, "does created_at_end hold the moment itself"),
        ),
    ),
    Question(
        "precision",
        "How precise is created_at?",
        ways={
            "microseconds": "precision=us",
            "milliseconds": "precision=ms",
            "seconds": "precision=s",
            "seconds, finer inside": "precision=s finer_inside=true",
        },
        switches={
            "precision": "the smallest part of created_at that is shown",
            "finer_inside": "the server keeps microseconds where precision shows fewer, and compares with them",
        },
        asked=(Asked(ProbeQuestion.PRECISION, "the smallest part of created_at: s, ms, us"),),
    ),
    Question(
        "lag",
        "When is a write to be seen?",
        ways={"at once": "lag_s=0", "later": "lag_s=3", "in lists later": "lag_s=3 lag_on=lists"},
        switches={
            "lag_s": "for how many seconds no read sees a write",
            "lag_on": "which reads that is: all, or lists alone",
        },
        asked=(
            Asked(ProbeQuestion.LAG, "after how many seconds a create was seen by get and list"),
            Asked(ProbeQuestion.LAG_ON, "which reads were late: reads (all), lists"),
        ),
    ),
    # Replies
    Question(
        "methods",
        "Which shape have payment methods?",
        ways={"an object with data": "methods_bare=false", "an array": "methods_bare=true"},
        switches={"methods_bare": "payment methods are a bare array; else an object with data"},
        asked=(Asked(ProbeQuestion.METHODS_BARE, "are payment methods a bare array"),),
    ),
    Question(
        "unknown",
        "Are there fields we do not know?",
        ways={"no": "extra_fields=false", "yes": "extra_fields=true"},
        switches={"extra_fields": "replies hold fields that the reference does not name"},
        asked=(Asked(ProbeQuestion.EXTRA_FIELDS, "are there fields that the reference does not name"),),
    ),
    Question(
        "error",
        "What is the body of an error?",
        ways={
            "HttpError": "error_body=http_error",
            "other JSON": "error_body=other",
            "empty": "error_body=empty",
            "HTML": "error_body=html",
        },
        switches={"error_body": "what a refusal's body is: the documented one, other JSON, nothing, or a proxy's page"},
        asked=(Asked(ProbeQuestion.ERROR_BODY, "what a refusal's body is: http_error, other, empty, html"),),
    ),
    Question(
        "scope",
        "What does a missing scope answer?",
        ways={"403": "scope_status=403", "401": "scope_status=401", "404": "scope_status=404"},
        switches={"scope_status": "what a request answers for which the key lacks the scope"},
        not_asked="the probe's key has its scopes",
    ),
    # Pace
    Question(
        "counted",
        "How are requests a second counted?",
        ways={
            "in each second of the clock": "limiter=second",
            "in any second": "limiter=sliding",
            "as a bucket": "limiter=bucket",
        },
        switches={
            "limiter": "how requests a second are counted: in each second of the clock, in any second, or as a bucket"
        },
        not_asked="only going over the limit tells, and others may use the key",
    ),
    Question(
        "token",
        "Does the token request count?",
        ways={"no": "token_counts=false", "yes": "token_counts=true"},
        switches={"token_counts": "the token request counts for the limit"},
        not_asked="only going over the limit tells",
    ),
    Question(
        "retry",
        "Which Retry-After has a 429?",
        ways={"seconds": "retry_after=seconds", "a date": "retry_after=date", "none": "retry_after=none"},
        switches={"retry_after": "the Retry-After of a 429"},
        not_asked="only a 429 tells",
    ),
    Question(
        "headers",
        "Which other headers has a 429?",
        ways={
            "none": "limit_headers=none",
            "X-RateLimit": "limit_headers=x_ratelimit",
            "RateLimit": "limit_headers=ratelimit",
        },
        switches={"limit_headers": "what a 429 says of the limit besides: X-RateLimit-… or RateLimit"},
        not_asked="only a 429 tells",
    ),
)
"""Every open question, in the order of the page that explains them."""

_WORDS = {one.question: one.words for question in QUESTIONS for one in question.asked}
ASKED: Mapping[ProbeQuestion, str] = {question: _WORDS[question] for question in ProbeQuestion}
"""What a probe asks, in words, in the order in which it is shown."""

_SWITCHES = {name: meaning for question in QUESTIONS for name, meaning in question.switches.items()}
MEANINGS: Mapping[str, str] = {switch.name: _SWITCHES[switch.name] for switch in fields(Behaviour)}
"""What each switch of the emulator is, in one line."""
