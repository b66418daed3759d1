"""Whose entries changed since a commit is what two whole readings differ in, whatever is not read twice."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from git_values import git
from hypothesis import given, reject
from hypothesis import strategies as st

from reconciler.desired.load import load_desired
from reconciler.errors import Invalid, Source
from reconciler.model.core import Desired, DesiredCustomer
from reconciler.pipeline.changed_since import changed_since
from reconciler.settings import Options, Settings, read_settings

FILES = ("customers/one.yaml", "customers/two.yaml", "customers/deep/three.yml")
KEYS = {"a": FILES[:1], "b": FILES[:1], "c": FILES[1:2], "d": FILES[2:], "e": FILES[:2]}
"""Where each key may be."""
OVERLAYS = ("o1.yaml", "o2.yaml")
PROJECT = {"version": 1, "files": ["customers/"], "environments": {"demo": {"overlays": list(OVERLAYS)}}}

Tree = Mapping[str, object]
Text = Mapping[str, str]

_cities = st.sampled_from(["Boston", "Salem"])
_entries = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("N"),
        "city": _cities,
        "archived": st.booleans(),
        "protect": st.booleans(),
        "users": st.dictionaries(
            st.sampled_from(["j@x.example", "k@x.example"]),
            st.fixed_dictionaries({}, optional={"first_name": _cities}),
            min_size=1,
        ),
        "unmanaged": st.just(["country"]),
    },
)
_defaults = st.fixed_dictionaries({}, optional={"city": _cities, "country": st.just("USA")})


@st.composite
def projects(draw: st.DrawFn) -> Text:
    """Return the files of a project: each key in one of them or in none, overlays over some."""
    places = {key: draw(st.sampled_from([*where, ""])) for key, where in KEYS.items()}
    texts: dict[str, str] = {"reconciler.yaml": json.dumps(PROJECT)}
    for name in FILES:
        tree: dict[str, object] = {"customers": {key: draw(_entries) for key in KEYS if places[key] == name}}
        if draw(st.booleans()):
            tree["defaults"] = draw(_defaults)
        if name == FILES[0]:
            gone = [key for key in KEYS if not places[key]]
            tree["forget"] = draw(st.lists(st.sampled_from(gone), unique=True, max_size=2)) if gone else []
        texts[name] = json.dumps(tree)
    for name in OVERLAYS:
        over = draw(st.dictionaries(st.sampled_from(sorted(KEYS)), st.none() | _entries, max_size=2))
        texts[name] = json.dumps({"customers": over, "defaults": draw(_defaults)})
    return texts


@st.composite
def edited(draw: st.DrawFn) -> tuple[Text, Text]:
    """Return a project before and after an edit of one or two of its files."""
    before, after = draw(projects()), draw(projects())
    touched = draw(st.sets(st.sampled_from([*FILES, *OVERLAYS]), min_size=1, max_size=2))
    return before, {name: text if name in touched else before[name] for name, text in after.items()}


def written(root: Path, texts: Text) -> Settings:
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return read_settings(Options(project_file=str(root / "reconciler.yaml")), variables={}, cwd=root)


def read(settings: Settings) -> Desired:
    """Return what a project declares, read whole; the example is left out where it is no project."""
    environment = settings.environment("demo")
    try:
        return load_desired(
            settings.files(), root=settings.root, overlays=environment.overlays, without=settings.overlays
        ).desired
    except Invalid:
        reject()


def placeless(customer: DesiredCustomer | None) -> object:
    """Return an entry without its place in its file."""
    if customer is None:
        return None
    users = tuple(replace(user, source=Source("")) for user in customer.users)
    return replace(customer, source=Source(customer.source.file), users=users)


def differing(then: Desired, now: Desired) -> Iterable[str]:
    keys = then.customers.keys() | now.customers.keys()
    yield from (key for key in keys if placeless(then.customers.get(key)) != placeless(now.customers.get(key)))
    yield from then.forget.keys() ^ now.forget.keys()


@given(edited())
def test_what_changed_is_what_two_whole_readings_differ_in(texts: tuple[Text, Text]) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        then = read(written(root, texts[0]))
        git(root, "init", "-q", "-b", "main")
        git(root, "add", "-A")
        git(root, "commit", "-q", "-m", "one")
        settings = written(root, texts[1])
        now = read(settings)
        since, targets = changed_since("main", settings, settings.environment("demo"), now)
        assert since.whole is None
        assert set(targets) == set(differing(then, now))
