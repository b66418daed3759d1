"""
Our contract of the API beside another OpenAPI document, for the requests that we use; and what a reply shows. Pure.

A document is a tree of dicts, lists and texts. What is compared of an operation: its parameters, the fields of its
request and of its 2xx reply with type and format, what is required, and the scopes it needs. Descriptions and
other statuses are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.model.reports import ContractChange, ContractDifference, ContractPart
from reconciler.probe.read import extra_fields
from reconciler.rules.listing import UUID, RefusedParameter, decode_id

_METHODS = ("get", "post", "put", "patch", "delete")
_DEEPEST = 8
"""So many schemas inside of one another are followed: a reference may lead back to itself."""
_PAGE = frozenset(
    ("data", "start_cursor", "end_cursor", "has_next_page", "has_previous_page", "pagination", "total_count")
)
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")


class CursorKind(StrEnum):
    """What a cursor shows of how a list is ordered. It is never built, only looked at."""

    NONE = "none"
    KEYSET = "keyset by a random id"
    OPAQUE = "opaque"


def cursor_kind(cursor: str) -> CursorKind:
    """
    Return what a cursor shows.

    Source: the documentation's example decodes to MessagePack with the 16 bytes of a version-4 UUID.

    >>> cursor_kind("gaFpxBACEaXBVABEYbHG+X9LyLnH").value, cursor_kind("g+Ag49pA").value
    ('keyset by a random id', 'opaque')
    """
    if not cursor:
        return CursorKind.NONE
    try:
        _, customer_id = decode_id(cursor)
    except RefusedParameter:
        return CursorKind.OPAQUE
    return CursorKind.KEYSET if UUID.fullmatch(customer_id) else CursorKind.OPAQUE


def end_cursor(body: object) -> str:
    """Return the end_cursor of a page in either shape; "" for none."""
    page = _mapping(body)
    return str(page.get("end_cursor") or _mapping(page.get("pagination")).get("end_cursor") or "")


def new_fields(body: object) -> tuple[str, ...]:
    """Return the names in a page of customers that the contract lacks, as far as they look like names."""
    if not isinstance(body, Mapping):
        return ()
    rows = body.get("data")
    found = {name for row in rows for name in extra_fields(row)} if isinstance(rows, list) else set()
    found |= {str(name) for name in body if name not in _PAGE}
    return tuple(sorted(name for name in found if _FIELD_NAME.fullmatch(name)))


class NotOpenApi(Exception):
    """A document that is no OpenAPI description of version 3, or describes another server; the text says which."""


def hosts_of(document: object) -> tuple[str, ...]:
    """Return the servers that a document names; raises NotOpenApi where it is no OpenAPI document of version 3."""
    if not isinstance(document, Mapping) or not str(document.get("openapi", "")).startswith("3"):
        raise NotOpenApi("it has no `openapi: 3…` at its top")
    if not isinstance(document.get("paths"), Mapping):
        raise NotOpenApi("it has no `paths`")
    servers = document.get("servers")
    named = servers if isinstance(servers, list) else []
    return tuple(str(one["url"]) for one in named if isinstance(one, Mapping) and one.get("url"))


def differences(ours: object, theirs: object) -> tuple[ContractDifference, ...]:
    """Return how another OpenAPI document differs from our contract, operation by operation of ours."""
    known, others = dict(_operations(ours)), dict(_operations(theirs))
    found: list[ContractDifference] = []
    for name, one in known.items():
        other = others.get(name)
        if other is None:
            found.append(ContractDifference(ContractChange.REMOVED, name, ContractPart.OPERATION, name))
            continue
        found += _between(name, ContractPart.PARAMETER, one.parameters, other.parameters)
        found += _between(name, ContractPart.REQUEST_FIELD, one.request, other.request)
        found += _between(name, ContractPart.REPLY_FIELD, one.reply, other.reply)
        more = other.scopes - one.scopes
        found += (
            ContractDifference(ContractChange.ADDED, name, ContractPart.SCOPE, scope, theirs=scope)
            for scope in sorted(more)
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Operation:
    """What is compared of one operation: parts by name, each with what it is."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    request: Mapping[str, str] = field(default_factory=dict)
    reply: Mapping[str, str] = field(default_factory=dict)
    scopes: AbstractSet[str] = frozenset()


def _between(
    operation: str, part: ContractPart, ours: Mapping[str, str], theirs: Mapping[str, str]
) -> Iterator[ContractDifference]:
    """Yield how the parts of one kind differ; a part whose type one side leaves open does not."""
    for name in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(name), theirs.get(name)
        if one is None:
            yield ContractDifference(ContractChange.ADDED, operation, part, name, theirs=other or "")
        elif other is None:
            yield ContractDifference(ContractChange.REMOVED, operation, part, name, ours=one)
        elif one != other and one and other:
            yield ContractDifference(ContractChange.CHANGED, operation, part, name, one, other)


def _operations(document: object) -> Iterator[tuple[str, _Operation]]:
    """Yield the operations of a document by method and path, whatever its path's parameters are called."""
    paths = _mapping(document).get("paths")
    for path, item in _mapping(paths).items():
        item = _mapping(_resolved(document, item))  # noqa: PLW2901 - the same, followed
        shared = _items(item.get("parameters"))
        for method in _METHODS:
            if not isinstance(item.get(method), Mapping):
                continue
            operation = _mapping(item[method])
            name = f"{method.upper()} {re.sub(r'{[^}]*}', '{}', str(path)).rstrip('/')}"
            parameters = dict(_parameters(document, [*shared, *_items(operation.get("parameters"))]))
            request = _content(document, _mapping(_resolved(document, operation.get("requestBody"))))
            yield name, _Operation(parameters, request, _reply(document, operation), _scopes(document, operation))


def _parameters(document: object, rows: Iterable[object]) -> Iterator[tuple[str, str]]:
    """Yield the query parameters and headers, each with what it is; those of the path are in the path."""
    for row in rows:
        one = _mapping(_resolved(document, row))
        if one.get("in") in ("query", "header") and one.get("name"):
            schema = _mapping(_resolved(document, one.get("schema")))
            yield f"{one['name']}", _kind(schema, required=str(one.get("required", "")).lower() == "true")


def _reply(document: object, operation: Mapping[str, object]) -> Mapping[str, str]:
    """Return the fields of the replies that say that it went well."""
    fields: dict[str, str] = {}
    for status, reply in _mapping(operation.get("responses")).items():
        if str(status).startswith("2"):
            fields |= _content(document, _mapping(_resolved(document, reply)))
    # In a reply nothing is asked of us.
    return {name: kind.removesuffix(_REQUIRED) for name, kind in fields.items()}


def _content(document: object, body: Mapping[str, object]) -> dict[str, str]:
    """Return the fields of a body, of whichever media type."""
    fields: dict[str, str] = {}
    for media in _mapping(body.get("content")).values():
        fields |= dict(_fields(document, _mapping(media).get("schema"), "", 0, required=False))
    return fields


_REQUIRED = ", required"


def _fields(document: object, node: object, path: str, depth: int, *, required: bool) -> Iterator[tuple[str, str]]:
    """Yield the fields of a schema by their path, each with what it is."""
    schema = _mapping(_resolved(document, node))
    if depth > _DEEPEST:
        return
    for word in ("allOf", "anyOf", "oneOf"):
        for part in _items(schema.get(word)):
            yield from _fields(document, part, path, depth + 1, required=required)
    if "items" in schema:
        yield from _fields(document, schema["items"], f"{path}[]", depth + 1, required=False)
    wanted = {str(name) for name in _items(schema.get("required"))}
    for name, part in _mapping(schema.get("properties")).items():
        inner = f"{path}.{name}".lstrip(".")
        yield from _fields(document, part, inner, depth + 1, required=str(name) in wanted)
    if path and not path.endswith("[]") and not any(word in schema for word in ("allOf", "anyOf", "oneOf")):
        yield path, _kind(schema, required=required)


def _kind(schema: Mapping[str, object], *, required: bool) -> str:
    """Return what a part is: its type without null, its format; "" where the schema leaves it open."""
    named = schema.get("type")
    types = [str(one) for one in (named if isinstance(named, list) else [named]) if one not in (None, "null")]
    form = f" {schema['format']}" if types and schema.get("format") else ""
    return f"{' or '.join(sorted(types))}{form}{_REQUIRED if required and types else ''}"


def _scopes(document: object, operation: Mapping[str, object]) -> AbstractSet[str]:
    """Return the scopes that an operation's security names."""
    rows = operation.get("security", _mapping(document).get("security"))
    return {str(scope) for row in _items(rows) for names in _mapping(row).values() for scope in _items(names)}


def _resolved(document: object, node: object) -> object:
    """Return a node, or what its reference within the document leads to; {} for one that leads nowhere."""
    for _ in range(_DEEPEST):
        if not isinstance(node, Mapping) or not isinstance(node.get("$ref"), str):
            return node
        path = node["$ref"]
        node = document if path.startswith("#/") else {}
        for step in path[2:].split("/"):
            node = _mapping(node).get(step.replace("~1", "/").replace("~0", "~"), {})
    return {}


def _mapping(node: object) -> Mapping[str, object]:
    """Return a node that is a mapping; {} for any other."""
    return node if isinstance(node, Mapping) else {}


def _items(node: object) -> list[object]:
    """Return a node that is a list; [] for any other."""
    return node if isinstance(node, list) else []
