"""Every command, in every form, at debug level: no secret anywhere, and nobody's data but where it belongs."""

from __future__ import annotations

import base64
import signal
from collections.abc import Iterator
from pathlib import Path

import click
import postgres_server
from api_contract import Watch
from command_line import EPOCH_S, PATIENCE_S, Place, variables_of

from reconciler.cli.app import cli
from reconciler.emulator.server import running
from reconciler.emulator.service import ApiKey, Emulator, load
from reconciler.settings.project import local_place

SECRET, CLIENT = "marked-secret", "marked-client"
LEDGER_KEY = base64.b64encode(b"marked key of a ledger, 32 bytes").decode()
ENCRYPTED = {"RECONCILER_STATE_KEY": LEDGER_KEY, "RECONCILER_PLAN_KEY": LEDGER_KEY}
SECRETS = (SECRET, CLIENT, LEDGER_KEY, base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode(), "emu_")
PEOPLE = ("Markedcorp", "marked.billing@", "Markedstreet", "Markedcity", "98-7654321", "marked.jane@", "Markedjane")
FILE = """\
customers:
  acme:
    name: Markedcorp
    email: marked.billing@acme.example
    street_address: 1 Markedstreet
    city: Markedcity
    ein: 98-7654321
    users:
      marked.jane@acme.example: {first_name: Markedjane, last_name: Doe}
  globex: {name: Markedcorp, email: accounts@globex.example}
"""
# Of the second, a field moved, the e-mail is blocked, a user is new and globex has gone.
CHANGED = """\
customers:
  acme:
    name: Markedcorp West
    email: marked.billing@west.example
    street_address: 2 Markedstreet
    users:
      marked.jane@acme.example: {first_name: Markedjane, last_name: Roe}
      marked.jane@west.example: {first_name: Markedjane}
"""
SHEET = """\
Id,Company,Email,Street,City,Tax ID,Contact,First
acme, Markedcorp ,marked.billing@acme.example; x@acme.example,"1
Markedstreet",Markedcity ,98 7654321,marked.jane@acme.example ,Markedjane
"""
MAP = """\
key: Id
columns:
  name: Company
  email: {column: Email, clean: [first_email]}
  street_address: Street
  city: City
  ein: {column: Tax ID, clean: [ein]}
users: [{email: Contact, first_name: First}]
"""
# What they print is people's data, because that is what they are for.
SHOW_PEOPLE = ("import", "state pull")
CASES = """\
init starter
init --fleet many
schema customers
seed --print --customers 2 --users 1
validate -f customers.yaml --redact
validate -f customers.yaml --redact --format json
validate -f customers.yaml --redact --format github
validate -f customers.yaml --redact --format sarif
validate -f customers.yaml --redact --format gitlab
fmt customers.yaml
plan -f customers.yaml --redact --out kept.plan
apply -f customers.yaml --redact --auto-approve --json-events events.jsonl
apply -f customers.yaml --redact --auto-approve --format json --metrics runs.prom
apply -f customers.yaml --redact --auto-approve --format brief
seed -f customers.yaml --redact --auto-approve
seed -f customers.yaml --redact --auto-approve --format json
plan -f changed.yaml --redact --max-archives 1
plan -f changed.yaml --redact --format json --report markdown=report.md --metrics runs.prom
plan -f changed.yaml --redact --format markdown
plan -f changed.yaml --redact --format html
plan -f changed.yaml --redact --format brief
plan -f changed.yaml --redact --format github
plan -f changed.yaml --redact --format sarif
plan -f changed.yaml --redact --format gitlab
show acme -f changed.yaml --redact
show acme -f changed.yaml --redact --format json
show acme --raw --redact
show acme --why -f changed.yaml --redact
show acme --why -f changed.yaml --redact --format json
doctor
doctor --format json
doctor --report
completion bash
drift -f customers.yaml --redact
drift -f customers.yaml --redact --format json --report junit=drift.xml --metrics runs.prom
drift -f customers.yaml --redact --format markdown
drift -f customers.yaml --redact --format html
drift -f customers.yaml --redact --format junit
drift -f customers.yaml --redact --format brief
drift -f customers.yaml --redact --format github
drift -f customers.yaml --redact --format sarif
drift -f customers.yaml --redact --format gitlab
import
import --match -f customers.yaml --redact
import --from people.csv --map map.yaml --redact -o imported.yaml
import --from people.csv --map map.yaml --redact -o imported.yaml --format json
duplicates --redact
duplicates --redact --format json
history list
history list --format json
history list RUN --redact
history list RUN --redact --format json
undo RUN --redact --dry-run
undo RUN --redact --dry-run --format json
history prune --older-than 400d
api customers list --redact
api customers list --redact --all
api customers list --redact --all --company-name Markedcorp --dry-run
api customers get ID --redact
api users list ID --redact
api payment-methods list ID --redact
api payment-methods get ID pm_1 --redact
state list
state list --format json
state show acme --redact
state show acme --redact --format json
state unprotect acme
state unblock acme --dry-run
state relocate PLACE --dry-run
state move globex hooli
state rm hooli --dry-run
state forget acme --dry-run
state rekey
state pull
state unlock
state push pulled.db
api customers create --redact --external-id new --name Markedcorp --email marked.billing@new.example
api customers patch ID --redact --city Markedcity --dry-run
api customers patch ID --redact --city Markedcity
api customers archive ID --redact
api customers restore ID --redact
api users create ID --redact --email marked.jane@new.example --first-name Markedjane
fleet list -p fleet.yaml
fleet list -p fleet.yaml --format json
fleet list -p fleet.yaml --format brief
fleet validate -p fleet.yaml --redact
fleet validate -p fleet.yaml --redact --format json
fleet validate -p fleet.yaml --redact --format github
fleet validate -p fleet.yaml --redact --format sarif
fleet validate -p fleet.yaml --redact --format gitlab
fleet plan -p fleet.yaml --out plans --report markdown=fleet.md
fleet plan -p fleet.yaml --format json
fleet plan -p fleet.yaml --format markdown
fleet plan -p fleet.yaml --format brief
fleet plan -p fleet.yaml --format github
fleet plan -p fleet.yaml --format sarif
fleet plan -p fleet.yaml --format gitlab
fleet drift -p fleet.yaml
fleet drift -p fleet.yaml --format json
fleet drift -p fleet.yaml --format markdown
fleet drift -p fleet.yaml --format brief
fleet drift -p fleet.yaml --format github
fleet drift -p fleet.yaml --format sarif
fleet drift -p fleet.yaml --format gitlab
fleet status -p fleet.yaml
fleet status -p fleet.yaml --format json
fleet status -p fleet.yaml --format markdown
fleet status -p fleet.yaml --format html
fleet status -p fleet.yaml --format prometheus
fleet apply -p fleet.yaml --auto-approve --max-accounts-changed 1 --format json
fleet apply -p fleet.yaml --auto-approve --format brief
fleet apply -p fleet.yaml --auto-approve
fleet rollout status -p fleet.yaml
fleet rollout status -p fleet.yaml --format json
fleet rollout status -p fleet.yaml --format brief
fleet rollout pause -p fleet.yaml
fleet rollout resume -p fleet.yaml
fleet rollout resume -p fleet.yaml --format json
fleet rollout resume -p fleet.yaml --format brief
fleet rollout abort -p fleet.yaml
fleet worker -p shared.yaml --listen 127.0.0.1:0
fleet submit drift -p shared.yaml
fleet submit apply -p shared.yaml --auto-approve --max-accounts-changed 1
fleet rollout abort -p shared.yaml
fleet submit apply -p shared.yaml --auto-approve --format json
fleet submit apply -p shared.yaml --auto-approve --format brief
fleet drain -p shared.yaml
emulator --port 0
demo
demo --fleet
"""
ENDED = ("fleet rollout pause", "fleet rollout resume", "fleet rollout abort")
ROLLED = """\
customers:
  rolled: {name: Markedcorp, email: marked.billing@acme.example, city: Markedcity}
"""
FLEET = """\
fleet: {accounts: accounts/*, environment: many}
environments:
  many: {base_url: "${AP_BASE_URL}", client_id: "${AP_CLIENT_ID}", client_secret: "${AP_CLIENT_SECRET}", state: fleet/}
"""


def leaves(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield each command that does something, once for each of its forms; "" where it has one alone."""
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            assert below is not None
            yield from leaves(below, (*words, name))
        return
    forms = next((one.type.choices for one in command.params if one.name == "form"), [""])  # type: ignore[attr-defined]
    yield from ((" ".join(words), str(form)) for form in forms)


def covered() -> set[tuple[str, str]]:
    """Return the commands and forms of `CASES`."""
    every = sorted(leaves(cli))
    found = set()
    for case in CASES.splitlines():
        mine = [form for name, form in every if f"{case} ".startswith(f"{name} ")]
        name = next(name for name, _ in every if f"{case} ".startswith(f"{name} "))
        given = case.partition("--format ")[2].split(" ")[0]
        found.add((name, given or ("text" if "text" in mine else mine[0])))
    return found


def test_every_command_and_every_form_has_a_case() -> None:
    assert covered() == set(leaves(cli))


def test_no_command_shows_a_secret_or_a_person_at_debug_level(tmp_path: Path) -> None:
    watch = Watch()
    emulator = Emulator(rate=0, keys=[ApiKey(CLIENT, SECRET)], witness=watch)
    with running(emulator) as url:
        emulator.account.payment_methods["acme"] = [{"id": "pm_1", "type": "card", "holder": "Markedjane Doe"}]
        place = Place(tmp_path, {**variables_of(url), "AP_CLIENT_ID": CLIENT, "AP_CLIENT_SECRET": SECRET, **ENCRYPTED})
        place.write("customers.yaml", FILE)
        place.write("changed.yaml", CHANGED)
        place.write("people.csv", SHEET)
        place.write("map.yaml", MAP)
        place.write("fleet.yaml", FLEET)
        place.write("shared.yaml", FLEET.replace("fleet/", '"${AP_SHARED}"'))
        place.variables["AP_SHARED"] = postgres_server.database("secrets")
        place.write("accounts/acme/customers.yaml", FILE)
        place.write("accounts/acme/customers-rolled.yaml", ROLLED)
        leaks = []
        for case in CASES.splitlines():
            if case.startswith("drift"):
                emulator.offset_s += 60
                acme = next(iter(emulator.account.customers))
                load(emulator.account, [{"id": acme, "city": "Markedcity North"}], EPOCH_S)
            leaks += leaking(place, case)
    assert leaks == []
    assert watch.found == []
    belongs = (
        "customers.yaml",
        "changed.yaml",
        "people.csv",
        "imported.yaml",
        "customers-rolled.yaml",
        "kept.plan",
        "acme.plan",
        "pulled.db",
    )
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert [one for one in SECRETS if one.encode() in content] == [], path
        people = [one for one in PEOPLE if one.encode() in content]
        assert people == [] or path.name in belongs, path


def leaking(place: Place, case: str) -> list[tuple[str, str]]:
    """Run a case, and return what it shows that it should not."""
    words = case.split()
    if "RUN" in words:
        words[words.index("RUN")] = place.run("history", "list", "--format", "json").json["runs"][0]["id"]
    if "ID" in words:
        words[words.index("ID")] = place.run("state", "list", "acme", "--format", "json").json["bindings"][0]["id"]
    if "PLACE" in words:
        words[words.index("PLACE")] = local_place(place.folder)
    if words[:2] == ["state", "push"]:
        place.run("state", "pull", "--out", "pulled.db")
    if words[0] == "emulator" or words[:2] == ["fleet", "worker"]:
        with place.start("--log-level", "debug", *words) as process:
            assert process.stderr is not None
            first = process.stderr.readline()
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=PATIENCE_S)
        code, said = process.returncode, (first + out + err).decode()
    else:
        ran = place.run("--log-level", "debug", *words)
        code, said = ran.code, ran.all
        if case.startswith(SHOW_PEOPLE) and "--redact" not in case:
            return [(case, one) for one in SECRETS if one in said] + [(case, one) for one in PEOPLE if one in ran.err]
    # A rollout that is done cannot be changed.
    expected = 3 if case.startswith(ENDED) else 2 if case.startswith("drift") else 0
    assert code == expected, (case, said)
    return [(case, one) for one in (*SECRETS, *PEOPLE) if one in said]
