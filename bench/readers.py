"""
Coverage-guided fuzzing of everything that reads bytes from outside, by Atheris (Python 3.11 to 3.13 on Linux).

python bench/readers.py [--seconds S] [--seed N] [--only READER] [--keep FOLDER] [--play READER FILE]

Each reader begins with the inputs in `bench/corpus/READER/`. Whatever it is given, it returns or raises one of our own
errors, in at most 2 s of CPU, and its process never holds 256 MiB more than it began with. What fails is kept as a
file; `--play` reads it again, without Atheris. Where what is read carries a checksum, it is made right first, so that
what is behind it is read.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
MOST_S = 2.0
MOST_MIB = 256
_HUNG_S = 30
_LONGEST = 8192
_PLACE = "s3://bucket"
_VARIABLES = {"AP_CLIENT_ID": "local", "AP_CLIENT_SECRET": "local"}


class TooSlowError(Exception):
    """An input took more CPU than any may."""


@cache
def _folder() -> Path:
    """Return the folder for what is read from a file, one for each process."""
    place = tempfile.TemporaryDirectory(prefix="readers-")
    _kept.append(place)
    return Path(place.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []


def _yaml(data: bytes) -> None:
    from reconciler.desired.format import format_text  # noqa: PLC0415 - imported where coverage is counted
    from reconciler.desired.load import load_desired  # noqa: PLC0415

    format_text(data, "customers.yaml")
    load_desired(["-"], root=_folder(), stdin=io.BytesIO(data))


def _project(data: bytes) -> None:
    from reconciler.settings import Options, read_settings  # noqa: PLC0415

    (_folder() / "reconciler.yaml").write_bytes(data)
    read_settings(Options(), variables=_VARIABLES, cwd=_folder()).environment()


def _plan(data: bytes) -> None:
    from reconciler.plan.saved_plan import load  # noqa: PLC0415

    text = data.decode("utf-8", "replace")
    with suppress(ValueError, RecursionError):
        document = json.loads(text)
        if isinstance(document, dict):
            document.pop("digest", None)
            content = json.dumps(document, sort_keys=True, separators=(",", ":"))
            text = json.dumps(document | {"digest": hashlib.sha256(content.encode()).hexdigest()})
    load(text)


def _copy(data: bytes) -> None:
    from reconciler.ledger.export import read_copy  # noqa: PLC0415

    lines = data.splitlines(keepends=True)[:-1]
    if lines and lines[-1].endswith(b"\n"):
        digest = hashlib.sha256(b"".join(lines)).hexdigest()
        data = b"".join(lines) + json.dumps({"rows": len(lines) - 1, "sha256": digest}).encode() + b"\n"
    read_copy("copy", data)


def _ledger(data: bytes) -> None:
    from reconciler.ledger.open import open_ledger  # noqa: PLC0415

    path = _folder() / "ledger.db"
    path.write_bytes(data)
    with open_ledger(str(path), environment="default", base_url="https://api.example", writable=False) as ledger:
        ledger.records()


def _segment(data: bytes) -> None:
    from reconciler.errors import ReconcilerError  # noqa: PLC0415
    from reconciler.ledger.objects.segments import read_head, read_segment  # noqa: PLC0415
    from reconciler.ledger.sqlite_file import shipped  # noqa: PLC0415

    refused: list[ReconcilerError] = []
    for take in (
        lambda: read_segment(data, len(shipped()), _PLACE),
        lambda: read_segment(zlib.compress(data), len(shipped()), _PLACE),
        lambda: read_head(data, _PLACE),
    ):
        try:
            take()
        except ReconcilerError as error:
            refused.append(error)
    if len(refused) == 3:
        raise refused[0]


def _pace(data: bytes) -> None:
    from reconciler.pace import from_text  # noqa: PLC0415

    from_text(data, 1_800_000_000.0)


def _reply(data: bytes) -> None:
    from reconciler.api.exchange import UnreadableError, parse_json  # noqa: PLC0415
    from reconciler.api.pagination import read_page  # noqa: PLC0415
    from reconciler.kinds.wire import read_customer, read_user  # noqa: PLC0415

    try:
        body = parse_json(data)
    except (ValueError, UnreadableError):  # what the client makes NotTheApi of
        return
    for row in (body, *read_page(body, "GET /customers").rows):
        read_customer(row)
        read_user(row)


def _entries(sheet: bytes, sheet_map: bytes) -> None:
    """Read a sheet by a map, to its end."""
    from reconciler.desired.write import write_customers  # noqa: PLC0415
    from reconciler.sheets.entries import SheetPass  # noqa: PLC0415
    from reconciler.sheets.map import read_map  # noqa: PLC0415
    from reconciler.sheets.read import read_sheet  # noqa: PLC0415

    plan = read_map(sheet_map, "map.yaml")
    write_customers(SheetPass(read_sheet(sheet, "sheet.csv", sheet=plan.sheet), plan, lambda _: None).entries())


def _csv(data: bytes) -> None:
    from reconciler.sheets.proposal import propose  # noqa: PLC0415
    from reconciler.sheets.read import read_sheet  # noqa: PLC0415

    propose(read_sheet(data, "sheet.csv"))
    _entries(data, (CORPUS / "map" / "plain.yaml").read_bytes())


def _map(data: bytes) -> None:
    _entries((CORPUS / "csv" / "plain.csv").read_bytes(), data)


def _webhook(data: bytes) -> None:
    from reconciler.pipeline.webhooks import read_events  # noqa: PLC0415

    read_events(data, "events.jsonl")


def _openapi(data: bytes) -> None:
    from reconciler.pipeline.contract import compare  # noqa: PLC0415

    path = _folder() / "openapi.yaml"
    path.write_bytes(data)
    compare(path)


READERS: dict[str, Callable[[bytes], None]] = {
    "yaml": _yaml,
    "project": _project,
    "plan": _plan,
    "copy": _copy,
    "ledger": _ledger,
    "segment": _segment,
    "pace": _pace,
    "reply": _reply,
    "csv": _csv,
    "map": _map,
    "webhook": _webhook,
    "openapi": _openapi,
}


def read(name: str, data: bytes, readers: Mapping[str, Callable[[bytes], object]] | None = None) -> None:
    """Let a reader read, one of `READERS` where none are given; raises what it may not raise, and TooSlowError."""
    from reconciler.errors import ReconcilerError  # noqa: PLC0415

    began = time.process_time()
    with suppress(ReconcilerError):
        (readers or READERS)[name](data)
    took = time.process_time() - began
    if took > MOST_S:
        raise TooSlowError(f"{took:.1f} s of CPU; an input may take {MOST_S:.0f} s")


def seeds(name: str) -> list[Path]:
    """Return the inputs that a reader begins with."""
    return sorted(path for path in (CORPUS / name).iterdir() if path.is_file())


def _played(name: str, file: Path) -> int:
    """Read one file, its memory limited; Python prints what goes wrong."""
    read(name, b"")
    _limit_memory()
    resource.setrlimit(resource.RLIMIT_CPU, (_HUNG_S, _HUNG_S))
    read(name, file.read_bytes())
    sys.stdout.write(f"{name}: {file} is read as it should be\n")
    return 0


def _limit_memory() -> None:
    """Let this process have 256 MiB more than it has now: what wants more is a MemoryError."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + MOST_MIB * 1024**2
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _fuzz(name: str, options: list[str]) -> None:
    """Let Atheris look for an input that goes wrong: the process ends with it, or when its time is over."""
    import atheris  # noqa: PLC0415 - of this process alone

    with atheris.instrument_imports(include=["reconciler"]):
        for file in seeds(name):
            with suppress(Exception):
                read(name, file.read_bytes())
    atheris.Setup([sys.argv[0], *options], lambda data: read(name, bytes(data)))
    _limit_memory()
    atheris.Fuzz()


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """What became of one reader: inputs, places of the code that they reached, and how it ended."""

    inputs: int
    reached: int
    mib: int
    fault: str


def fuzzed(name: str, seconds: float, seed: int, keep: Path) -> Fuzzed:
    """Look for inputs of one reader that go wrong, in a process of its own; the one that was found is in `keep`."""
    keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="corpus-") as grown:
        options = [
            f"-max_total_time={max(1, round(seconds))}",
            f"-seed={seed}",
            f"-max_len={max(_LONGEST, *(file.stat().st_size for file in seeds(name)))}",
            f"-timeout={_HUNG_S}",
            "-rss_limit_mb=0",
            f"-artifact_prefix={keep}/{name}-",
            "-print_final_stats=1",
            grown,
            str(CORPUS / name),
        ]
        done = subprocess.run(  # noqa: S603 - ourselves
            [sys.executable, __file__, "--target", name, "--", *options], capture_output=True, text=True, check=False,
            errors="replace", env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
        )  # fmt: skip
    said = done.stdout + done.stderr
    found = [int(number) for number in re.findall(r"cov: (\d+)", said)] or [0]
    inputs = re.search(r"number_of_executed_units:\s+(\d+)", said)
    peak = re.search(r"peak_rss_mb:\s+(\d+)", said)
    if done.returncode == 0:
        return Fuzzed(int(inputs[1]) if inputs else 0, found[-1], int(peak[1]) if peak else 0, "")
    kept = re.search(r"Test unit written to (\S+)", said)
    again = f"python bench/readers.py --play {name} {kept[1]}" if kept else "it left no input"
    return Fuzzed(0, found[-1], 0, f"{said[-3000:]}\nto play it again: {again}")


def main() -> int:
    """Fuzz each reader for its share of the time; 1 where one goes wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180, help="for all readers together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=READERS)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-found"), help="where an input that fails is kept")
    parser.add_argument("--play", nargs=2, metavar=("READER", "FILE"), help="read one input again")
    parser.add_argument("--target", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("options", nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.play:
        return _played(given.play[0], Path(given.play[1]))
    if given.target:
        _fuzz(given.target, given.options)
        return 0
    from workbench import table  # noqa: PLC0415 - a benchmark's, not what is fuzzed

    names = (given.only,) if given.only else tuple(READERS)
    rows, wrong = [], 0
    for name in names:
        one = fuzzed(name, given.seconds / len(names), given.seed, given.keep.absolute())
        wrong += bool(one.fault)
        if one.fault:
            sys.stderr.write(f"{name}: {one.fault}\n")
        rows.append((name, f"{one.inputs:,}", one.reached, one.mib, "WRONG" if one.fault else ""))
    with suppress(OSError):
        given.keep.rmdir()  # nothing was found
    sys.stdout.write(table(("reader", "inputs", "places reached", "peak MiB", ""), rows) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
