"""
A report as one HTML file: filtered and searched in the browser, with nothing fetched from anywhere.

What is around the list is written by Jinja2, which escapes all; the list itself is data, which a small
script puts on the page as text. The policy allows that script and this style alone, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from reconciler.errors import Source
from reconciler.escape import visible
from reconciler.model.core import EnvironmentRef
from reconciler.model.plan import Blocked, Unknown
from reconciler.report.layout import address
from reconciler.report.messages.plan import blocked_wording, unknown_text

Kinds = Mapping[str, tuple[str, str]]
"""The title of each kind of entry, in the order of the filter, and how it looks: "" for good, warn, bad or quiet."""

Tables = Mapping[str, Sequence[tuple[str, str]]]
"""
The title and style of each column after a field's name, by kind of entry; "" is for all others.

Styles are old, new, other, and cause: a reason, which is not searched, but chosen among.
"""


def html_page(
    template: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    kinds: Kinds,
    tables: Tables,
    environment: EnvironmentRef,
    project: str,
    unknown: Sequence[Unknown],
    **words: Any,  # noqa: ANN401 - of the template
) -> str:
    """Return a whole HTML document of one of our templates for a list; its `words` must be safe to show."""
    return document(
        template,
        styles=("page.css",),
        script="page.js",
        data={"kinds": kinds, "tables": tables, "rows": rows},
        total=len(rows),
        unknown=[visible(unknown_text(one)) for one in unknown],
        environment=visible(environment.name),
        base_url=visible(environment.base_url),
        project=visible(project),
        **words,
    )


def document(
    template: str,
    *,
    styles: Sequence[str],
    script: str,
    data: Mapping[str, Any],
    **words: Any,  # noqa: ANN401 - of the template
) -> str:
    """Return an HTML document of one of our templates; its `words` and the texts in `data` must be safe to show."""
    style, code = "".join(map(_file, styles)), _file(script)
    return (
        _pages()
        .get_template(template)
        .render(
            policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(code)}; "
            "base-uri 'none'; form-action 'none'",
            style=Markup(style),  # noqa: S704 - our own files
            script=Markup(code),  # noqa: S704 - our own file
            data=_data(data),
            **words,
        )
    )


def entry(
    kind: str,
    whom: str,
    *,
    ids: Sequence[str | None] = (),
    source: Source | None = None,
    facts: Sequence[str] = (),
    said: Sequence[str] = (),
    fields: Sequence[tuple[str, ...]] = (),
) -> dict[str, Any]:
    """Return an entry of the list; `whom` and the values of `fields` must be safe to show, all else is made so."""
    return {
        "kind": kind,
        "address": whom,
        "id": ", ".join(visible(one) for one in ids if one),
        "file": visible(source.file) if source else "",
        "at": visible(str(source)) if source else "",
        "facts": [visible(fact) for fact in facts],
        "said": [visible(text) for text in said],
        "fields": fields,
    }


def blocked_entry(one: Blocked) -> dict[str, Any]:
    """Return what is blocked as an entry: its field, why, and what to do."""
    wording = blocked_wording(one)
    return entry(
        "blocked",
        address(one.address),
        ids=one.ids,
        source=one.source,
        facts=[one.field] if one.field else [],
        said=[wording.what, f"To fix this: {wording.fix}"],
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
    """Return the text of a file beside the templates; it is no template itself."""
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
