"""The closed words of `Behaviour`: the ways in which an open question may be answered."""

from __future__ import annotations

from enum import StrEnum


class Unique(StrEnum):
    """Among which customers an external_id may stand once only."""

    NONE = "none"
    ACTIVE = "active"
    ALL = "all"


class UserUnique(StrEnum):
    """Within what two users may not share an e-mail; a second one is refused with 422."""

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
    """Where a page keeps its cursors: beside `data`, or in `pagination` (both stand in the guides)."""

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


class Limiter(StrEnum):
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
