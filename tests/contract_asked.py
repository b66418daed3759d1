"""Schemathesis against the emulator on a port: does it keep the contract, as a tool sees it that is not ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from reconciler.emulator.server import running
from reconciler.emulator.service import Emulator, load
from reconciler.resources import shipped
from reconciler.rules import Behaviour

# An archive is no deletion: an archived customer is restored, and then answers again.
_NO_DELETION = ("--exclude-checks", "use_after_free")
# By name, the emulator's switches, and what is not asked of it.
WAYS: Mapping[str, tuple[Mapping[str, object], Sequence[str]]] = {
    "as it is": ({}, _NO_DELETION),
    "archived is gone": (
        {"gets_archived": False, "patches_archived": False, "repeated_archive": 404},
        # Without it an archive is like a deletion.
        ("--exclude-operation-id", "restore_customer"),
    ),
    "other shapes": (
        {
            "error_body": "html",
            "extra_fields": True,
            "larger_limit": "refuse",
            "methods_bare": True,
            "order": "id",
            "page_shape": "nested",
            "precision": "s",
            "repeated_archive": 400,
            "repeated_restore": 400,
            "unique": "none",
            "unset": "null",
        },
        _NO_DELETION,
    ),
    "other values": (
        {
            "email_lowered": True,
            "error_body": "other",
            "order": "oldest",
            "page_holds": 1,
            "paging": "offset",
            "precision": "ms",
            "rewrites": "trim,country,ein,state,address",
            "unset": "absent",
            "user_unique": "account",
        },
        _NO_DELETION,
    ),
}
SETTINGS = Path(__file__).parent / "contract" / "schemathesis.toml"
_PROGRAM = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"
_COUNT = re.compile(r"(\d+) generated")


@dataclass(frozen=True, slots=True)
class Asked:
    """How a run ended (0: it found nothing), what it printed, and how many test cases it made."""

    code: int
    text: str
    cases: int


def asked(switches: Mapping[str, object], *options: str) -> Asked:
    """Run Schemathesis with `options` against an emulator with these switches, which has a few customers already."""
    served = Emulator(rate=0, behaviour=Behaviour().changed(switches))
    # Those without an external_id, as most that a tool makes, have a payment method.
    served.account.payment_methods[""] = [{"id": "pm_1", "type": "card"}]
    load(served.account, [{"name": name, "users": [{"email": f"{name}@acme.example"}]} for name in "abc"], 0.0)
    contract = str(shipped("schema/openapi.yaml"))
    with running(served) as url, tempfile.TemporaryDirectory() as folder:
        form = {"grant_type": "client_credentials"}
        given = httpx.post(f"{url}/oauth/token", auth=("local", "local"), data=form)
        ran = subprocess.run(
            [sys.executable, "-c", _PROGRAM, "--config-file", str(SETTINGS), "run", contract, "--url", url, *options],
            cwd=folder,
            env={**os.environ, "TOKEN": given.json()["access_token"], "NO_COLOR": "1", "COLUMNS": "120"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    text = ran.stdout.decode()
    cases = _COUNT.search(text)
    return Asked(ran.returncode, text, int(cases[1]) if cases else 0)
