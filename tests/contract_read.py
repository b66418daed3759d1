"""The contract of the API (`schema/openapi.yaml`) for tests: its operations, with `$ref` followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from reconciler.resources import shipped

Node = Mapping[str, Any]

CONTRACT: Node = yaml.safe_load(shipped("schema/openapi.yaml").read_text(encoding="utf-8"))
METHODS = ("get", "post", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Operation:
    """
    One request of the contract.

    `body` is the schema of what it carries, `media` its type; both are empty where it carries nothing.
    `security` is the scheme of its Authorization header, in small letters.
    """

    id: str
    method: str
    path: str
    parameters: Mapping[str, Node]
    media: str
    body: Node
    responses: Mapping[int, Node]
    security: str

    @property
    def statuses(self) -> set[int]:
        return set(self.responses)

    @property
    def query(self) -> dict[str, Node]:
        """Return the parameters that stand in the query."""
        return {name: one for name, one in self.parameters.items() if one["in"] == "query"}

    def fields(self) -> set[str]:
        """Return the names that its body may hold."""
        return set(followed(self.body)["properties"])


def followed(node: Node) -> Node:
    """Return a part with its `$ref` followed; what stands beside the `$ref` wins."""
    if "$ref" not in node:
        return node
    target: Node = CONTRACT
    for step in node["$ref"].removeprefix("#/").split("/"):
        target = target[step]
    return {**followed(target), **{name: one for name, one in node.items() if name != "$ref"}}


def _operation(method: str, path: str, item: Node) -> Operation:
    node = item[method]
    parameters = [followed(one) for one in (*item.get("parameters", ()), *node.get("parameters", ()))]
    ((media, content),) = node.get("requestBody", {}).get("content", {"": {}}).items()
    (needed,) = node.get("security", CONTRACT["security"])
    (scheme,) = needed
    return Operation(
        node["operationId"],
        method.upper(),
        path,
        {one["name"]: one for one in parameters},
        media,
        content.get("schema", {}),
        {int(status): followed(one) for status, one in node["responses"].items()},
        CONTRACT["components"]["securitySchemes"][scheme]["scheme"],
    )


OPERATIONS: Mapping[str, Operation] = {
    one.id: one
    for path, item in CONTRACT["paths"].items()
    for method in METHODS
    if method in item
    for one in [_operation(method, path, item)]
}
"""By operationId."""
