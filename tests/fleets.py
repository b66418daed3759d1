"""A fleet for tests: a project with accounts in folders, and an emulator that has an account for each key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from command_line import Place

from reconciler.emulator.server import running
from reconciler.emulator.service import LOCAL, ApiKey, Emulator, EmulatorOfMany, load
from reconciler.fleet.job import Job
from reconciler.model.fleet import JobKind
from reconciler.settings import Options, Settings, read_settings

PROJECT = """\
version: 1
project: msp
fleet: {accounts: accounts/*, environment: production}
environments:
  production:
    base_url: ${AP_BASE_URL}
    client_id_file: ids/{account}
    client_secret: ${AP_CLIENT_SECRET}
    rate: 0
"""
EPOCH_S = 1_767_225_600.0


def customers(*keys: str, city: str = "Boston") -> str:
    """Return a customers file."""
    rows = (f"  {key}: {{name: {key.title()}, email: billing@{key}.example, city: {city}}}\n" for key in keys)
    return "customers:\n" + "".join(rows)


def of_many() -> EmulatorOfMany:
    """Return an emulator with an account for each key, without a limit of requests."""
    return EmulatorOfMany(lambda name: Emulator(rate=0, keys=(ApiKey(name, LOCAL.secret),)))


@dataclass(slots=True)
class FleetPlace(Place):
    """A project with a fleet, whose accounts are on one emulator."""

    api: EmulatorOfMany = field(default_factory=of_many)

    def add(self, name: str, *keys: str, text: str | None = None) -> None:
        """Write an account that declares customers, and give it a key."""
        self.write(f"accounts/{name}/customers.yaml", customers(*keys) if text is None else text)
        self.write(f"ids/{name}", name)

    def settings(self, options: Options = Options()) -> Settings:  # noqa: B008 - it is frozen
        """Return the project's settings."""
        return read_settings(options, variables=self.given(), cwd=self.folder)

    def jobs(self, kind: JobKind = JobKind.DRIFT, options: Options = Options(), **how: object) -> list[Job]:  # noqa: B008 - the same
        """Return a job for each account."""
        settings = self.settings(options)
        return [Job(kind, one, settings, **how) for one in settings.fleet().accounts]  # type: ignore[arg-type]

    def requests(self, name: str) -> list[str]:
        """Return the requests that an account got, tokens left out."""
        return [f"{one.method} {one.path}" for one in self.api.of(name).requests if one.path != "/oauth/token"]

    def edit(self, name: str, key: str, **fields: str) -> None:
        """Let someone edit a customer of an account in the dashboard."""
        account = self.api.of(name).account
        found = next(one for one in account.customers.values() if one.fields.get("external_id") == key)
        load(account, [{"id": found.id, **fields}], EPOCH_S)

    def applied(self, *names: str) -> None:
        """Apply accounts, and let what was written be old enough to be seen as it is."""
        for name in names:
            ran = self.run("-e", f"{name}/production", "apply", "--auto-approve")
            assert ran.code == 0, ran.all
            self.api.of(name).offset_s += 60


@contextmanager
def fleet_in(place: Place) -> Iterator[FleetPlace]:
    """Yield a fleet without accounts in a folder."""
    api = of_many()
    with running(api) as url:
        variables = {"AP_BASE_URL": url, "AP_CLIENT_SECRET": "local", **place.variables}
        fleet = FleetPlace(place.folder, variables, api)
        fleet.write("reconciler.yaml", PROJECT)
        yield fleet
