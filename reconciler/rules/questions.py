"""
The open questions of the API as data: each question, each way in which it may be answered, and what sets it so.

Source: what the API's reference page "Customers", its guides and its OpenAPI text leave out. The emulator can be
each way (`Behaviour`); `docs/explanation/what-we-know-of-the-api.md` says what the tool does in each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.rules.behaviour import Behaviour


@dataclass(frozen=True, slots=True)
class Question:
    """
    An open question under a short key, in words, with its ways.

    `ways` maps each answer to the switches that make the emulator give it, `NAME=VALUE` with blanks between. The
    first is the one that the emulator gives unless told.
    """

    key: str
    words: str
    ways: Mapping[str, str]


def switched(settings: str) -> Behaviour:
    """
    Return the behaviour with the switches of a way.

    >>> switched("unique=all unique_status=422").unique_status
    422
    """
    return Behaviour().changed(dict(one.split("=", 1) for one in settings.split()))


QUESTIONS: tuple[Question, ...] = (
    # Archived customers
    Question("listed", "Are archived customers listed?", {"no": "lists_archived=false", "yes": "lists_archived=true"}),
    Question(
        "get", "Does a get of an archived customer answer?", {"200": "gets_archived=true", "404": "gets_archived=false"}
    ),
    Question(
        "written",
        "Does an archived customer take a patch and new users?",
        {"yes": "patches_archived=true", "404": "patches_archived=false"},
    ),
    Question(
        "archive twice",
        "What does the archive of an archived customer answer?",
        {f"{status}": f"repeated_archive={status}" for status in (200, 400, 404)},
    ),
    Question(
        "restore twice",
        "What does the restore of an active customer answer?",
        {f"{status}": f"repeated_restore={status}" for status in (200, 400, 404)},
    ),
    Question(
        "restore reply",
        "What does the 200 to a restore carry?",
        {"the customer": "restore_replies=true", "nothing": "restore_replies=false"},
    ),
    Question(
        "invoices",
        "Does archiving fail where invoices are open?",
        {"no": "invoiced=", **{f"{status}": f"invoiced=acme invoiced_status={status}" for status in (400, 422, 500)}},
    ),
    # Who is who
    Question(
        "unique",
        "Is an external_id unique?",
        {
            "among all, 400": "unique=all",
            "among all, 422": "unique=all unique_status=422",
            "among active ones": "unique=active",
            "no": "unique=none",
        },
    ),
    Question(
        "external_id",
        "Is an external_id kept as it is sent?",
        {"yes": "external_ids=kept", "without outer blanks": "external_ids=trimmed", "lowered": "external_ids=lowered"},
    ),
    Question(
        "required",
        "What must a create carry?",
        {"nothing": "required=", "a name": "required=name", "a name and an e-mail": "required=name,email"},
    ),
    Question(
        "users",
        "May two users have one e-mail?",
        {
            "not of one customer": "user_unique=customer",
            "not in the account": "user_unique=account",
            "yes": "user_unique=none",
        },
    ),
    Question(
        "user case",
        "Are users' e-mails that differ in case one?",
        {"yes": "user_email_case=false", "no": "user_email_case=true"},
    ),
    # Values
    Question(
        "empties",
        "What empties a field in a patch?",
        {"the empty text": "clears=text", "null": "clears=null", "both": "clears=both", "nothing": "clears=nothing"},
    ),
    Question(
        "not emptied",
        "What does a patch do with what does not empty a field?",
        {"it is ignored": "clears_refused=false", "it is refused": "clears_refused=true"},
    ),
    Question(
        "unset",
        "How is an empty field shown?",
        {"as the empty text": "unset=text", "as null": "unset=null", "not at all": "unset=absent"},
    ),
    Question(
        "rewritten",
        "Does the server rewrite values?",
        {
            "no": "rewrites=",
            "blanks are trimmed": "rewrites=trim",
            "USA becomes US": "rewrites=country",
            "an EIN loses its hyphen": "rewrites=ein",
            "a state becomes capitals": "rewrites=state",
            "an address is formatted": "rewrites=address",
            "an e-mail becomes lower case": "email_lowered=true",
        },
    ),
    Question(
        "taken", "Does a patch take every field?", {"yes": "ignores=", "some are left as they are": "ignores=city"}
    ),
    Question(
        "synced",
        "Does a customer that an integration syncs take a patch?",
        {"yes": "synced=take", "it is ignored": "synced=ignore", "422": "synced=refuse"},
    ),
    Question(
        "identity",
        "What does a patch do with email and external_id?",
        {"it ignores them": "patch_identity=ignore", "422": "patch_identity=refuse"},
    ),
    # Lists
    Question(
        "most", "What is the largest limit?", {"100": "page_max=100", "1000": "page_max=1000", "50": "page_max=50"}
    ),
    Question("larger", "What does a larger limit do?", {"it is cut": "larger_limit=cut", "400": "larger_limit=refuse"}),
    Question(
        "full",
        "Does a page hold as many as asked for?",
        {"yes": "page_holds=0", "fewer": "page_holds=3", "some hold fewer": "page_uneven=true"},
    ),
    Question(
        "page shape",
        "Where does a page keep its cursors?",
        {"beside data": "page_shape=flat", "in pagination": "page_shape=nested"},
    ),
    Question(
        "paging",
        "Is a list consistent while others write?",
        {"a cursor names a row": "paging=position", "a cursor counts rows": "paging=offset"},
    ),
    Question(
        "order",
        "In which order is a list?",
        {
            "newest first": "order=newest",
            "oldest first": "order=oldest",
            "by id": "order=id",
            "written last first": "order=updated",
        },
    ),
    Question(
        "bounds",
        "Are created_at_start and created_at_end in the range?",
        {
            "both": "start_inclusive=true end_inclusive=true",
            "not the start": "start_inclusive=false",
            "not the end": "end_inclusive=false",
            "they are not heard": "narrows=false",
        },
    ),
    Question(
        "precision",
        "How precise is created_at?",
        {
            "microseconds": "precision=us",
            "milliseconds": "precision=ms",
            "seconds": "precision=s",
            "seconds, finer inside": "precision=s finer_inside=true",
        },
    ),
    Question(
        "lag",
        "When is a write to be seen?",
        {"at once": "lag_s=0", "later": "lag_s=3", "in lists later": "lag_s=3 lag_on=lists"},
    ),
    # Replies
    Question(
        "methods",
        "Which shape have payment methods?",
        {"an object with data": "methods_bare=false", "an array": "methods_bare=true"},
    ),
    Question("unknown", "Are there fields we do not know?", {"no": "extra_fields=false", "yes": "extra_fields=true"}),
    Question(
        "error",
        "What is the body of an error?",
        {
            "HttpError": "error_body=http_error",
            "other JSON": "error_body=other",
            "empty": "error_body=empty",
            "HTML": "error_body=html",
        },
    ),
    Question(
        "scope",
        "What does a missing scope answer?",
        {f"{status}": f"scope_status={status}" for status in (403, 401, 404)},
    ),
    # Pace
    Question(
        "counted",
        "How are requests a second counted?",
        {
            "in each second of the clock": "limiter=second",
            "in any second": "limiter=sliding",
            "as a bucket": "limiter=bucket",
        },
    ),
    Question("token", "Does the token request count?", {"no": "token_counts=false", "yes": "token_counts=true"}),
    Question(
        "retry",
        "Which Retry-After has a 429?",
        {"seconds": "retry_after=seconds", "a date": "retry_after=date", "none": "retry_after=none"},
    ),
    Question(
        "headers",
        "Which other headers has a 429?",
        {
            "none": "limit_headers=none",
            "X-RateLimit": "limit_headers=x_ratelimit",
            "RateLimit": "limit_headers=ratelimit",
        },
    ),
)
"""Every open question, in the order of the page that explains them."""
