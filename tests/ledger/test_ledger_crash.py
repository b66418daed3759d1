"""A process that is killed while it commits: what it had committed is there, and nothing half."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from reconciler.ledger import open_ledger
from reconciler.model.core import CustomerId

# Each commit writes a binding and its users; the number is printed once commit has returned.
WRITER = """
import sys
from itertools import count
from reconciler.ledger import open_ledger
from reconciler.model.core import CustomerId
from reconciler.model.ledger import Binding, BindingState, PutBinding, PutUsers, SeenUser, Via

def bound(n):
    key, customer = f"key-{n}", CustomerId(f"cus_{n}")
    return Binding(key, customer, key, "", BindingState.ACTIVE, "default", "c.yaml", False, Via.CREATED)

with open_ledger(sys.argv[1], environment="demo", base_url="https://api.example") as ledger:
    for n in count():
        user = SeenUser(f"user-{n}@acme.example", {"first_name": "x" * 3000})
        ledger.commit([PutBinding(bound(n)), PutUsers(CustomerId(f"cus_{n}"), (user,))])
        print(n, flush=True)
"""


def test_what_was_committed_before_a_kill_is_there_and_nothing_half(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) == 300:  # by then the log has been moved into the file at least once
                writer.send_signal(signal.SIGKILL)
                break
        told = 300 + len(writer.stdout.readlines())
    with open_ledger(str(path), environment="demo", base_url="https://api.example") as ledger:
        records = ledger.records()
        assert ledger.writable
    written = len(records.bindings)
    assert written in (told + 1, told + 2)
    assert set(records.bindings) == {f"key-{n}" for n in range(written)}
    assert {customer: users[0].email for customer, users in records.users.items()} == {
        CustomerId(f"cus_{n}"): f"user-{n}@acme.example" for n in range(written)
    }
