"""Drift without what the rules of the ignore file hide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase

from reconciler.model.reports import Drift, DriftFinding, DriftKind, Ignored, Rule


def without_ignored(drift: Drift, rules: Iterable[Rule], today: date) -> Drift:
    """Return `drift` without what `rules` hide; those whose day has passed hide nothing, and are named."""
    given = tuple(rules)
    standing = [rule for rule in given if rule.until >= today]
    findings: list[DriftFinding] = []
    ignored: list[Ignored] = []
    for finding in drift.findings:
        left: DriftFinding | None = finding
        for rule in standing:
            if left is None:
                break
            left, hidden = _split(left, rule)
            ignored += [Ignored(hidden, rule)] if hidden is not None else []
        findings += [left] if left is not None else []
    expired = tuple(rule for rule in given if rule.until < today)
    return replace(drift, findings=tuple(findings), ignored=tuple(ignored), expired=expired)


def _split(finding: DriftFinding, rule: Rule) -> tuple[DriftFinding | None, DriftFinding | None]:
    """Return what a rule leaves of a finding, and what it hides; None for nothing."""
    if not fnmatchcase(finding.address.external_id, rule.key) or (rule.kinds and finding.kind not in rule.kinds):
        return finding, None
    if not rule.fields:
        return None, finding
    hidden = tuple(one for one in finding.fields if one.name in rule.fields)
    if not hidden:
        return finding, None
    left = tuple(one for one in finding.fields if one.name not in rule.fields)
    # What was restored by hand is drift, whatever became of its fields.
    kept = left or finding.kind is not DriftKind.CHANGED
    return replace(finding, fields=left) if kept else None, replace(finding, fields=hidden)
