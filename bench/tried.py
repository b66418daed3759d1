"""
What was tried for speed and rejected: other JSON readers, another HTTP client, a cache of what the files say.

python bench/tried.py [--customers N] [--requests N] [--json]; needs `pip install orjson msgspec aiohttp`, which
reconciler does not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import pickle
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import httpx
import msgspec
import orjson
from validate import generate
from workbench import emulator, table, told

from reconciler.desired.load import load_desired

PAGES = 500
WIDTH = 16


def main() -> int:
    """Measure each beside what is used; always 0, as nothing here must hold."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=50_000, help="in the customers file")
    arguments.add_argument("--requests", type=int, default=1000)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    seconds = {**pages(), **requests(given.requests), **cache(given.customers)}
    rows = [(name, f"{value:.3f}") for name, value in seconds.items()]
    return told({"ok": True, "cpu_seconds": seconds}, table(("", "CPU s"), rows), as_json=given.json)


def pages() -> dict[str, float]:
    """Return what reading 500 pages of a hundred customers takes, by reader."""
    customer = {f"field_{number}": f"text of field {number}" for number in range(15)}
    page = json.dumps({"data": [customer] * 100, "end_cursor": "abc", "has_next_page": True}).encode()
    readers: dict[str, Callable[[bytes], object]] = {
        "json": json.loads,
        "orjson": orjson.loads,
        "msgspec": msgspec.json.decode,
    }
    return {
        f"{PAGES} pages, {name}": cpu_s(lambda read=read: [read(page) for _ in range(PAGES)])
        for name, read in readers.items()
    }


def requests(count: int) -> dict[str, float]:
    """Return what so many small answers take a client, sixteen in flight."""
    with emulator() as server:
        return {
            f"{count} requests, httpx": cpu_s(lambda: asyncio.run(by_httpx(server.url, count))),
            f"{count} requests, aiohttp": cpu_s(lambda: asyncio.run(by_aiohttp(server.url, count))),
        }


async def by_httpx(url: str, count: int) -> None:
    """Ask with httpx."""
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:

        async def one() -> None:
            (await client.get("/customers/none")).read()

        await many(one, count)


async def by_aiohttp(url: str, count: int) -> None:
    """Ask with aiohttp."""
    async with aiohttp.ClientSession(url) as session:

        async def one() -> None:
            async with session.get("/customers/none") as answer:
                await answer.read()

        await many(one, count)


async def many(one: Callable[[], Awaitable[None]], count: int) -> None:
    """Await `one` so often, sixteen at a time."""

    async def work() -> None:
        for _ in range(count // WIDTH):
            await one()

    await asyncio.gather(*(work() for _ in range(WIDTH)))


def cache(customers: int) -> dict[str, float]:
    """Return what reading a customers file takes, and reading the same from a cache of it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "customers.yaml")
        generate(file, customers)
        read_s = cpu_s(lambda: load_desired([file.name], root=file.parent))
        cached = pickle.dumps(load_desired([file.name], root=file.parent).desired)
    name = f"{customers:,} customers"
    return {
        f"{name}, YAML": read_s,
        f"{name}, a pickle of {len(cached) / 2**20:.0f} MiB": cpu_s(lambda: pickle.loads(cached)),  # noqa: S301 - ours
    }


def cpu_s(act: Callable[[], object]) -> float:
    """Return the CPU seconds of the quicker of two runs."""
    took = []
    for _ in range(2):
        began = time.process_time()
        act()
        took.append(time.process_time() - began)
    return min(took)


if __name__ == "__main__":
    sys.exit(main())
