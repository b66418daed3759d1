"""An HTML report as a browser parses it, and values of an account that would be more than text if they could."""

from __future__ import annotations

import base64
import hashlib
import json
from html.parser import HTMLParser
from typing import Any


class Seen(HTMLParser):
    """The elements of a document with their attributes, and the text of each kind."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements:
            self.texts.setdefault(self.elements[-1][0], []).append(data)

    @property
    def policy(self) -> str:
        return next(had["content"] or "" for _, had in self.elements if had.get("http-equiv"))

    @property
    def leads(self) -> dict[str, str | None]:
        """Whatever could lead elsewhere, run, or look otherwise."""
        return {
            name: value
            for _, had in self.elements
            for name, value in had.items()
            if name in ("src", "href", "action", "style") or name.startswith("on")
        }

    @property
    def allows_only_its_own(self) -> bool:
        """Whether its policy allows the script and the style that are in it, and nothing besides."""
        style, script = self.texts["style"][0], [text for text in self.texts["script"] if text.strip()][-1]
        return self.policy == (
            f"default-src 'none'; style-src {_sha256(style)}; script-src {_sha256(script)}; "
            "base-uri 'none'; form-action 'none'"
        )

    @property
    def data(self) -> Any:  # noqa: ANN401 - a document
        return json.loads(self.texts["script"][0])


def _sha256(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
