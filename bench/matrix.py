"""
Whether runs reach what is declared on servers in which each pair of ways of two open questions meets.

python bench/matrix.py [--json] [--plain] [--strength 3] [--rows N] [--integration N]

On each server of a covering array (`tests/switch_matrix.py`) a history is told: customers found and created, edited
on both sides, archived, brought back, the ledger lost. Besides, before each phase a run dies at a step that is another
each time, and after it drift and an import are read; and apart from the history somebody edits right after a run
(`tests/edits_by_hand.py`). `--plain` leaves that out: it is what the tests do. With `--strength 3` the questions on
which most depends meet three by three.

With `--integration N` it tells N random histories of an account that an integration fills and edits
(`tests/synced_histories.py`) instead.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations, product
from pathlib import Path
from typing import Any

from workbench import table, told

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # tests are no package

from crossing import Befalls, Crossing
from edits_by_hand import wrong_at_once
from switch_matrix import Told, behaviour_of, history, rows, stuck, wrong
from synced_histories import history as synced_history

from reconciler.report.messages.questions import question_text, way_text
from reconciler.rules.questions import QUESTIONS

MOST_DEPENDS = frozenset(
    {"listed", "get", "written", "archive_twice", "restore_twice", "unique", "external_id", "empties", "not_emptied"}
    | {"rewritten", "lag", "paging", "full", "users"}
)
"""The questions that decide who is who and what is written."""


def main() -> int:
    """Tell every history; 1 where one breaks a rule."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--plain", action="store_true", help="without deaths, drift and import")
    arguments.add_argument("--strength", type=int, default=2, choices=(2, 3), help="how many questions meet")
    arguments.add_argument("--rows", type=int, default=0, help="only the first so many servers")
    arguments.add_argument("--integration", type=int, default=0, help="so many histories with an integration instead")
    given = arguments.parse_args()
    # A run that dies leaves tasks behind; that is what it is for.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    if given.integration:
        return _with_an_integration(given.integration, as_json=given.json)
    servers = list(rows() if given.strength == 2 else in_threes())[: given.rows or None]
    began_s = time.monotonic()
    result = crossed(servers, plain=given.plain) | {"strength": given.strength}
    result["seconds"] = round(time.monotonic() - began_s, 1)
    return told(result, _text(result), as_json=given.json)


def _with_an_integration(histories: int, *, as_json: bool) -> int:
    """Tell random histories with an integration at work; 1 where one breaks a rule."""
    counts: Counter[str] = Counter()
    complaints: list[str] = []
    began_s = time.process_time()
    for seed in range(histories):
        lived = synced_history(seed)
        counts += lived.counts
        complaints += [f"history {seed}: {words}" for words in lived.wrong]
    seconds = round(time.process_time() - began_s, 1)
    result = {"histories": histories, **counts, "ok": not complaints, "complaints": complaints, "cpu_seconds": seconds}
    lines = [(name, str(number)) for name, number in sorted(counts.items())]
    foot = f"{histories} histories, {seconds} s of CPU; {len(complaints)} wrong"
    return told(result, "\n".join((table(("what", "how often"), lines), "", foot, *complaints)), as_json=as_json)


def in_threes() -> Iterator[Mapping[str, str]]:
    """
    Yield rows in which any three of the questions on which most depends meet in each combination of their ways.

    Each row begins with a combination that is lacking yet, and takes of every other question the way by which most
    lacking ones come in.
    """
    asked = [question for question in QUESTIONS if question.key in MOST_DEPENDS]
    lacking = {
        frozenset(zip((one.key for one in three), ways, strict=True))
        for three in combinations(asked, 3)
        for ways in product(*(one.ways for one in three))
    }
    # In an order that is the same in each run.
    for first in sorted(lacking, key=sorted):
        if first not in lacking:
            continue
        row = dict(first)
        for question in asked:
            if question.key not in row:
                pairs = [frozenset(pair) for pair in combinations(row.items(), 2)]
                gains = {way: sum(pair | {(question.key, way)} in lacking for pair in pairs) for way in question.ways}
                row[question.key] = max(gains, key=lambda way: gains[way])
        lacking -= {frozenset(three) for three in combinations(row.items(), 3)}
        yield row


def crossed(servers: list[Mapping[str, str]], *, plain: bool) -> dict[str, Any]:
    """Return what became of the histories of all `servers`."""
    counts: Counter[str] = Counter(servers=len(servers))
    complaints: list[str] = []
    met: Counter[tuple[str, str]] = Counter()
    out_of_reach: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for number, row in enumerate(servers):
        behaviour = behaviour_of(row)
        befalls = Befalls(behaviour, number)
        one = history(behaviour) if plain else _befallen(befalls)
        found = [*wrong(one), *befalls.wrong, *([] if plain else wrong_at_once(behaviour))]
        complaints += [f"server {number}: {words}" for words in found]
        counts["runs"] += sum(len(phase.runs) for phase in one.phases)
        counts["requests"] += sum(
            ran.applied.planning + ran.applied.requests for phase in one.phases for ran in phase.runs
        )
        counts["deaths"] += befalls.deaths
        last = {what for phase in one.phases[:3] for what in stuck(phase)}
        for way in row.items():
            met[way] += 1
            out_of_reach[way].update(f"{address} {what}".strip() for address, what in last)
    ways = [
        {
            "question": question_text(question),
            "way": way_text(question, way),
            "switches": settings,
            "servers": met[question.key, way],
            "never_reached": sorted(
                what for what, count in out_of_reach[question.key, way].items() if count == met[question.key, way]
            ),
        }
        for question in QUESTIONS
        for way, settings in question.ways.items()
        if met[question.key, way]
    ]
    return {**counts, "ok": not complaints, "complaints": complaints, "ways": ways}


def _befallen(befalls: Befalls) -> Told:
    """Return a history with all that befalls it."""
    return history(befalls.behaviour, Crossing, before=befalls.before, after=befalls.after)


def _text(result: Mapping[str, Any]) -> str:
    """Return the result as a table."""
    lines = [
        (one["question"], one["way"], one["servers"], ", ".join(one["never_reached"]) or "-") for one in result["ways"]
    ]
    counts = ", ".join(f"{result[name]} {name}" for name in ("servers", "runs", "requests", "deaths"))
    foot = f"{counts}, {result['seconds']} s; {len(result['complaints'])} wrong"
    return "\n".join(
        (table(("question", "way", "servers", "reached on none of them"), lines), "", foot, *result["complaints"])
    )


if __name__ == "__main__":
    sys.exit(main())
