"""The API as a page: every request, answer and field of `schema/openapi.yaml`, each with its source."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

Node = Mapping[str, Any]

CONTRACT = Path(__file__).resolve().parent.parent / "schema" / "openapi.yaml"
_UNTOLD = "Not documented:"


def api_page() -> str:
    """Return the generated part of the page."""
    contract = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    parts = [*_sources(contract), "## Requests", f"{_UNTOLD} {_sentence(contract['x-undocumented'])}"]
    for path, item in contract["paths"].items():
        shared = item.get("parameters", ())
        for method in ("get", "post", "patch", "delete"):
            if method in item:
                parts += _operation(contract, f"{method.upper()} {path}", item[method], shared)
    parts += ["## Bodies"]
    for name, node in contract["components"]["schemas"].items():
        if "properties" in node:
            parts += _body(contract, name, node)
    return "\n\n".join(parts)


def _sources(contract: Node) -> Iterator[str]:
    """Yield where everything is known from."""
    yield "## Sources"
    yield "\n".join(f"- **{name}**: {text}" for name, text in contract["x-sources"].items())
    yield "Base URLs: " + "; ".join(f"`{one['url']}` ({one['description']})" for one in contract["servers"])


def _operation(contract: Node, title: str, node: Node, shared: tuple[Node, ...]) -> Iterator[str]:
    """Yield one request: what it takes and what it answers."""
    yield f"### {title}"
    yield f"{node['summary']}.{_told(node)}"
    parameters = [_followed(contract, one) for one in (*shared, *node.get("parameters", ()))]
    if parameters:
        rows = [
            f"| `{one['name']}` | {one['in']}, {_kind(contract, one['schema'])} | {_cell(_text(one))} |"
            for one in parameters
        ]
        yield "\n".join(["| parameter | | |", "|---|---|---|", *rows])
    if "requestBody" in node:
        ((media, content),) = node["requestBody"]["content"].items()
        yield f"Body: {_kind(contract, content['schema'])}, as `{media}`."
    rows = []
    for status, written in node["responses"].items():
        one = _followed(contract, written)
        shapes = [
            "HTML" if media == "text/html" else _kind(contract, content["schema"])
            for media, content in one["content"].items()
        ]
        body = " or ".join([*shapes, *(["nothing"] if one.get("x-may-be-empty") else [])])
        rows.append(f"| {status} | {_cell(_text(one))} | {body} |")
    yield "\n".join(["| status | | body |", "|---|---|---|", *rows])


def _body(contract: Node, name: str, node: Node) -> Iterator[str]:
    """Yield one object with its fields."""
    yield f"### {name}"
    yield _text(node)
    required = node.get("required", ())
    rows = []
    for key, written in node["properties"].items():
        one = _followed(contract, written)
        kind = _kind(contract, written) + (", required" if key in required else "")
        example = f" Example: `{one['examples'][0]}`." if "examples" in one else ""
        rows.append(f"| `{key}` | {kind} | {_cell(_text(one) + example)} |")
    yield "\n".join(["| field | | |", "|---|---|---|", *rows])


def _text(node: Node) -> str:
    """Return what a part is, from where that is known, and what of it is not."""
    return node["description"] + _told(node)


def _told(node: Node) -> str:
    """Return from where a part is known, and what of it is not; after a description that an operation may have."""
    described = f" {node['description']}" if "summary" in node and "description" in node else ""
    source = f" ({node['x-source']})" if "x-source" in node else ""
    untold = f" {_UNTOLD} {_sentence(node['x-undocumented'])}" if "x-undocumented" in node else ""
    return f"{described}{source}{untold}"


def _sentence(text: str) -> str:
    """Return a text that follows a colon."""
    return text[0].lower() + text[1:]


def _kind(contract: Node, node: Node) -> str:
    """Return what a value is; an object by its name, which is a heading of the page."""
    if "anyOf" in node:
        return " or ".join(_kind(contract, one) for one in node["anyOf"])
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        followed = _followed(contract, node)
        return f"[{name}](#{name.lower()})" if "properties" in followed else _kind(contract, {"type": followed["type"]})
    if "const" in node:
        return f"`{node['const']}`"
    if "enum" in node:
        return " or ".join(f"`{one}`" for one in node["enum"])
    if node["type"] == "array":
        return f"list of {_kind(contract, node['items'])}"
    types = [node["type"]] if isinstance(node["type"], str) else node["type"]
    default = f", {node['default']} by default" if "default" in node else ""
    return " or ".join(types) + (f" ({node['format']})" if "format" in node else "") + default


def _followed(contract: Node, node: Node) -> Node:
    """Return a part with its `$ref` followed; what stands beside the `$ref` wins."""
    if "$ref" not in node:
        return node
    target: Node = contract
    for step in node["$ref"].removeprefix("#/").split("/"):
        target = target[step]
    return {**_followed(contract, target), **{name: one for name, one in node.items() if name != "$ref"}}


def _cell(text: str) -> str:
    """Return a text as a table's cell may hold it."""
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.stdout.write(f"{api_page()}\n")
