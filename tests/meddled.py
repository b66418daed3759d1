"""A run in which one reply is another: what it may do to the account, and what the next true runs must reach."""

from __future__ import annotations

import copy
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from any_replies import Changed, Instead
from api_account import Customer
from api_ways import Ways
from plan_parts import customer, declared
from story import TERMS
from world import World, done

from reconciler.errors import PlanFaulty, ReconcilerError, Source
from reconciler.model.core import DesiredUser
from reconciler.model.plan import Blocked, Change
from reconciler.model.policy import Share

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a commit then costs nothing
UNDER = replace(TERMS, max_archives=Share(100, percent=True), max_restores=Share(100, percent=True))
SOURCE = Source("customers.yaml", 4, 5)
SETTLED_S = 60.0
MOST_RUNS = 4


def _user(email: str) -> DesiredUser:
    return DesiredUser(email, {"first_name": "Jane"}, SOURCE)


FIRST = declared(
    *map(customer, ("patched", "archived", "gone")),
    customer("joined", _user("jane@joined.example")),
    customer("cleared", fields={"name": "cleared", "state": "NY"}),
    customer("back", _user("jane@back.example"), archived=False),
)
SECOND = declared(
    *(replace(one, archived=key == "back") for key, one in FIRST.customers.items()),
)
THIRD = declared(
    customer("patched", fields={"name": "patched", "city": "Boston"}),
    customer("archived", archived=True),
    customer("joined", _user("jane@joined.example"), _user("joe@joined.example")),
    customer("cleared", fields={"name": "cleared", "state": None}),
    customer("back", _user("jane@back.example")),
    customer("new", _user("jane@new.example")),
)
ENDS = {
    "patched": ({"name": "patched", "city": "Boston"}, False, []),
    "archived": ({"name": "archived"}, True, []),
    "gone": ({"name": "gone"}, True, []),
    "joined": ({"name": "joined"}, False, ["jane@joined.example", "joe@joined.example"]),
    "cleared": ({"name": "cleared"}, False, []),
    "back": ({"name": "back"}, False, ["jane@back.example"]),
    "new": ({"name": "new"}, False, ["jane@new.example"]),
    "strange": ({"name": "Strange"}, False, []),
}
Account = dict[str, tuple[dict[str, str], bool, list[str]]]


@dataclass(slots=True)
class Meddler:
    """Gives `instead` for the `at`-th reply, from 1; where it `lasts`, for each later one of its kind too."""

    api: Callable[[httpx.Request], httpx.Response]
    at: int
    instead: Instead
    lasts: bool = False
    count: int = 0
    meddled: str = ""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.count += 1
        asked = f"{request.method} {request.url.path}"
        if self.count != self.at and not (self.lasts and asked == self.meddled):
            return self.api(request)
        self.meddled = asked
        if isinstance(self.instead, Changed) and self.instead.how == "as a number" and asked == "POST /customers":
            # An id that is a number is an id: nothing tells that it is not this customer's.
            return self.api(request)
        happened = self.instead.happened or (_settles(request) and self.instead.status // 100 == 2)
        return self.instead.of(self.api(request) if happened else None)


def _settles(request: httpx.Request) -> bool:
    """Say whether any 2xx says that the request was done: nothing in a reply to an archive or a restore could."""
    return request.method == "DELETE" or request.url.path.endswith("/restore")


class Meddled(World):
    """A world that can be copied as it stands, so that its past is told once."""

    def copied(self, folder: Path) -> Meddled:
        """Return a world of its own, with its ledger in `folder`."""
        shutil.copytree(self._folder, folder, dirs_exist_ok=True)
        world = copy.deepcopy(self)
        world._folder = folder  # noqa: SLF001 - its own class
        return world


@contextmanager
def begun(ways: Ways) -> Iterator[Meddled]:
    """
    Yield a world in which the third state is to be reached, and nothing of it done.

    The server forbids nothing by itself: two customers with one external_id, two users with one e-mail.
    """
    with TemporaryDirectory(dir=MEMORY) as folder:
        world = Meddled(Path(folder), ways)
        world.api.account.add({"external_id": "strange", "name": "Strange"})
        for desired in (FIRST, SECOND):
            assert done(world.apply(desired, UNDER).outcomes)
            world.wait(SETTLED_S)
        yield world


def met(start: Meddled, at: int, instead: Instead, *, lasts: bool = False) -> str:
    """Apply the third state while one reply is another, then in truth; return what is wrong, "" for nothing."""
    with TemporaryDirectory(dir=MEMORY) as folder:
        world = start.copied(Path(folder))
        meddler = Meddler(world.api.handler, at, instead, lasts)
        world.answers = meddler
        try:
            world.apply(THIRD, UNDER)
        except PlanFaulty as bug:
            return f"{meddler.meddled}: {bug}"
        except ReconcilerError as error:
            if not str(error):
                return f"{meddler.meddled}: an error without words"
        world.answers = world.api.handler
        if harm := _harm(world):
            return f"{meddler.meddled}: {harm}"
        return next((f"{meddler.meddled}: {words}" for words in _not_reached(world)), "")


def _harm(world: World) -> str:
    """Return what should not have been done to the account, "" for nothing."""
    customers = world.api.account.customers()
    doubled = [key for key, count in Counter(one.external_id for one in customers).items() if count > 1]
    return f"{doubled} are there twice" if doubled else next((words for one in customers if (words := _hurt(one))), "")


def _hurt(one: Customer) -> str:
    """Return what is wrong with a customer at any moment between the second state and the third."""
    wanted, archived, users = ENDS[one.external_id]
    emails = [user.email for user in one.users]
    if one.archived and not archived and one.external_id != "back":
        return f"{one.external_id!r} is archived"
    if len(set(emails)) < len(emails) or not set(emails) <= set(users):
        return f"{one.external_id!r} has the users {emails}"
    others = {name: text for name, text in one.fields.items() if text != wanted.get(name)}
    return f"{one.external_id!r} has {others}" if others and others != {"state": "NY"} else ""


def _not_reached(world: World) -> Iterator[str]:
    """Yield what true runs do not reach."""
    for _ in range(MOST_RUNS):
        world.wait(SETTLED_S)
        with suppress(ReconcilerError):
            world.apply(THIRD, UNDER)
        if harm := _harm(world):
            yield harm
        if _account(world) == ENDS:
            break
    world.wait(SETTLED_S)
    left = world.plan(THIRD, UNDER)
    if left.changes or left.blocked:
        yield f"left are {list(map(_change, left.changes))}, blocked are {list(map(_blocked, left.blocked))}"
    if (found := _account(world)) != ENDS:
        yield f"the account is {found}"


def _change(one: Change) -> str:
    return f"{one.action} {one.address}"


def _blocked(one: Blocked) -> str:
    return f"{one.address} {one.field}: {one.reason}"


def _account(world: World) -> Account:
    return {
        one.external_id: (dict(one.fields), one.archived, sorted(user.email for user in one.users))
        for one in world.api.account.customers()
    }
