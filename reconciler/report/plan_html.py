"""
A plan as one HTML file: filtered and searched in the browser, with nothing fetched from anywhere.

What stands around the list is written by Jinja2, which escapes all; the list itself is data, which a small
script puts on the page as text. The policy allows that script and this style alone, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from reconciler.escape import visible
from reconciler.model.core import Action
from reconciler.model.plan import BindingChange, Blocked, Change, Exceeded, FieldChange, Note, Plan
from reconciler.report.layout import REASONS, address, count, shown
from reconciler.report.plan_words import (
    TITLES,
    cost_phrase,
    left_out_phrase,
    limit_phrase,
    limit_way,
    summary_line,
    users_phrase,
)
from reconciler.report.redact import masked_plan

_TITLES = {"blocked": "Blocked"} | {action.value: TITLES[action] for action in Action}
_TITLES |= {Action.CREATE_USER.value: "Create user"}


def plan_html(plan: Plan, *, redact: bool = False) -> str:
    """Return `plan` as a whole HTML document; `redact` masks personal values."""
    whole = masked_plan(plan) if redact else plan
    rows = [*map(_blocked, whole.blocked), *map(_change, whole.changes)]
    style, script = _file("plan.css"), _file("plan.js")
    return (
        _pages()
        .get_template("plan.html")
        .render(
            policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
            "base-uri 'none'; form-action 'none'",
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            data=_data({"titles": _TITLES, "rows": rows}),
            total=len(rows),
            summary=summary_line(whole),
            cost=cost_phrase(whole.cost),
            unknown=[visible(text) for text in whole.unknown],
            environment=visible(whole.environment.name),
            base_url=visible(whole.environment.base_url),
            project=visible(whole.project),
            limits=[_limit(one) for one in whole.limits],
            bindings=[_binding(one) for one in whole.bindings],
            notes=[
                *map(_note, whole.notes),
                *(("", text) for text in (users_phrase(whole), left_out_phrase(whole)) if text),
            ],
        )
    )


@cache
def _pages() -> jinja2.Environment:
    """Return what reads our templates; it escapes whatever they are given."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("reconciler.report", "pages"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _file(name: str) -> str:
    """Return the text of a file beside the template; it is no template itself."""
    environment = _pages()
    assert environment.loader is not None  # noqa: S101 - given above
    return environment.loader.get_source(environment, name)[0]


def _hash(text: str) -> str:
    """Return what a policy allows an inline style or script by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _data(document: Mapping[str, Any]) -> Markup:
    r"""
    Return a document as JSON for a script element, which ends at `</script>` and which `<!--` upsets.

    >>> print(_data({"a": "</script>&\u2028"}))
    {"a":"\u003c/script\u003e\u0026\u2028"}
    """
    text = json.dumps(document, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704 - made safe just above


def _row(action: str, **said: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Return an entry of the list: safe to show, and with every key that the script reads."""
    return {"action": action, "id": "", "file": "", "at": "", "facts": [], "said": [], "fields": [], **said}


def _blocked(one: Blocked) -> dict[str, Any]:
    """Return what is blocked as an entry: its field, why, and the way out."""
    return _row(
        "blocked",
        address=address(one.address),
        id=", ".join(map(visible, one.ids)),
        file=visible(one.source.file) if one.source else "",
        at=visible(str(one.source)) if one.source else "",
        facts=[visible(one.field)] if one.field else [],
        said=[visible(one.reason), f"Way out: {visible(one.hint)}"],
    )


def _change(change: Change) -> dict[str, Any]:
    """Return a change as an entry."""
    return _row(
        change.action.value,
        address=address(change.address),
        id=visible(change.id or ""),
        file=visible(change.source.file) if change.source else "",
        at=visible(str(change.source)) if change.source else "",
        facts=_facts(change),
        said=_said(change),
        fields=[_field(one) for one in change.fields],
    )


def _facts(change: Change) -> list[str]:
    """Return why a change is planned, and how many payment methods the customer has, where they were counted."""
    methods = change.payment_methods
    return [REASONS[change.reason], *([] if methods is None else [count(methods, "payment method")])]


def _said(change: Change) -> list[str]:
    """Return on what a change depends."""
    if change.otherwise is not None:
        return ["If the API does not know it (404), it is created with:"]
    if change.unless_listed:
        return ["Unless the customer has it already, which its restore will show."]
    return []


def _field(one: FieldChange) -> tuple[str, str, str, str]:
    """Return one field: name, old value, new value, cause."""
    return visible(one.name), shown(one.before), shown(one.after), one.cause.value


def _limit(one: Exceeded) -> tuple[str, str, str]:
    """Return a limit: what is exceeded, what allows it, and the option to copy."""
    way = "to allow it once:" if one.flag else limit_way(one)
    return visible(limit_phrase(one)), visible(way), visible(one.flag)


def _binding(one: BindingChange) -> tuple[str, str, str, str]:
    """Return a binding: what happens, to whom, which id, and the former key."""
    return one.action.value, address(one.address), visible(one.id), shown(one.origin) if one.origin else ""


def _note(note: Note) -> tuple[str, str]:
    """Return a note: what it is about, and its text."""
    return (address(note.address) if note.address else ""), visible(note.text)
