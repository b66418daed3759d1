"""Drift for machines: JSON as `schema/drift.schema.json` has it, and JUnit XML for CI hosts."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from reconciler.escape import visible
from reconciler.model.reports import Drift, DriftFinding, DriftKind, Rule
from reconciler.report.drift_text import field_said
from reconciler.report.drift_words import masked_drift, summary

FORMAT_VERSION = "1"


def drift_json(drift: Drift, *, redact: bool = False) -> dict[str, Any]:
    """Return `drift` as a value for JSON; `redact` masks personal values."""
    one = masked_drift(drift) if redact else drift
    return {
        "format_version": FORMAT_VERSION,
        "environment": {
            "name": one.environment.name,
            "base_url": one.environment.base_url,
            "account": one.environment.account,
        },
        "project": one.project,
        "drifted": bool(one.findings),
        "summary": {
            **{kind.value: one.count(kind) for kind in DriftKind},
            "pending": len(one.pending),
            "ignored": len(one.ignored),
            "blocked": len(one.blocked),
        },
        "coverage": {
            "managed": one.managed,
            "live": one.live,
            "share": round(one.managed / one.live, 4) if one.live else None,
        },
        "findings": [_finding(finding) for finding in one.findings],
        "pending": [
            {
                "action": edit.action.value,
                "address": str(edit.address),
                "fields": list(edit.fields),
                "source": edit.source.as_json() if edit.source else None,
            }
            for edit in one.pending
        ],
        "ignored": [{"finding": _finding(hid.finding), "rule": _rule(hid.rule)} for hid in one.ignored],
        "expired": [_rule(rule) for rule in one.expired],
        "blocked": [
            {"address": str(row.address), "field": row.field, "reason": row.reason, "hint": row.hint}
            for row in one.blocked
        ],
        "unknown": list(one.unknown),
        "unobservable": list(one.unobservable),
        "unverified": [
            {
                "address": str(row.address),
                "id": row.id,
                "written_seconds_ago": round(row.ago_s, 3),
                "verifiable_in_seconds": round(row.left_s, 3),
            }
            for row in one.unverified
        ],
        "requests": one.requests,
    }


def drift_junit(drift: Drift, *, redact: bool = False) -> str:
    """
    Return `drift` as JUnit XML: a failed test for each finding, a skipped one for each that is ignored.

    A passed one stands for all the managed customers that did not drift.
    """
    one = masked_drift(drift) if redact else drift
    suite = ET.Element(
        "testsuite",
        name=_xml(f"drift of {one.environment.name}"),
        tests=str(len(one.findings) + len(one.ignored) + 1),
        failures=str(len(one.findings)),
        skipped=str(len(one.ignored)),
        errors="0",
    )
    for finding in one.findings:
        failure = ET.SubElement(_case(suite, finding), "failure", type=finding.kind.value, message=_xml(finding.text))
        failure.text = _xml("; ".join(field_said(field) for field in finding.fields)) or None
    for hid in one.ignored:
        said = _xml(f"until {hid.rule.until}: {hid.rule.reason}")
        ET.SubElement(_case(suite, hid.finding), "skipped", message=said)
    ET.SubElement(suite, "testcase", classname="drift", name=_xml(summary(one)))
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"


def _xml(text: str) -> str:
    """Return `text` as it is shown, without the two characters that XML 1.0 cannot hold (its rule 2, Char)."""
    return visible(text).replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def _case(suite: ET.Element, finding: DriftFinding) -> ET.Element:
    """Return the test of a finding."""
    name = _xml(f"{finding.address} {finding.kind}")
    return ET.SubElement(suite, "testcase", classname=f"drift.{finding.kind}", name=name)


def _finding(one: DriftFinding) -> dict[str, Any]:
    """Return one finding."""
    return {
        "kind": one.kind.value,
        "address": str(one.address),
        "external_id": one.address.external_id,
        "id": one.id,
        "text": one.text,
        "fields": [
            {
                "name": field.name,
                "applied": field.applied,
                "live": field.live,
                "declared": field.declared,
                "cause": field.cause.value,
            }
            for field in one.fields
        ],
        "ids": list(one.ids),
        "source": one.source.as_json() if one.source else None,
    }


def _rule(rule: Rule) -> dict[str, Any]:
    """Return one rule."""
    return {
        "key": rule.key,
        "kinds": sorted(kind.value for kind in rule.kinds),
        "fields": sorted(rule.fields),
        "until": rule.until.isoformat(),
        "reason": rule.reason,
        "source": str(rule.source),
    }
