"""API pages to `Live`, with as few requests as the question needs. It reads; what the answers mean is the plan's."""

from reconciler.live.alone import alone
from reconciler.live.listing import LARGER, PAGE, listing
from reconciler.live.reads import answer, narrow

__all__ = ["LARGER", "PAGE", "alone", "answer", "listing", "narrow"]
