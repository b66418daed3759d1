"""What the API's documentation leaves open, as switches: `Behaviour`, and the closed words of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum


class Unique(StrEnum):
    """Among which customers an external_id may occur once only."""

    NONE = "none"
    ACTIVE = "active"
    ALL = "all"


class UserUnique(StrEnum):
    """Within what two users may not share an email; a second one is refused with 422."""

    NONE = "none"
    CUSTOMER = "customer"
    ACCOUNT = "account"


class Clears(StrEnum):
    """Which value empties a field in a patch; the others keep what the field holds."""

    TEXT = "text"
    NULL = "null"
    BOTH = "both"
    NOTHING = "nothing"


class Unset(StrEnum):
    """How a reply shows a field that holds nothing."""

    TEXT = "text"
    NULL = "null"
    ABSENT = "absent"


class PatchIdentity(StrEnum):
    """What a patch does with `email` and `external_id`, which it cannot set."""

    IGNORE = "ignore"
    REFUSE = "refuse"


class Synced(StrEnum):
    """What a patch of a customer does that another system syncs (`customer_integration_id`)."""

    TAKE = "take"
    IGNORE = "ignore"
    REFUSE = "refuse"


class SyncUndoes(StrEnum):
    """What a sync of the integration undoes, though nothing changed there: what someone else did here."""

    RESTORE = "restore"
    ARCHIVE = "archive"
    PATCH = "patch"


class IntegrationIds(StrEnum):
    """What `customer_integration_id` holds: the integration's internal id, or the number that people use there."""

    INTERNAL = "internal"
    NUMBER = "number"


class EmailUnique(StrEnum):
    """Among which customers an email must be unique; a second one is refused like a second external_id."""

    NONE = "none"
    ACTIVE = "active"
    ALL = "all"


class UsersScope(StrEnum):
    """The scope that a key needs for the users of customers."""

    CUSTOMERS = "customers"
    USERS = "users"


class MethodsScope(StrEnum):
    """The scope that a key needs for payment methods."""

    CUSTOMERS = "customers"
    PAYMENTS = "payments"


class LargerLimit(StrEnum):
    """What a `limit` above the largest does: the page is cut, or a 400."""

    CUT = "cut"
    REFUSE = "refuse"


class Paging(StrEnum):
    """What a cursor holds. With `offset`, a customer created meanwhile shifts the pages to come."""

    POSITION = "position"
    OFFSET = "offset"


class Order(StrEnum):
    """The order of a list of customers; `updated`: what was written last comes first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    ID = "id"
    UPDATED = "updated"


class PageShape(StrEnum):
    """Where a page keeps its cursors: beside `data`, or in `pagination` (both are in the guides)."""

    FLAT = "flat"
    NESTED = "nested"


class Precision(StrEnum):
    """The smallest part of `created_at`."""

    S = "s"
    MS = "ms"
    US = "us"


class Rewrite(StrEnum):
    """What the server does to a value before it keeps it."""

    TRIM = "trim"
    COUNTRY = "country"
    EIN = "ein"
    STATE = "state"
    ADDRESS = "address"


class ExternalIds(StrEnum):
    """What the server makes of an external_id before it keeps it."""

    KEPT = "kept"
    TRIMMED = "trimmed"
    LOWERED = "lowered"


class LagOn(StrEnum):
    """Which reads see a write only after a while: all, or lists alone, as where a search index answers them."""

    READS = "reads"
    LISTS = "lists"


class ErrorBody(StrEnum):
    """What a refusal's body is: the documented `HttpError`, other JSON, nothing, or a proxy's page."""

    HTTP_ERROR = "http_error"
    OTHER = "other"
    EMPTY = "empty"
    HTML = "html"


class LimitKind(StrEnum):
    """
    How requests a second are counted.

    `second`: in each second of the clock. `sliding`: in any second. `bucket`: it holds a second's
    worth and is filled evenly.
    """

    SECOND = "second"
    SLIDING = "sliding"
    BUCKET = "bucket"


class RetryAfter(StrEnum):
    """The `Retry-After` of a 429."""

    NONE = "none"
    SECONDS = "seconds"
    DATE = "date"


class LimitHeaders(StrEnum):
    """What a 429 says of the limit beside `Retry-After`."""

    NONE = "none"
    X_RATELIMIT = "x_ratelimit"
    RATELIMIT = "ratelimit"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How an account answers where the documentation does not say; `questions` has what each switch is."""

    lists_archived: bool = False
    gets_archived: bool = True
    patches_archived: bool = True
    restore_replies: bool = True
    unique: Unique = Unique.ALL
    unique_status: int = 400
    external_ids: ExternalIds = ExternalIds.KEPT
    required: frozenset[str] = frozenset()
    patch_identity: PatchIdentity = PatchIdentity.IGNORE
    ignores: frozenset[str] = frozenset()
    email_unique: EmailUnique = EmailUnique.NONE
    synced: Synced = Synced.TAKE
    sync_undoes: frozenset[str] = frozenset()
    integration_ids: IntegrationIds = IntegrationIds.INTERNAL
    clears: Clears = Clears.TEXT
    clears_refused: bool = False
    unset: Unset = Unset.TEXT
    rewrites: frozenset[Rewrite] = frozenset()
    page_max: int = 100
    larger_limit: LargerLimit = LargerLimit.CUT
    page_holds: int = 0
    page_uneven: bool = False
    page_shape: PageShape = PageShape.FLAT
    paging: Paging = Paging.POSITION
    order: Order = Order.ID
    narrows: bool = True
    start_inclusive: bool = True
    end_inclusive: bool = True
    precision: Precision = Precision.US
    finer_inside: bool = False
    lag_s: float = 0.0
    lag_on: LagOn = LagOn.READS
    repeated_archive: int = 200
    repeated_restore: int = 200
    invoiced: frozenset[str] = frozenset()
    invoiced_status: int = 400
    user_unique: UserUnique = UserUnique.CUSTOMER
    user_email_case: bool = False
    email_lowered: bool = False
    methods_bare: bool = False
    extra_fields: bool = False
    error_body: ErrorBody = ErrorBody.HTTP_ERROR
    limiter: LimitKind = LimitKind.SECOND
    token_counts: bool = False
    retry_after: RetryAfter = RetryAfter.SECONDS
    limit_headers: LimitHeaders = LimitHeaders.NONE
    scope_status: int = 403
    users_scope: UsersScope = UsersScope.CUSTOMERS
    methods_scope: MethodsScope = MethodsScope.CUSTOMERS

    def as_json(self) -> dict[str, object]:
        """Return every switch as JSON has it, sets as sorted lists."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in values.items()}


CHOICES: Mapping[str, tuple[int, ...]] = {
    "unique_status": (400, 422),
    "repeated_archive": (200, 400, 404),
    "repeated_restore": (200, 400, 404),
    "invoiced_status": (400, 422, 500),
    "scope_status": (401, 403, 404),
}
