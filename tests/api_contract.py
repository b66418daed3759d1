"""The contract of the API (`schema/openapi.yaml`): read, and held against what a client and the API say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import jsonschema_rs
import yaml

from reconciler.emulator.calls import Answer, Call, Dropped
from reconciler.emulator.fault_settings import switched
from reconciler.emulator.faults import Fault
from reconciler.emulator.server import running
from reconciler.emulator.service import Emulator, load
from reconciler.resources import shipped
from reconciler.rules import Behaviour

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


_WHOLE = re.compile(r"-?[0-9]+")
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Said:
    """A request as it was sent; `target` is percent-encoded, `security` the scheme of the Authorization header."""

    method: str
    target: str
    body: bytes = b""
    media: str = ""
    security: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """A reply."""

    status: int
    body: bytes = b""
    media: str = ""


def of_request(said: Said) -> list[str]:
    """Return what of a request the contract does not have, nothing where it has all."""
    path, _, query = said.target.partition("?")
    operation = operation_of(said.method, path)
    if operation is None:
        return [f"{said.method} {path}: there is no such request"]
    return [f"{operation.id}: {one}" for one in _of_request(operation, said, query)]


def of_reply(said: Said, heard: Heard) -> list[str]:
    """Return what of a reply the contract does not have; nothing for that to a request which it does not have."""
    operation = operation_of(said.method, said.target.partition("?")[0])
    return [] if operation is None else [f"{operation.id}: {one}" for one in _of_reply(operation, heard)]


def hold(request: httpx.Request, response: httpx.Response | None) -> None:
    """Fail where what httpx sent is outside the contract, or what it got for that; the response was read."""
    sent = request.headers
    target = request.url.raw_path.decode("ascii")
    said = Said(request.method, target, request.content, _media(sent), _scheme(sent.get("authorization", "")))
    if response is None:
        found = of_request(said)
    else:
        found = of_reply(said, Heard(response.status_code, response.content, _media(response.headers)))
    assert not found, f"outside the contract: {found}"


def hold_call(call: Call, answer: Answer | Dropped, fault: Fault | None) -> None:
    """Fail where what the emulator is sent or answers is outside the contract: its witness in a test's own process."""
    watch = Watch()
    watch(call, answer, fault)
    assert not watch.found, f"outside the contract: {watch.found}"


class Watch:
    """
    The emulator's witness: gathers what is outside the contract in what it is sent and answers, faults apart.

    `requests` says whether to look at requests too: a test may send what our client would not.
    """

    def __init__(self, *, requests: bool = True) -> None:
        self.found: list[str] = []
        self._requests = requests

    def __call__(self, call: Call, answer: Answer | Dropped, fault: Fault | None) -> None:
        """Hear of one request, its answer and what befell it."""
        target = f"{call.path}?{call.query}" if call.query else call.path
        media = call.content_type.partition(";")[0]
        said = Said(call.method, target, call.body, media, _scheme(call.authorization))
        if self._requests:
            self.found += of_request(said)
        if fault is None and isinstance(answer, Answer):
            kind = answer.content_type.partition(";")[0] if answer.body else ""
            self.found += of_reply(said, Heard(answer.status, answer.body, kind))


def operation_of(method: str, path: str) -> Operation | None:
    """Return which request of the contract it is, None for none."""
    steps = path.split("/")
    for operation, shape in _SHAPES.get(method, ()):
        if len(shape) == len(steps) and all(
            (step != "" if name is None else name == step) for name, step in zip(shape, steps, strict=True)
        ):
            return operation
    return None


def _media(headers: httpx.Headers) -> str:
    """Return the type of a body."""
    return headers.get("content-type", "").partition(";")[0]


def _scheme(authorization: str) -> str:
    """Return the scheme of an Authorization header."""
    return authorization.partition(" ")[0].lower()


def _of_request(operation: Operation, said: Said, query: str) -> Iterator[str]:
    """Yield what of a request is not in the contract."""
    if said.security != operation.security:
        yield f"its authorization is {said.security!r}"
    pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    if len(dict(pairs)) < len(pairs):
        yield f"a parameter stands twice in {query!r}"
    for name, text in pairs:
        parameter = operation.query.get(name)
        if parameter is None:
            yield f"it has no parameter {name!r}"
        else:
            whole = parameter["schema"]["type"] == "integer" and _WHOLE.fullmatch(text)
            yield from _misfits(_parameter(operation.id, name), int(text) if whole else text, f"parameter {name}")
    if not operation.media:
        if said.body:
            yield "it has no body"
        return
    if said.media != operation.media:
        yield f"its body is {said.media!r}"
        return
    yield from _misfits(_body(operation.id), _read(said.body, said.media), "request")


def _of_reply(operation: Operation, heard: Heard) -> Iterator[str]:
    """Yield what of a reply is not in the contract."""
    response = operation.responses.get(heard.status)
    if response is None:
        yield f"it does not answer {heard.status}"
    elif not heard.body:
        if not response.get("x-may-be-empty"):
            yield f"the body of a {heard.status} is empty"
    elif heard.media not in response["content"]:
        yield f"the body of a {heard.status} is {heard.media!r}"
    elif heard.media == "application/json":
        yield from _misfits(_reply(operation.id, heard.status), _read(heard.body, heard.media), f"{heard.status}")


def _read(body: bytes, media: str) -> object:
    """Return what a body says, the body itself where it cannot be read."""
    if media == _FORM:
        return dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("latin-1")


def _misfits(validator: jsonschema_rs.Validator, value: object, what: str) -> Iterator[str]:
    """Yield why a value does not fit."""
    if not validator.is_valid(value):
        for error in validator.iter_errors(value):
            place = ".".join(map(str, error.instance_path))
            yield f"{what}: {place}: {error.message}" if place else f"{what}: {error.message}"


# --- compiled once -----------------------------------------------------------------------------------------

_SHAPES: dict[str, list[tuple[Operation, list[str | None]]]] = {}
for _one in OPERATIONS.values():
    _shape = [None if step.startswith("{") else step for step in _one.path.split("/")]
    _SHAPES.setdefault(_one.method, []).append((_one, _shape))


def _compiled(schema: Node) -> jsonschema_rs.Validator:
    """Return the validator of a part of the contract, whose `$ref` lead into it."""
    root: dict[str, Any] = {**schema, "components": CONTRACT["components"]}
    return jsonschema_rs.Draft202012Validator(root, validate_formats=True)


@cache
def _parameter(operation: str, name: str) -> jsonschema_rs.Validator:
    return _compiled(OPERATIONS[operation].parameters[name]["schema"])


@cache
def _body(operation: str) -> jsonschema_rs.Validator:
    """Return the validator of a request's body, which takes no other names."""
    return _compiled({**followed(OPERATIONS[operation].body), "additionalProperties": False})


@cache
def _reply(operation: str, status: int) -> jsonschema_rs.Validator:
    return _compiled(OPERATIONS[operation].responses[status]["content"]["application/json"]["schema"])


# An archive is no deletion: an archived customer is restored, and then answers again.
_NO_DELETION = ("--exclude-checks", "use_after_free")
# By name, the emulator's switches, and what is not asked of it.
WAYS: Mapping[str, tuple[Mapping[str, object], Sequence[str]]] = {
    "as it is": ({}, _NO_DELETION),
    "archived is gone": (
        {"gets_archived": False, "patches_archived": False, "repeated_archive": 404},
        # Without it an archive is like a deletion.
        ("--exclude-operation-id", "restore_customer"),
    ),
    "other shapes": (
        {
            "error_body": "html",
            "extra_fields": True,
            "larger_limit": "refuse",
            "methods_bare": True,
            "order": "id",
            "page_shape": "nested",
            "precision": "s",
            "repeated_archive": 400,
            "repeated_restore": 400,
            "unique": "none",
            "unset": "null",
        },
        _NO_DELETION,
    ),
    "other values": (
        {
            "email_lowered": True,
            "error_body": "other",
            "order": "oldest",
            "page_holds": 1,
            "paging": "offset",
            "precision": "ms",
            "rewrites": "trim,country,ein,state,address",
            "unset": "absent",
            "user_unique": "account",
        },
        _NO_DELETION,
    ),
}
SETTINGS = Path(__file__).parent / "contract" / "schemathesis.toml"
_PROGRAM = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"
_COUNT = re.compile(r"(\d+) generated")


@dataclass(frozen=True, slots=True)
class Asked:
    """How a run ended (0: it found nothing), what it printed, and how many test cases it made."""

    code: int
    text: str
    cases: int


def asked(switches: Mapping[str, object], *options: str) -> Asked:
    """Run Schemathesis with `options` against an emulator with these switches, which has a few customers already."""
    served = Emulator(rate=0, behaviour=switched(Behaviour(), switches))
    # Those without an external_id, as most that a tool makes, have a payment method.
    served.account.payment_methods[""] = [{"id": "pm_1", "type": "card"}]
    load(served.account, [{"name": name, "users": [{"email": f"{name}@acme.example"}]} for name in "abc"], 0.0)
    contract = str(shipped("schema/openapi.yaml"))
    with running(served) as url, tempfile.TemporaryDirectory() as folder:
        form = {"grant_type": "client_credentials"}
        given = httpx.post(f"{url}/oauth/token", auth=("local", "local"), data=form)
        ran = subprocess.run(
            [sys.executable, "-c", _PROGRAM, "--config-file", str(SETTINGS), "run", contract, "--url", url, *options],
            cwd=folder,
            env={**os.environ, "TOKEN": given.json()["access_token"], "NO_COLOR": "1", "COLUMNS": "120"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    text = ran.stdout.decode()
    cases = _COUNT.search(text)
    return Asked(ran.returncode, text, int(cases[1]) if cases else 0)
