"""The API's open questions in words: each question, each of its ways, each switch, and what a probe asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from reconciler.model.reports import ProbeQuestion
from reconciler.rules.behaviour import Behaviour
from reconciler.rules.questions import QUESTIONS, NotAsked, Question


@dataclass(frozen=True, slots=True)
class Words:
    """A question in words; `ways` are in the order of the table, and a way that its code already says is left out."""

    question: str
    ways: Mapping[str, str]
    switches: Mapping[str, str]


WORDS: Mapping[str, Words] = {
    # Archived customers
    "listed": Words(
        "Are archived customers listed?",
        {},
        {"lists_archived": "archived customers are listed"},
    ),
    "get": Words(
        "What does a GET of an archived customer return?",
        {},
        {"gets_archived": "a GET returns an archived customer; otherwise it returns 404"},
    ),
    "written": Words(
        "Can an archived customer be patched and given new users?",
        {},
        {"patches_archived": "an archived customer can be patched and given new users; otherwise 404"},
    ),
    "archive_twice": Words(
        "What does archiving an archived customer return?",
        {},
        {"repeated_archive": "the status of archiving an archived customer"},
    ),
    "restore_twice": Words(
        "What does restoring an active customer return?",
        {},
        {"repeated_restore": "the status of restoring an active customer"},
    ),
    "restore_reply": Words(
        "What is in the body of a successful restore?",
        {"customer": "the customer"},
        {"restore_replies": "a restore returns the customer; otherwise its body is empty"},
    ),
    "invoices": Words(
        "Does archiving a customer with open invoices fail?",
        {},
        {
            "invoiced": "ids or external_ids of customers with open invoices; archiving them is refused",
            "invoiced_status": "the status of that refusal",
        },
    ),
    # Who is who
    "unique": Words(
        "Must an external_id be unique?",
        {"all_400": "among all, 400", "all_422": "among all, 422", "active": "among active customers"},
        {
            "unique": "the customers among which an external_id must be unique",
            "unique_status": "the status of a create whose external_id is taken",
        },
    ),
    "email": Words(
        "Must the email of a customer be unique?",
        {"active": "among active customers", "all": "among all customers"},
        {"email_unique": "the customers among which an email must be unique; a second one is refused"},
    ),
    "external_id": Words(
        "Is an external_id stored as it was sent?",
        {"trimmed": "outer whitespace is removed", "lowered": "in lower case"},
        {"external_ids": "how the server stores an external_id"},
    ),
    "required": Words(
        "Which fields must a create have?",
        {"nothing": "none", "name": "a name", "name_email": "a name and an email"},
        {"required": "fields without which a create returns 422"},
    ),
    "users": Words(
        "Can two users have the same email?",
        {"customer": "not within a customer", "account": "not within the account"},
        {"user_unique": "the scope within which a user's email must be unique; a second one returns 422"},
    ),
    "user_case": Words(
        "Are emails of users the same if only their case differs?",
        {},
        {"user_email_case": "emails of users that differ only in case are different"},
    ),
    # Values
    "empties": Words(
        "Which value clears a field in a patch?",
        {"text": "the empty text"},
        {"clears": "the value that clears a field in a patch: the empty text, null, both or nothing"},
    ),
    "not_emptied": Words(
        "What happens to a patch with the value that doesn't clear a field?",
        {"ignored": "the value is ignored", "refused": "the patch is refused"},
        {"clears_refused": "a value that doesn't clear a field returns 422; otherwise it is ignored"},
    ),
    "unset": Words(
        "How is an empty field returned?",
        {"text": "as the empty text", "null": "as null", "absent": "not at all"},
        {"unset": "how a reply shows an empty field"},
    ),
    "rewritten": Words(
        "Does the server rewrite values?",
        {
            "trim": "it trims whitespace",
            "country": "it changes USA to US",
            "ein": "it removes the hyphen of an EIN",
            "state": "it capitalizes a state",
            "address": "it formats an address",
            "email": "it lowers the case of an email",
        },
        {
            "rewrites": "what the server does to a value before it stores it",
            "email_lowered": "emails are stored in lower case",
        },
    ),
    "taken": Words(
        "Does a patch change every field?",
        {"some": "it leaves some unchanged"},
        {"ignores": "fields that a patch leaves unchanged without reporting it"},
    ),
    "synced": Words(
        "Can a customer that an integration syncs be patched?",
        {"ignored": "the patch is ignored"},
        {"synced": "what happens to a patch of a customer that has a customer_integration_id"},
    ),
    "sync_undoes": Words(
        "What does a sync of the integration undo, if nothing changed there?",
        {
            "restore": "a restore",
            "archive": "an archive",
            "patch": "a patch",
            "all": "all of these",
        },
        {"sync_undoes": "what a sync of the integration undoes, even if nothing changed there"},
    ),
    "integration_id": Words(
        "What does customer_integration_id hold?",
        {"internal": "an internal id of the integration", "number": "the customer number that people use there"},
        {"integration_ids": "what customer_integration_id holds"},
    ),
    "identity": Words(
        "What does a patch do with email and external_id?",
        {"ignored": "it ignores them"},
        {"patch_identity": "what a patch does with email and external_id"},
    ),
    # Lists
    "most": Words(
        "What is the largest limit?",
        {},
        {"page_max": "the largest limit of a page"},
    ),
    "larger": Words(
        "What happens to a larger limit?",
        {"cut": "it is reduced"},
        {"larger_limit": "whether a larger limit is reduced or refused with 400"},
    ),
    "full": Words(
        "Does a page have as many rows as its limit?",
        {"some": "some have fewer"},
        {
            "page_holds": "the most rows of a page, whatever its limit; 0: as many as its limit",
            "page_uneven": "some pages have one row fewer",
        },
    ),
    "page_shape": Words(
        "Where in a page are its cursors?",
        {"flat": "next to `data`", "nested": "in `pagination`"},
        {"page_shape": "where in a page its cursors are: next to data, or in pagination"},
    ),
    "paging": Words(
        "Is a list consistent while others write?",
        {"position": "yes, a cursor names a row", "offset": "no, a cursor counts rows"},
        {"paging": "what a cursor holds; with offset, a new customer shifts the pages that follow"},
    ),
    "order": Words(
        "How is a list sorted?",
        {"id": "by id", "newest": "newest first", "oldest": "oldest first", "updated": "last written first"},
        {"order": "how a list of customers is sorted"},
    ),
    "bounds": Words(
        "Do created_at_start and created_at_end include themselves?",
        {
            "both": "both do",
            "not_start": "the start doesn't",
            "not_end": "the end doesn't",
            "ignored": "both are ignored",
        },
        {
            "narrows": "created_at_start and created_at_end narrow a list; otherwise they are ignored",
            "start_inclusive": "the range includes created_at_start",
            "end_inclusive": "the range includes created_at_end",
        },
    ),
    "precision": Words(
        "How precise is created_at?",
        {"us": "microseconds", "ms": "milliseconds", "s": "seconds", "finer": "seconds, but compared more precisely"},
        {
            "precision": "the precision of created_at in replies",
            "finer_inside": "the server stores and compares microseconds, even if precision shows fewer",
        },
    ),
    "lag": Words(
        "When can a write be read?",
        {"none": "at once", "lists": "later in lists"},
        {
            "lag_s": "for how many seconds reads don't show a write",
            "lag_on": "which reads lag: all of them, or only lists",
        },
    ),
    # Replies
    "methods": Words(
        "How are payment methods returned?",
        {"object": "an object with `data`", "array": "an array"},
        {"methods_bare": "payment methods are an array; otherwise an object with data"},
    ),
    "unknown": Words(
        "Are there undocumented fields?",
        {},
        {"extra_fields": "replies have fields that the reference doesn't name"},
    ),
    "error": Words(
        "What is the body of an error?",
        {"http_error": "HttpError", "other": "other JSON", "html": "HTML"},
        {"error_body": "the body of an error: the documented one, other JSON, nothing, or a proxy's page"},
    ),
    "scope": Words(
        "What does a request return if the key lacks the scope?",
        {},
        {"scope_status": "the status of a request whose key lacks the scope"},
    ),
    "users_scope": Words(
        "Which scope do the users of customers need?",
        {},
        {"users_scope": "the scope that a key needs for users of customers"},
    ),
    "methods_scope": Words(
        "Which scope do payment methods need?",
        {},
        {"methods_scope": "the scope that a key needs for payment methods"},
    ),
    # Pace
    "counted": Words(
        "How are requests per second counted?",
        {"second": "in each second of the clock", "sliding": "in any second", "bucket": "as a bucket"},
        {"limiter": "how requests per second are counted: in each second of the clock, in any second, or as a bucket"},
    ),
    "token": Words(
        "Do token requests count toward the limit?",
        {},
        {"token_counts": "token requests count toward the limit"},
    ),
    "retry": Words(
        "What is the Retry-After of a 429?",
        {"date": "a date"},
        {"retry_after": "the Retry-After of a 429"},
    ),
    "headers": Words(
        "Which other headers does a 429 have?",
        {"x_ratelimit": "X-RateLimit", "ratelimit": "RateLimit"},
        {"limit_headers": "other headers of a 429 about the limit: X-RateLimit-… or RateLimit"},
    ),
}

_NOT_ASKED: Mapping[NotAsked, str] = {
    NotAsked.NO_INVOICE: "The probe's customer has no invoices.",
    NotAsked.NOT_SYNCED: "The probe's customer is not synced.",
    NotAsked.NEVER_SENT: "Reconciler never sends such a patch.",
    NotAsked.TWO_OF_ONE_EMAIL: "The probe creates one customer only.",
    NotAsked.HAS_SCOPES: "The probe's key has every scope it needs.",
    NotAsked.NEEDS_EXCESS: "Only exceeding the limit shows it, and others may be using the key.",
    NotAsked.NEEDS_429: "Only a 429 shows it.",
}

_ASKED: Mapping[ProbeQuestion, str] = {
    ProbeQuestion.LISTS_ARCHIVED: "are archived customers listed",
    ProbeQuestion.GETS_ARCHIVED: "does a GET return an archived customer",
    ProbeQuestion.PATCHES_ARCHIVED: "can an archived customer be patched",
    ProbeQuestion.REPEATED_ARCHIVE: "status of archiving an archived customer",
    ProbeQuestion.REPEATED_RESTORE: "status of restoring an active customer",
    ProbeQuestion.RESTORE_REPLIES: "does a restore return the customer",
    ProbeQuestion.UNIQUE: "among which customers an external_id must be unique: none, active, all",
    ProbeQuestion.UNIQUE_STATUS: "status of a create whose external_id is taken",
    ProbeQuestion.EXTERNAL_IDS: "how an external_id is stored: kept, trimmed, lowered, other",
    ProbeQuestion.EMAIL_REQUIRED: "must a create have an email",
    ProbeQuestion.LARGER_LIMIT: "what happens to a limit of 1000: taken, cut, refused",
    ProbeQuestion.LONGEST_PAGE: "most rows on a page with that limit",
    ProbeQuestion.PAGE_SHAPE: "where a page has its cursors: flat, or nested in pagination",
    ProbeQuestion.ORDER: "how a list is sorted: newest, oldest, other",
    ProbeQuestion.PAGING: "what a cursor holds: a position, or an offset that new customers shift",
    ProbeQuestion.NARROWS: "do created_at_start and created_at_end narrow a list",
    ProbeQuestion.START_INCLUSIVE: "does the range include created_at_start",
    ProbeQuestion.END_INCLUSIVE: "does the range include created_at_end",
    ProbeQuestion.PRECISION: "precision of created_at: s, ms, us",
    ProbeQuestion.LAG: "seconds until GET and list showed a create",
    ProbeQuestion.LAG_ON: "which reads lagged: reads (all), lists",
    ProbeQuestion.CLEARS: 'which value clears a field in a patch: text (""), null, both, nothing',
    ProbeQuestion.CLEARS_REFUSED: "is a patch refused if its value doesn't clear the field",
    ProbeQuestion.UNSET: "how an empty field is returned: text, null, absent",
    ProbeQuestion.IGNORES: "fields that a patch leaves unchanged",
    ProbeQuestion.REWRITES: "how the server rewrites values",
    ProbeQuestion.USER_UNIQUE: "is a second user with the same email refused: none, refused",
    ProbeQuestion.USER_CASE: "does case make a user's email different: counts, ignored",
    ProbeQuestion.EMAIL_LOWERED: "are emails stored in lower case",
    ProbeQuestion.METHODS_BARE: "are payment methods an array",
    ProbeQuestion.EXTRA_FIELDS: "are there undocumented fields",
    ProbeQuestion.ERROR_BODY: "body of an error: http_error, other, empty, html",
}


def question_text(question: Question) -> str:
    """Return a question in words."""
    return WORDS[question.key].question


def way_text(question: Question, way: str) -> str:
    """
    Return one of a question's ways in words.

    >>> [way_text(QUESTIONS[0], way) for way in QUESTIONS[0].ways]
    ['no', 'yes']
    """
    return WORDS[question.key].ways.get(way, way)


def not_asked_text(why: NotAsked) -> str:
    """Return why no probe asks a question."""
    return _NOT_ASKED[why]


def asked_text(question: ProbeQuestion) -> str:
    """Return what a probe asks."""
    return _ASKED[question]


_SWITCHES = {name: meaning for question in QUESTIONS for name, meaning in WORDS[question.key].switches.items()}
SWITCHES: Mapping[str, str] = {switch.name: _SWITCHES[switch.name] for switch in fields(Behaviour)}
"""What each switch of the emulator means, in one line."""
