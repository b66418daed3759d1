"""
Why something is blocked, noted, unknown or stopped: closed codes, and the typed parts that each carries. No sentences.

`report.messages` says each code in words. A part is of the type of what it holds, so that JSON can carry it, and so
that `--redact` masks it by its type: a `FieldValue` by its field, `Cited` words always, an `Address` by its email.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as having
from enum import StrEnum
from typing import Any, Self, TypeAlias

from reconciler.errors import Source, Stop
from reconciler.model.core import Address, CustomerId


class ReasonCode(StrEnum):
    """A closed set of codes; each member has its code and the names of the `parts` that it carries."""

    parts: tuple[str, ...]

    def __new__(cls, code: str, *parts: str) -> Self:
        """Return the member of a code, which is its value."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.parts = parts
        return member


@dataclass(frozen=True, slots=True)
class FieldValue:
    """A value of a field of a customer or a user; "" is empty."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Cited:
    """The words of a server, a store or a library: never ours, and masked as a whole."""

    words: str


@dataclass(frozen=True, slots=True)
class FieldCited:
    """The words of a server about one field; masked as a whole but for the field's name."""

    field: str
    words: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A time, in seconds since 1970."""

    at: float


@dataclass(frozen=True, slots=True)
class Likeness:
    """
    A live customer that another one may be: `signs` are the fields in which they agree.

    - `key` is what let go of it, None where no key had it; `near` is its key or external_id where that is nearly the
      other one's, "" where it is not.
    - `name` is "" where it is a sign, or a key tells who it is.
    - `read`: the file of its entry was read. `active`: it is not archived.
    """

    id: CustomerId
    key: str | None = None
    signs: tuple[str, ...] = ()
    near: str = ""
    name: FieldValue = FieldValue("name", "")
    read: bool = True
    active: bool = True


ReasonPart: TypeAlias = str | int | float | FieldValue | Cited | FieldCited | Moment | Likeness | Address | Source
"""
Text is a key, an id, the name of a field, a file, a pattern, an option, why the project file allows something: nothing
personal, and no sentence of ours.
"""

ReasonParts: TypeAlias = Mapping[str, ReasonPart | tuple[ReasonPart, ...]]


def check_parts(code: ReasonCode, parts: ReasonParts) -> None:
    """Raise ValueError where `parts` are not those that `code` carries."""
    if parts.keys() != set(code.parts):
        raise ValueError(f"{code}: {sorted(parts)} instead of {sorted(code.parts)}")


def quoted_values(parts: ReasonParts) -> tuple[tuple[str, str], ...]:
    """
    Return the values of fields among `parts`, (field, value), without those that are empty.

    >>> quoted_values({"key": "acme", "held": FieldValue("city", "Boston"), "left": FieldValue("city", "")})
    (('city', 'Boston'),)
    """
    found: dict[tuple[str, str], None] = {}
    for part in parts.values():
        for one in part if isinstance(part, tuple) else (part,):
            value = one.name if isinstance(one, Likeness) else one
            if isinstance(value, FieldValue) and value.value:
                found[value.field, value.value] = None
    return tuple(found)


class BlockedReason(ReasonCode):
    """Why something that should be done cannot be done."""

    # Who it is.
    BINDING_EXTERNAL_ID_CHANGED = "binding_external_id_changed", "key", "id", "external_id", "recorded"
    BINDING_EXTERNAL_ID_LOST = "binding_external_id_lost", "key", "id", "recorded"
    BOUND_TO_BLOCKED_KEY = "bound_to_blocked_key", "id", "key"
    BOUND_TO_OTHER_PROJECT = "bound_to_other_project", "id", "key", "project", "file"
    EXTERNAL_ID_ON_SEVERAL = "external_id_on_several", "ids"
    EXTERNAL_ID_OF_SEVERAL_KEYS = "external_id_of_several_keys", "keys", "external_id"
    ID_OF_SEVERAL_KEYS = "id_of_several_keys", "keys", "id"
    ID_UNKNOWN = "id_unknown", "id"
    INACTIVE_BESIDE_ACTIVE = "inactive_beside_active", "id", "rivals"
    KEYS_BOUND_APART = "keys_bound_apart", "keys", "ids"
    MOVED_BESIDE_ANOTHER = "moved_beside_another", "id", "rivals"

    # Whether it already exists.
    CREATE_IN_DOUBT = "create_in_doubt"
    EXTERNAL_ID_TAKEN = "external_id_taken", "answer"
    LIKE_ARCHIVED_KEY = "like_archived_key", "key", "likes", "former"
    LIKE_CUSTOMER = "like_customer", "key", "likes"
    LIKE_FORMER_KEY = "like_former_key", "key", "likes"
    LIKE_SEVERAL = "like_several", "key", "likes"
    LIKE_NEW_CUSTOMER = "like_new_customer", "key", "likes"
    LIKE_NEW_KEY = "like_new_key", "key", "likes"
    LIKE_NEW_KEY_ARCHIVED = "like_new_key_archived", "key", "likes", "former"
    MAY_EXIST = "may_exist", "listings"

    # What its create lacks.
    EMAIL_MISSING = "email_missing"
    NAME_MISSING = "name_missing"
    NAME_MISSING_FOR_RESTORE = "name_missing_for_restore"

    # What the API, or the server, does not let be changed.
    FIELD_FIXED = "field_fixed", "field", "live", "declared"
    USER_FIXED = "user_fixed", "field", "live", "declared"
    VALUE_REFUSED = "value_refused", "field", "live", "declared"
    VALUE_UNSTABLE = "value_unstable", "field", "declared", "runs", "seen", "times"

    # What keeps it from being archived, restored or forgotten.
    ARCHIVE_REVERSED = "archive_reversed", "key", "times"
    OWNED_BY_SEVERAL = "owned_by_several", "ids"
    OWNED_ONCE_FORGOTTEN = "owned_once_forgotten", "id", "external_id"
    PROTECTED = "protected", "key"
    PROTECTED_BY_POLICY = "protected_by_policy"
    REMOVED_BUT_PROTECTED = "removed_but_protected", "key"
    REMOVED_BUT_PROTECTED_BY_POLICY = "removed_but_protected_by_policy", "at"
    RESTORE_REVERSED = "restore_reversed", "key", "times"
    SYNCED_ACTIVE = "synced_active"

    # What keeps a run from being undone.
    UNDO_CHANGED_SINCE = "undo_changed_since", "field", "live", "left"
    UNDO_INACTIVE = "undo_inactive", "id"
    UNDO_PROTECTED = "undo_protected", "key"
    UNDO_UNBOUND = "undo_unbound", "id"
    UNDO_UNKNOWN_CUSTOMER = "undo_unknown_customer"
    UNDO_USER = "undo_user"
    UNDO_VALUES_ERASED = "undo_values_erased"
    UNDO_WOULD_DUPLICATE = "undo_would_duplicate", "id", "rivals"

    # What keeps all of several customers with one external_id.
    DUPLICATES_BOUND = "duplicates_bound", "ids", "keys"
    DUPLICATES_PROTECTED = "duplicates_protected"


class NoteKind(ReasonCode):
    """What a reader of a plan should know, and need not act on."""

    # Of a customer.
    ABSENT_ALREADY = "absent_already"
    DISTINCT_FROM_NOBODY = "distinct_from_nobody", "name"
    EXTERNAL_ID_DIFFERS = "external_id_differs", "id", "external_id"
    EXTERNAL_ID_EMPTY = "external_id_empty", "id"
    FIELD_RELEASED = "field_released", "field", "value"
    FORGOTTEN_LATER = "forgotten_later"
    LISTED_THOUGH_ARCHIVED = "listed_though_archived"
    LOOKS_LIKE = "looks_like", "key", "likes"
    LOOKS_LIKE_UNREAD = "looks_like_unread", "likes"
    REMOVED_AND_INACTIVE = "removed_and_inactive"
    REMOVED_BUT_RESTORED = "removed_but_restored"
    SYNCED = "synced"
    SYNCED_FIELD = "synced_field", "field", "held", "declared"
    SYNCED_ARCHIVE = "synced_archive"
    SYNCED_RESTORE = "synced_restore"
    SYNCED_ARCHIVED = "synced_archived"
    SYNCED_RELEASED = "synced_released"
    USER_RELEASED = "user_released"

    # Of the whole plan.
    ALLOWED = "allowed", "rule", "planned", "limit", "at", "until", "reason"
    ALLOWED_ACTION = "allowed_action", "action", "planned", "at", "until", "reason"
    ALLOWED_LONG = "allowed_long", "at", "until", "days"
    ALLOW_ENDED = "allow_ended", "at", "until"
    API_KEY_ACCEPTED = "api_key_accepted", "live", "bound"
    API_KEY_CHANGED = "api_key_changed", "live", "bound"
    ARCHIVED_UNCONFIRMED = "archived_unconfirmed", "keys"
    LISTED_TWICE = "listed_twice", "requests"
    LISTING_OF_ARCHIVED_UNKNOWN = "listing_of_archived_unknown"
    LOOKALIKES_LEFT = "lookalikes_left", "customers"
    ONLY_TARGETS_READ = "only_targets_read"
    PATTERN_MATCHES_NOBODY = "pattern_matches_nobody", "rule", "at", "pattern"
    PATTERN_NEARLY_MATCHES = "pattern_nearly_matches", "rule", "at", "pattern", "near"
    PATTERNS_LEFT = "patterns_left", "patterns"
    RECREATE_MATCHES_NOBODY = "recreate_matches_nobody", "key"
    RECREATE_NEARLY_MATCHES = "recreate_nearly_matches", "key", "near"
    UNVERIFIED = "unverified", "customers", "ages_s"

    # Of a plan of what changed since a commit: what it is about, or why it is about the whole account.
    CHANGED_SINCE = "changed_since", "ref", "commit", "planned", "customers"
    SINCE_ENVIRONMENT_UNKNOWN = "since_environment_unknown", "ref", "commit", "environment"
    SINCE_FILE_UNREADABLE = "since_file_unreadable", "ref", "commit", "at"
    SINCE_NOT_IN_GIT = "since_not_in_git", "ref", "file"
    SINCE_PROJECT_FILE = "since_project_file", "ref", "commit", "file"
    SINCE_SETTINGS = "since_settings", "ref", "commit", "settings"

    # Of a run that is undone.
    UNDO_ACTIVE_AGAIN = "undo_active_again"
    UNDO_FAILED = "undo_failed", "action"
    UNDO_INACTIVE_ALREADY = "undo_inactive_already"
    UNDO_IN_DOUBT = "undo_in_doubt", "action"
    UNDO_KEEPS_FILES = "undo_keeps_files"
    UNDO_KEEPS_USER = "undo_keeps_user"

    # Of several customers with one external_id.
    DUPLICATE_KEPT_BOUND = "duplicate_kept_bound", "id"
    DUPLICATE_KEPT_CHOSEN = "duplicate_kept_chosen", "id"
    DUPLICATE_KEPT_OLDEST = "duplicate_kept_oldest", "id"
    DUPLICATE_KEPT_PAYMENT_METHODS = "duplicate_kept_payment_methods", "id"
    DUPLICATE_KEPT_USERS = "duplicate_kept_users", "id"
    DUPLICATES_MAY_BE_ARCHIVED = "duplicates_may_be_archived"


class KeepReason(StrEnum):
    """Why one of several customers with the same external_id is kept."""

    CHOSEN = "chosen"
    BOUND = "bound"
    PAYMENT_METHODS = "payment_methods"
    USERS = "users"
    OLDEST = "oldest"


class UnknownKind(ReasonCode):
    """What cannot be known."""

    ARCHIVES_INVISIBLE = "archives_invisible"
    NO_LEDGER = "no_ledger"
    RESTORES_INVISIBLE = "restores_invisible", "customers"
    RESTORES_UNCERTAIN = "restores_uncertain", "customers"
    WEBHOOKS_SILENT = "webhooks_silent"


class LearnedFrom(ReasonCode):
    """Where it comes from what is known of the listing of archived customers; the ledger keeps it as `written`."""

    ASKED = "asked", "id"
    CONTRADICTED = "contradicted"
    NOT_LISTED = "not_listed", "id"

    def written(self, *parts: str) -> str:
        """Return it as the ledger has it: the code, and its parts after spaces."""
        return " ".join((self.value, *parts))


class StopReason(ReasonCode):
    """Why nothing is planned or sent at all."""

    FILES_ELSEWHERE = "files_elsewhere", "customers", "files"
    LEDGER_ELSEWHERE = "ledger_elsewhere", "live", "bound"
    LEDGER_MISMATCH = "ledger_mismatch", "broken", "bound"
    LISTING_SHORT = "listing_short", "ids"
    LISTINGS_DIFFER = "listings_differ", "listings"
    PLACE_ELSEWHERE = "place_elsewhere", "customers", "places", "here", "project", "place"
    TARGET_LEFT_OUT = "target_left_out", "targets"
    TARGET_MATCHES_NOBODY = "target_matches_nobody", "targets"
    TARGET_NEARLY_MATCHES = "target_nearly_matches", "targets", "near"
    USERS_UNLISTED = "users_unlisted", "id"

    PLAN_ALTERED = "plan_altered"
    PLAN_CUT = "plan_cut"
    PLAN_FORGED = "plan_forged"
    PLAN_FORMAT_UNKNOWN = "plan_format_unknown", "found", "known"
    PLAN_NOT_JSON = "plan_not_json"
    PLAN_NOT_SAVED = "plan_not_saved"
    PLAN_REDACTED = "plan_redacted"
    PLAN_VERSION_UNKNOWN = "plan_version_unknown"
    PLAN_WITHOUT_FORMAT = "plan_without_format"

    ACCOUNT_CHANGED = "account_changed"
    ACCOUNT_UNLIKE = "account_unlike", "live", "bound"
    KEEP_SEVERAL = "keep_several", "ids", "external_id"
    KEEP_WITHOUT_DUPLICATE = "keep_without_duplicate", "ids"


def stop(reason: StopReason, parts: ReasonParts | None = None) -> Stop:
    """Return what an exception carries instead of a sentence."""
    given = parts or {}
    check_parts(reason, given)
    return Stop(reason, given)


# --- how a change, or a run, ended -------------------------------------------------------------------


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
