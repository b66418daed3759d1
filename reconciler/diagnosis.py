"""
What `doctor` found: a `Finding` for each `Check`.

`said` and `mend` are for whoever runs the command and may name paths, hosts and people of this machine; `facts` are
closed words, numbers and truth values alone, so that a report made of them can be shown to anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.model import EnvironmentRef

Fact = str | int | float | bool | None
Facts = Mapping[str, Fact]


class Check(StrEnum):
    """What is looked at, in the order in which it is shown."""

    PROJECT = "project"
    CREDENTIALS = "credentials"
    REACHABILITY = "reachability"
    SCOPES = "scopes"
    CLOCK = "clock"
    STATE = "state"
    LOCK = "lock"
    LEARNED = "learned"


class Verdict(StrEnum):
    """What a check came to. `skipped`: it could not be made, because of what another one found."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was found, and what mends it, "" where there is nothing to mend."""

    check: Check
    verdict: Verdict
    said: str
    mend: str = ""
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """
    All findings, in the order of the checks.

    `environment` is None where it is not clear which one is meant. `server` is `production`, `demo`, `this machine`
    or `another`, "" where it is not known. `program` says with what it was found: versions, operating system.
    """

    findings: tuple[Finding, ...]
    environment: EnvironmentRef | None = None
    server: str = ""
    requests: int = 0
    program: Facts = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        """Say whether nothing is wrong."""
        return all(one.verdict is not Verdict.WRONG for one in self.findings)


def skipped(check: Check, why: str) -> Finding:
    """Return that a check could not be made."""
    return Finding(check, Verdict.SKIPPED, f"not looked at: {why}")
