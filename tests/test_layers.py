"""The package keeps to the house that `layers` draws, and what does not keep to it is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from layers import SILENT, UNIX, unannounced, violations

HOUSE = Path(__file__).parent.parent / "reconciler"
MODULES = {
    ".".join(path.relative_to(HOUSE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(HOUSE.rglob("*.py"))
    if "_shipped" not in path.parts
}


def test_the_house_is_found() -> None:
    assert {"model", "errors", "plan", "api"} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_keeps_to_the_house(module: str) -> None:
    module = "" if module == "__init__" else module
    assert violations(module, MODULES[module or "__init__"].read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("cli.plan", "import click\nfrom reconciler.pipeline import run\nprint(open('x'))"),
        (
            "plan.make",
            "from reconciler.plan.diff import f\nfrom reconciler import escape\nfrom datetime import datetime",
        ),
        ("plan.make", "from datetime import datetime\nx = datetime.fromisoformat('2026-01-05')"),
        ("model.ledger", "from reconciler.model.core import Action"),
        ("api.transport", "import httpx\nx = httpx.AsyncClient()\nfrom reconciler import __version__"),
        ("api.client", "import httpx\ndef f(x: httpx.Response) -> None: ..."),
        ("apply.execute", "import asyncio\nfrom reconciler.api.client import ApiClient\nasync def f(): ..."),
        ("desired.files", "open('x')"),
        ("emulator.server", "from reconciler.rules import Account\nimport starlette"),
        ("live", "def send(client): return client.open('x')"),
        ("probe.session", "from reconciler.api.exchange import Request\ndef send(request: Request) -> None: ..."),
        ("", "def f():\n    from reconciler import scripting"),
        ("ledger.sqlite_file", "from importlib.resources import files\nfiles('reconciler')"),
    ],
)
def test_what_the_house_allows_passes(module: str, source: str) -> None:
    assert violations(module, source) == []


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("brandnew", "", "brandnew: it has no row in the table of layers"),
        ("", "import json", "the package's own module imports json"),
        ("live", "from reconciler.brandnew import f", "it has no row in the table of layers"),
        ("kinds.kind", "from reconciler.rules import f", "imports point down"),
        ("api.client", "def f():\n    from reconciler.live import g", "imports point down"),
        ("desired", "from reconciler import plan", "rooms of one row do not import each other"),
        ("errors", "import reconciler.escape", "rooms of one row do not import each other"),
        ("plan.make", "from .diff import f", "imports are absolute"),
        ("plan.make", "from reconciler.api.exchange import Request", "the middle knows only the middle"),
        ("plan.make", "from reconciler.clock import Clock", "the middle knows only the middle"),
        ("apply.recover", "from reconciler.apply.execute import f", "the middle knows only the middle"),
        ("bookkeeping", "import logging", "the middle knows no I/O"),
        ("rules", "import random", "the middle knows no I/O"),
        ("kinds", "from urllib.request import urlopen", "the middle knows no I/O"),
        ("plan.make", "open('x')", "builtins.open is for desired.files and ledger and settings alone"),
        ("plan.make", "async def f(): ...", "the middle does not wait"),
        ("plan.make", "from datetime import datetime as d\nd.now()", "datetime.datetime.now is for nobody alone"),
        ("plan.make", "import datetime\ndatetime.date.today()", "datetime.date.today is for nobody alone"),
        ("emulator.server", "from reconciler.api.client import ApiClient", "emulator shares no more with the client"),
        ("report.text", "import click", "click is for cli alone"),
        ("live", "import httpx", "httpx is for api and emulator and pipeline alone"),
        ("pipeline", "import httpx as h\nh.AsyncClient()", "httpx.AsyncClient is for api.transport alone"),
        ("api.pagination", "from httpx import get", "httpx.get is for nobody alone"),
        ("api.pagination", "from reconciler.api.transport import connect", "transport.connect is for api.client alone"),
        ("live", "from reconciler.api.exchange import Request as R\nR('GET', '/')", "is for api and endpoints alone"),
        ("live", "from reconciler.api import exchange\nexchange.Request('GET', '/')", "is for api and endpoints alone"),
        ("live", "from pathlib import Path", "pathlib is for desired and ledger and settings alone"),
        ("settings", "import os\nos.environ['A']", "os.environ is for nobody alone"),
        ("apply.execute", "print(1)", "builtins.print is for report alone"),
        ("apply.execute", "import asyncio\nasyncio.TaskGroup()", "asyncio.TaskGroup is for nobody alone"),
        ("apply.execute", "try: f()\nexcept* OSError: raise", "except*: what is raised in it leaves as a group"),
        ("ledger", "raise ExceptionGroup('two', [])", "builtins.ExceptionGroup is for nobody alone"),
        ("live", "import time", "time is for clock alone"),
        ("live", "from reconciler.clock import RealClock", "reconciler.clock.RealClock is for pipeline alone"),
        ("api.client", "from reconciler import Client", "it has no row in the table of layers"),
        ("cli.app", "import os\nos.fork()", "os.fork is not on Windows; nobody may use it"),
        ("cli.app", "import signal\nsignal.SIGHUP", "signal.SIGHUP is not on Windows; nobody may use it"),
        ("ledger.base", "import fcntl", "fcntl is not on Windows; system may use it"),
        ("cli.app", "from importlib import import_module", "it imports what no reader of imports sees"),
        ("cli.app", "import importlib as i\ni.import_module('x')", "it imports what no reader of imports sees"),
        ("cli.app", "__import__('reconciler.plan')", "it imports what no reader of imports sees"),
        ("cli.app", "exec('import json')", "it imports what no reader of imports sees"),
        ("api.client", "import sys\nsys.modules['reconciler.plan']", "it imports what no reader of imports sees"),
    ],
)  # fmt: skip
def test_a_violation_is_found_and_says_which(module: str, source: str, fault: str) -> None:
    found = violations(module, source)
    assert len(found) >= 1
    assert found[0].endswith(fault)


def test_one_module_knows_the_systems() -> None:
    assert {module for modules in UNIX.values() for module in modules} == {"system"}


def test_every_request_and_every_commit_of_a_run_is_a_step_that_a_crash_can_be_tried_at() -> None:
    edges = {name: path.read_text("utf-8") for name, path in MODULES.items() if name.startswith(("api", "ledger"))}
    assert [found for name, source in edges.items() for found in unannounced(name, source)] == []
    tell = [name for name, source in edges.items() if "step(" in source]
    assert tell == ["api.client", "ledger.objects.replica", "ledger.postgres.ledger", "ledger.sqlite"]


def test_what_may_commit_in_silence_is_there() -> None:
    for name in SILENT:
        module, _, function = name.rpartition(".")
        assert f"def {function}(" in MODULES[module].read_text("utf-8")


@pytest.mark.parametrize(
    "body",
    [
        'connection.execute("COMMIT")',
        'self.step("commit"); self.connection.execute("COMMIT")',
        'self.step("commit"); self.connection.commit()',
        "self._http.handle_async_request(x)",
    ],
)
def test_a_commit_or_request_without_its_steps_is_found(body: str) -> None:
    assert unannounced("ledger.new", f"def end(self):\n    {body}") == ["ledger.new.end:2"]
