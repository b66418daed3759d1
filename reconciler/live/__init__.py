"""API pages to `Live`, with as few requests as the question needs. It reads; what the answers mean is the plan's."""

from reconciler.live.alone import alone
from reconciler.live.beside import with_users
from reconciler.live.listing import LARGER, PAGE, listing, listing_by
from reconciler.live.reads import answer, narrow
from reconciler.live.taught import taught
from reconciler.live.turned import sharing

__all__ = ["LARGER", "PAGE", "alone", "answer", "listing", "listing_by", "narrow", "sharing", "taught", "with_users"]
