"""API pages to `Live`, with as few requests as the question needs. It reads; `plan` decides what the answers mean."""

from reconciler.live.listing import LARGER, PAGE, learned_from, listing, listing_by, sharing
from reconciler.live.reads import alone, answer, narrow, with_users

__all__ = [
    "LARGER",
    "PAGE",
    "alone",
    "answer",
    "learned_from",
    "listing",
    "listing_by",
    "narrow",
    "sharing",
    "with_users",
]
