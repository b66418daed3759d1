"""The end of another run's commits, written into a log that this process has not read."""

from __future__ import annotations

from uuid import uuid4

from reconciler.ledger.lock import Holder
from reconciler.ledger.objects.segments import Kind, Segment, Writer, log_key, number_of, read_head, write_segment
from reconciler.ledger.objects.store import Store


def end_log(store: Store, folder: str, run: str, holder: Holder, *, known: int) -> None:
    """Write at the end of a ledger's log that `run` may commit no more: `holder` took over, or nobody."""
    segment = write_segment(Segment(Kind.END, uuid4().hex, Writer(run), by=holder), known)
    while (got := store.get(f"{folder}/head")) is not None:
        number = read_head(got.content, store.place).number
        keys = store.keys(f"{folder}/log", after=f"{folder}/{log_key(number)}")
        if keys:
            number = number_of(keys[-1])
        if store.put_new(f"{folder}/{log_key(number + 1)}", segment):
            return
