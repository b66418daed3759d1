"""What Reconciler remembers between runs: bindings, last applied values, intents, runs, and the lock."""

from __future__ import annotations

from reconciler.ledger.base import Ledger
from reconciler.ledger.lock import Holder, Lock, lock_holder, take_lock
from reconciler.ledger.open import open_ledger

__all__ = ["Holder", "Ledger", "Lock", "lock_holder", "open_ledger", "take_lock"]
