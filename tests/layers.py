"""
The house as data: which module may import what, and who alone may use what. `test_layers` holds the package to it.

Imports point down, the middle does no I/O, and each edge is crossed in one place. A new module needs a room
here before it may exist.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from functools import cache

# Top to bottom. A module may import what stands in lower rows, and its own room, not the other rooms of its row.
ROWS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("scripting", "fleet"),
    ("pipeline", "emulator"),
    ("synthetic", "probe", "sheets"),
    ("desired", "plan", "apply", "report", "settings"),
    ("live",),
    ("endpoints",),
    ("ledger", "api", "documents"),
    ("rules", "bookkeeping"),
    ("kinds",),
    ("model",),
    (
        "errors",
        "clock",
        "escape",
        "file_patterns",
        "input_file",
        "resources",
        "gc_pause",
        "crash_points",
        "pace",
        "git",
    ),
    ("system",),
    ("many",),
)

# The emulator is written from the API's documentation: what it shares with the client is this.
NARROWER = {"emulator": ("rules", "kinds", "model", "errors", "clock", "escape", "system")}

# No file, no socket, no clock, no randomness, no logging, no waiting.
MIDDLE = (
    "plan",
    "rules",
    "kinds",
    "model",
    "answers",
    "probe.read",
    "probe.contract",
    "errors",
    "escape",
    "file_patterns",
    "many",
    "pace",
    "api.times",
    "documents.scalars",
    "apply.settle",
    "apply.recover",
    "bookkeeping",
)
_PURE = """
    __future__ base64 binascii bisect cattrs collections contextlib copy dataclasses datetime deepdiff difflib
    email.utils enum fnmatch functools hashlib heapq itertools json math operator rapidfuzz re struct types typing
    unicodedata urllib.parse
"""
PURE = tuple(_PURE.split())

# A name, a module's or one in it, and who alone may use it. The longest name that fits decides.
ALONE: dict[str, tuple[str, ...]] = {
    "click": ("cli",),
    "rich": ("report", "cli"),
    "yaml": ("documents", "desired"),
    "jsonschema": ("documents", "desired"),
    "jsonschema_rs": ("documents", "desired"),
    "starlette": ("emulator", "fleet.service"),
    "uvicorn": ("emulator", "fleet.service", "cli.fleet_worker"),
    "jinja2": ("emulator", "report"),
    "faker": ("synthetic",),
    "rapidfuzz": ("plan.similarity",),
    "apprise": ("cli",),
    "prometheus_client": ("report.metrics", "cli.session", "cli.fleet_worker", "fleet.service"),
    "cattrs": ("model.convert",),
    "sqlite3": ("ledger", "emulator", "fleet.table"),
    "cryptography": ("ledger.encryption",),
    "psycopg": ("ledger.postgres",),
    "procrastinate": ("fleet.engine",),
    "obstore": ("ledger.objects",),
    "openpyxl": ("sheets.read",),
    # Sending. `api.origin` makes the one client, `api.client` has it.
    "httpx": ("api", "emulator", "pipeline"),
    **dict.fromkeys(("httpx.AsyncClient", "httpx.AsyncHTTPTransport"), ("api.transport",)),
    **dict.fromkeys(("httpx.Client", "httpx.HTTPTransport", "httpx.request", "httpx.stream", "httpx.get"), ()),
    **dict.fromkeys(("httpx.post", "httpx.put", "httpx.patch", "httpx.delete", "httpx.head", "httpx.options"), ()),
    "reconciler.api.transport.connect": ("api.client",),
    # With parentheses: who may make a request, not who may hold one.
    "reconciler.api.exchange.Request()": ("api", "endpoints"),
    **dict.fromkeys(("urllib.request", "http.client", "requests", "aiohttp"), ()),
    "socket": ("emulator", "ledger.lock", "api.transport", "fleet.service"),
    **dict.fromkeys(("urllib.request.getproxies", "urllib.request.proxy_bypass"), ("api.transport",)),
    "ssl": ("api", "ledger.postgres"),
    # The disk, and what the process was given.
    **dict.fromkeys(("builtins.open", "os", "shutil", "tempfile", "glob"), ("desired.files", "ledger", "settings")),
    "pathlib": ("desired", "ledger", "settings"),
    "os.environ": (),
    "sys.argv": (),
    "subprocess": ("settings.credentials",),
    # Time, waiting and chance.
    "time": ("clock",),
    **dict.fromkeys(("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"), ()),
    "datetime.date.today": (),
    "reconciler.clock.RealClock": ("pipeline",),
    "asyncio": ("clock", "api", "live", "apply", "pipeline", "scripting", "fleet"),
    "random": ("pipeline",),
    "secrets": (),
    "uuid": ("ledger", "pipeline"),
    # An exception group leaves no function: callers catch what it would hide.
    **dict.fromkeys(("asyncio.TaskGroup", "anyio", "builtins.ExceptionGroup"), ()),
    "builtins.BaseExceptionGroup": ("api.transport",),
    # Words to the user.
    "builtins.print": ("report",),
    "builtins.input": (),
}
# What Windows does not have, and the module that knows the systems; for the command line too.
UNIX: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("fcntl", "os.uname", "os.readlink", "os.getuid", "os.geteuid", "os.statvfs"), ("system",)),
    **dict.fromkeys(("os.ST_RDONLY", "os.O_DIRECTORY", "msvcrt", "sys.platform", "os.name"), ("system",)),
    **dict.fromkeys(("pwd", "grp", "resource", "termios", "tty", "pty", "syslog"), ()),
    **dict.fromkeys(("os.fork", "os.forkpty", "os.setsid", "os.killpg", "os.getpgid", "os.mkfifo", "os.nice"), ()),
    **dict.fromkeys(("os.fchmod", "os.chown", "os.getgid", "os.getegid", "os.wait", "os.wait4", "os.O_NOFOLLOW"), ()),
    **dict.fromkeys(("os.O_NONBLOCK", "os.O_CLOEXEC", "os.sysconf", "os.getloadavg", "os.initgroups"), ()),
    **{f"signal.{name}": () for name in ("SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGUSR1", "SIGALRM", "SIGCHLD")},
    **{f"signal.{name}": () for name in ("SIGTSTP", "SIGWINCH", "setitimer", "alarm", "pthread_sigmask", "sigwait")},
    "socket.AF_UNIX": (),
}
# What imports, or runs, what a reader of imports does not see.
HIDDEN = (
    *("importlib", "imp", "pkgutil", "runpy", "zipimport", "sys.modules"),
    *("builtins.__import__", "builtins.__loader__", "builtins.exec", "builtins.eval", "builtins.compile"),
)
SEEN = ("importlib.metadata", "importlib.resources")
"""What of these imports nothing."""
# The package's own module gives scripts what they import by its name, when they ask for it.
OWN = ("__future__.annotations", "reconciler.scripting")

# A process's edges: they print, read the environment and write where the user says. The emulator is a program
# of its own, and `resources` reads what came with the package.
FREE = {
    "cli": ("builtins", "os", "shutil", "tempfile", "pathlib", "sys", "asyncio", "random", "uuid"),
    "pipeline": ("os", "pathlib"),
    "scripting": ("os", "pathlib"),
    "fleet": ("os", "pathlib"),
    "emulator": ("builtins", "os", "pathlib", "time", "asyncio", "random", "tempfile", "reconciler.clock.RealClock"),
    "resources": ("builtins.open", "pathlib"),
    "input_file": ("pathlib",),
    "system": ("os", "pathlib"),
    "git": ("os", "shutil", "pathlib", "subprocess"),
}


def row_of(module: str) -> tuple[int, str] | None:
    """Return the row and the room of a module, None where it has none."""
    first = module.partition(".")[0]
    return next(((number, room) for number, row in enumerate(ROWS) for room in row if first in room.split()), None)


def below(name: str, prefixes: tuple[str, ...]) -> bool:
    """Say whether a dotted name is one of `prefixes`, or stands in it."""
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def names(tree: ast.AST) -> Iterator[tuple[int, str, bool]]:
    """
    Return each line, the full dotted name that it uses, and whether it imports it; built-ins under `builtins`.

    What `ALONE` has with parentheses is also returned so where it is called.
    """
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                known[alias.asname or first] = alias.name if alias.asname else first
                yield node.lineno, alias.name, True
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                known[alias.asname or alias.name] = f"{'.' * node.level}{node.module or ''}.{alias.name}"
                yield node.lineno, known[alias.asname or alias.name], True
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and (name := _resolved(node, known)):
            yield node.lineno, name, False
        if isinstance(node, ast.Call) and (name := f"{_resolved(node.func, known)}()") in ALONE:
            yield node.lineno, name, False


def _resolved(node: ast.expr, known: dict[str, str]) -> str:
    """Return the full name of a name or a chain of attributes; "" where it is nothing imported or built in."""
    if isinstance(node, ast.Attribute):
        start = _resolved(node.value, known)
        return f"{start}.{node.attr}" if start else ""
    if not isinstance(node, ast.Name):
        return ""
    return known.get(node.id) or (f"builtins.{node.id}" if hasattr(builtins, node.id) else "")


def violations(module: str, source: str) -> list[str]:
    """Return what a module (without `reconciler.`) does against the house, each with its line."""
    place = row_of(module)
    if module == "":
        used = names(ast.parse(source))
        return [
            f"the package's own module imports {name}" for _, name, imports in used if imports and not below(name, OWN)
        ]
    if place is None:
        return [f"{module}: it has no row in the table of layers"]
    tree = ast.parse(source)
    found = []
    for line, name, imports in names(tree):
        if imports and (wrong := _import_fault(module, place, name)):
            found.append(f"{module}:{line}: imports {name}: {wrong}")
        elif wrong := _use_fault(module, name):
            found.append(f"{module}:{line}: uses {name}: {wrong}")
    if below(module, MIDDLE):
        waits = [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef | ast.Await)]
        found += [f"{module}:{node.lineno}: the middle does not wait" for node in waits]
    found += [
        f"{module}:{node.lineno}: except*: what is raised in it leaves as a group"
        for node in ast.walk(tree)
        if isinstance(node, ast.TryStar)
    ]
    return sorted(set(found))


@cache
def _import_fault(module: str, place: tuple[int, str], name: str) -> str:
    """Return why a module may not import a name, "" where it may."""
    if name.startswith("."):
        return "imports are absolute"
    if not below(name, ("reconciler",)):
        return "the middle knows no I/O" if below(module, MIDDLE) and not below(name, PURE) else ""
    target = name.removeprefix("reconciler.")
    there = row_of(target)
    if there is None:
        return "" if target == "__version__" else "it has no row in the table of layers"
    if there == place:
        inner = below(module, MIDDLE) and not below(target, MIDDLE)
        return "the middle knows only the middle" if inner else ""
    if there[0] == place[0]:
        return "rooms of one row do not import each other"
    if there[0] < place[0]:
        return "imports point down"
    if below(module, MIDDLE) and not below(target, MIDDLE):
        return "the middle knows only the middle"
    room = module.partition(".")[0]
    return "the emulator shares no more with the client" if not below(target, NARROWER.get(room, (target,))) else ""


@cache
def _use_fault(module: str, name: str) -> str:
    """Return who alone may use a name where the module is not one of them, "" where it is."""
    if below(name, HIDDEN) and not below(name, SEEN):
        return "it imports what no reader of imports sees"
    unix = next((prefix for prefix in UNIX if below(name, (prefix,))), "")
    if unix and not below(module, UNIX[unix]):
        return f"{unix} is not on Windows; {' and '.join(UNIX[unix]) or 'nobody'} may use it"
    reserved = max((prefix for prefix in ALONE if below(name, (prefix,))), key=len, default="")
    if not reserved or below(module, ALONE[reserved]) or below(name, FREE.get(module.partition(".")[0], ())):
        return ""
    return f"{reserved} is for {' and '.join(ALONE[reserved]) or 'nobody'} alone"


# What sends or makes durable, by the end of its dotted name; so does any call that is given "COMMIT".
_PRIMITIVES = ("_http.handle_async_request", "connection.commit", "connection.transaction", "store.put_new")
# Commits that no run depends on, each with why.
SILENT = {
    "ledger.sqlite_file.migrate": "makes or migrates the format, before a run has written anything",
    "ledger.postgres.connect._migrate": "the same in a database",
    "ledger.postgres.coordination.take": "the lease, which ends by itself",
    "ledger.postgres.ledger._at_once": "reads only",
    "fleet.engine.make_tables": "makes the tables of a queue, which is a hint",
    "ledger.objects.ledger._make": "makes a ledger, before a run has written anything",
    "ledger.objects.ledger.probe": "an object of its own, deleted again",
    "ledger.objects.lease.take": "the lease, which ends by itself",
    "ledger.objects.replica.snapshot": "what it holds is durable in the log already",
    "ledger.objects.replica.end_log": "another run may commit no more; nothing is written for this one",
}


def unannounced(module: str, source: str) -> list[str]:
    """Return the functions that send or commit without telling `reconciler.crash_points` before and after."""
    found = []
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        told = [call.lineno for call in calls if ast.unparse(call.func).removeprefix("self.") in ("step", "_step")]
        for call in calls:
            if not ast.unparse(call.func).endswith(_PRIMITIVES) and "COMMIT" not in map(_constant, call.args):
                continue
            name = f"{module}.{function.name}"
            if name not in SILENT and not (min(told, default=0) < call.lineno < max(told, default=0)):
                found.append(f"{name}:{call.lineno}")
    return found


def _constant(node: ast.expr) -> object:
    """Return the value of a literal, None for anything else."""
    return node.value if isinstance(node, ast.Constant) else None
