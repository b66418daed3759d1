from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping

import httpx
import pytest
from api_contract import OPERATIONS, Operation
from emulated import Stopped, against, emulator

from reconciler.emulator.calls import RULES, Answer, Call
from reconciler.emulator.faults import Fault, Scripted
from reconciler.emulator.server import running
from reconciler.emulator.service import LOCAL, ApiKey, Emulator
from reconciler.rules import (
    Account,
    Behaviour,
    LargerLimit,
    PatchIdentity,
    StoredCustomer,
    create_user,
    list_customers,
    list_users,
    patch,
    put,
)
from reconciler.rules import create as create_customer

NOW = 1_767_225_600.0


def account() -> Account:
    """Return an account with one customer, `cus_1`."""
    held = Account()
    put(held, StoredCustomer("cus_1", 0, {"name": "Acme"}))
    return held


class Asked(dict[str, str]):
    """A query or a body that knows which names were looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, name: str, default: object = None) -> object:  # type: ignore[override]
        self.names.add(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return False


def test_the_emulator_serves_the_requests_of_the_contract_and_no_others() -> None:
    served = {f"{method} {path}" for path, rules in RULES.items() for method in rules} | {"POST oauth/token"}
    stars = {name: "*" for one in OPERATIONS.values() for name in one.parameters}
    assert {f"{one.method} {one.path[1:].format_map(stars)}" for one in OPERATIONS.values()} == served


@pytest.mark.parametrize(
    ("operation", "ask"),
    [
        ("list_customers", lambda asked: list_customers(account(), Behaviour(), asked, NOW)),
        ("list_users", lambda asked: list_users(account(), Behaviour(), "cus_1", asked, NOW)),
    ],
)
def test_the_emulator_reads_the_parameters_of_the_contract(operation: str, ask: Callable[[Asked], object]) -> None:
    asked = Asked()
    ask(asked)
    assert asked.names == set(OPERATIONS[operation].query)


@pytest.mark.parametrize(
    ("operation", "ask", "besides"),
    [
        ("create_customer", lambda asked: create_customer(account(), Behaviour(), asked, NOW), set()),
        # What a patch cannot change is looked for, to be refused where the behaviour says so.
        (
            "patch_customer",
            lambda asked: patch(account(), Behaviour(), "cus_1", asked, NOW),
            {"email", "external_id"},
        ),
        ("create_user", lambda asked: create_user(account(), Behaviour(), "cus_1", asked, NOW), set()),
    ],
)
def test_the_emulator_reads_the_fields_of_the_contract(
    operation: str, ask: Callable[[Asked], object], besides: set[str]
) -> None:
    asked = Asked()
    ask(asked)
    assert asked.names == OPERATIONS[operation].fields() | besides


# --- answers ---------------------------------------------------------------------------------------------

NO_SCOPE = ApiKey("none", "none", frozenset())
REFUSING = Behaviour(
    larger_limit=LargerLimit.REFUSE,
    patch_identity=PatchIdentity.REFUSE,
    repeated_archive=400,
    repeated_restore=400,
    invoiced=frozenset({"cus_1"}),
    invoiced_status=422,
    required=frozenset({"name"}),
    unique_status=422,
)
# By operation, what is sent: the target, and a body.
SENDINGS: Mapping[str, list[tuple[str, object]]] = {
    "get_token": [("/oauth/token", "grant_type=client_credentials"), ("/oauth/token", "grant_type=password")],
    "list_customers": [("/customers", None), ("/customers?limit=1000", None)],
    "create_customer": [("/customers", {"name": "New"}), ("/customers", []), ("/customers", {"name": 1})],
    "get_customer": [("/customers/cus_1", None), ("/customers/no", None)],
    "patch_customer": [
        ("/customers/cus_1", {"city": "Rome"}),
        ("/customers/cus_1", []),
        ("/customers/cus_1", {"email": "new@acme.example"}),
        ("/customers/no", {}),
    ],
    "archive_customer": [("/customers/cus_1", None), ("/customers/cus_2", None), ("/customers/no", None)],
    "restore_customer": [
        ("/customers/cus_1/restore", None),
        ("/customers/cus_2/restore", None),
        ("/customers/no/restore", None),
    ],
    "list_users": [
        ("/customers/cus_1/users", None),
        ("/customers/cus_1/users?limit=0", None),
        ("/customers/no/users", None),
    ],
    "create_user": [
        ("/customers/cus_1/users", {"email": "jane@acme.example"}),
        ("/customers/cus_1/users", []),
        ("/customers/cus_1/users", {}),
        ("/customers/no/users", {"email": "jane@acme.example"}),
    ],
    "list_payment_methods": [("/customers/cus_1/payment-methods", None), ("/customers/no/payment-methods", None)],
    "get_payment_method": [
        ("/customers/cus_1/payment-methods/pm_1", None),
        ("/customers/cus_1/payment-methods/pm_2", None),
    ],
}


def emulators() -> Iterator[tuple[Emulator, ApiKey]]:
    """Yield emulators that answer in each way, with a key: one account each, so that no request changes another's."""
    clock = Stopped(lambda: NOW)
    for ways in (Behaviour(), REFUSING):
        yield emulator(behaviour=ways, clock=clock), LOCAL
    for status in (403, 404):
        yield emulator(keys=(NO_SCOPE,), behaviour=Behaviour(scope_status=status), clock=clock), NO_SCOPE
    yield emulator(clock=clock), ApiKey("local", "wrong")
    yield emulator(rate=1, behaviour=Behaviour(token_counts=True), clock=clock), LOCAL
    yield emulator(faults=Scripted({1: Fault.STATUS_500_AFTER}), clock=clock), LOCAL


def answered(operation: Operation) -> set[int]:
    """Return every status that the emulator answers an operation with."""
    statuses = set()
    for target, body in SENDINGS[operation.id]:
        for served, key in emulators():
            put(served.account, StoredCustomer("cus_1", 0, {"external_id": "acme", "name": "Acme"}))
            put(served.account, StoredCustomer("cus_2", 1, {"external_id": "acme", "name": "Acme"}, archived=True))
            served.account.payment_methods["cus_1"] = [{"id": "pm_1", "type": "card"}]
            for _ in range(2 if served.rate.per_s else 1):
                statuses.add(status_of(served, operation, key, target, body))
    return statuses


def status_of(served: Emulator, operation: Operation, key: ApiKey, target: str, body: object) -> int:
    path, _, query = target.partition("?")
    if operation.security == "basic":
        authorization = "Basic " + base64.b64encode(f"{key.client_id}:{key.secret}".encode()).decode()
    else:
        authorization = f"Bearer {served.tokens.give(key.client_id, key.secret, served.clock.monotonic())}"
    content = body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()
    answer = served.answer(Call(operation.method, path, query, authorization, content))
    assert isinstance(answer, Answer)
    return answer.status


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_the_emulator_answers_with_the_statuses_of_the_contract_and_no_others(operation: Operation) -> None:
    assert answered(operation) == operation.statuses


def test_another_method_is_refused_with_those_that_there_are() -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        refused = {path: await client.put(path) for path in ("/customers", "/customers/no", "/oauth/token")}
        told = {path: (one.status_code, one.headers["allow"]) for path, one in refused.items()}
        assert told == {
            "/customers": (405, "GET, POST"),
            "/customers/no": (405, "GET, PATCH, DELETE"),
            "/oauth/token": (405, "POST"),
        }

    against(emulator(), steps)


def test_a_path_with_a_line_break_is_answered_as_any_other() -> None:
    with running(Emulator(rate=0)) as url, httpx.Client(base_url=url) as client:
        assert client.get("/customers/a%0Ab").json()["code"] == "unauthorized"


@pytest.mark.parametrize("query", ["limit=", "created_at_start=", "created_at_end=", "created_at_start=2026-01-01"])
def test_a_parameter_that_cannot_be_read_is_refused(query: str) -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        assert (await client.get(f"/customers?{query}")).status_code == 400

    against(emulator(), steps)
