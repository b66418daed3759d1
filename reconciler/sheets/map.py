"""A map of a sheet: which columns make a customer's key, fields and users, how they are cleaned, which rows count."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Any

from reconciler.documents.nodes import KeyPath, find_places
from reconciler.documents.parse import Document, parse
from reconciler.documents.scalars import path_text, quoted
from reconciler.documents.schema import Shape
from reconciler.errors import Invalid, Problem, Source
from reconciler.kinds import CUSTOMER, USER
from reconciler.resources import schema, shipped
from reconciler.sheets.clean import KEY, trimmed

SHIPPED = ("quickbooks-online", "xero", "connectwise", "halopsa", "autotask")
"""The maps that come with the package, by the names that they are given by."""


def shipped_map(name: str) -> bytes:
    """Return the text of a map that comes with the package."""
    return shipped(f"reconciler/sheets/maps/{name}.yaml").read_bytes()


@lru_cache(maxsize=4096)
def column_key(name: str) -> str:
    """
    Return a column's name as it is compared: without case and outer or repeated whitespace.

    >>> column_key(" Display\u00a0 Name ")
    'display name'
    """
    return trimmed(name).casefold()


@dataclass(frozen=True, slots=True)
class Condition:
    """A column is one of `words` (without case), or none of them where it `differs`."""

    column: str
    words: frozenset[str]
    differs: bool
    path: KeyPath


@dataclass(frozen=True, slots=True)
class Join:
    """Rows of another file: those whose column `there` holds what this sheet's column `here` does, and that fit."""

    file: str
    here: str
    there: str
    where: tuple[Condition, ...]
    optional: bool
    path: KeyPath


@dataclass(frozen=True, slots=True)
class ValueRule:
    """
    Where one value comes from: a column, else a constant.

    `exact` takes the cell as it is; `default` is for an empty one; `join` says that the column is another file's.
    """

    column: str
    path: KeyPath
    constant: str = ""
    clean: tuple[str, ...] = ()
    exact: bool = False
    default: str = ""
    optional: bool = False
    join: Join | None = None

    @property
    def required(self) -> bool:
        """Say whether the sheet must have its column."""
        return bool(self.column) and not self.optional


@dataclass(frozen=True, slots=True)
class UserRule:
    """
    Where users come from: columns of the row itself, or of each row of another file that belongs to it.

    `values` are the rules of `email` and of the names.
    """

    values: Mapping[str, ValueRule]
    join: Join | None


@dataclass(frozen=True, slots=True)
class SheetMap:
    """A map whose shape is right. `key` alternates texts and names of columns, beginning with a text."""

    document: Document
    key: tuple[str, ...]
    columns: Mapping[str, ValueRule]
    sheet: str = ""
    users: tuple[UserRule, ...] = ()
    where: tuple[Condition, ...] = ()
    empty: frozenset[str] = frozenset()

    def problem(self, path: KeyPath, message: str, hint: str) -> Problem:
        """Return a problem at a place of the map."""
        place = find_places(self.document.data, [path])[path]
        return Problem(Source(self.document.name, *place.value), path_text(path), message, hint)

    @property
    def key_rules(self) -> Mapping[str, ValueRule]:
        """Return the rules of the columns that make the key."""
        return {column: ValueRule(column, ("key",), clean=(KEY,)) for column in self.key[1::2]}

    @property
    def key_form(self) -> re.Pattern[str]:
        """Return what matches the keys that this map can make: those of another source in the same file are not its."""
        return re.compile(
            "".join(".+" if number % 2 else re.escape(part) for number, part in enumerate(self.key)), re.DOTALL
        )

    def joins(self) -> Iterator[tuple[Sequence[ValueRule], Join]]:
        """Yield how other files belong to the sheet, and the rules of what is taken from each."""
        joins: dict[Join, list[ValueRule]] = {}
        for rule in self.columns.values():
            if rule.join is not None:
                joins.setdefault(rule.join, []).append(rule)
        for user in self.users:
            if user.join is not None:
                joins.setdefault(user.join, []).extend(user.values.values())
        yield from ((rules, join) for join, rules in joins.items())

    def needed(self) -> Iterator[tuple[str, KeyPath]]:
        """Yield each column of the first sheet that must be there, and where the map names it."""
        yield from ((column, ("key",)) for column in self.key[1::2])
        own = [rule for rule in self.columns.values() if rule.join is None]
        own += [rule for user in self.users if user.join is None for rule in user.values.values()]
        yield from ((rule.column, rule.path) for rule in own if rule.required)
        yield from ((join.here, join.path) for _, join in self.joins() if not join.optional)
        yield from ((one.column, one.path) for one in self.where)


@cache
def _shape() -> Shape:
    return Shape(schema("map"))


_BRACES = re.compile(r"\{([^{}]*)\}")


def read_map(content: bytes, name: str) -> SheetMap:
    """Return the map in a YAML file; Invalid, with every problem, where it is none."""
    document, problems = parse(content, name)
    if document is None or problems:
        raise Invalid(_of_two_columns(document, problems))
    tree = document.tree
    if not isinstance(tree, dict):
        message = "the map is empty" if tree is None else "the map is not a mapping"
        raise Invalid([Problem(Source(name), "", message, "write `key:` and `columns:`; see `reconciler schema map`")])
    misfits = _shape().misfits(tree)
    places = find_places(content, [one.path for one in misfits])
    wrong = [
        Problem(
            Source(name, *(places[one.path].key if one.at_key else places[one.path].value)),
            path_text(one.path),
            one.message,
            one.hint,
        )
        for one in misfits
    ]
    if wrong:
        raise Invalid(sorted(wrong, key=lambda problem: problem.source))
    return _MapReader(document).read(tree)


def _of_two_columns(document: Document | None, problems: Sequence[Problem]) -> list[Problem]:
    """Return the problems of a map, a field that is there twice in the words of a map."""
    twice = {path_text(path) for path, _ in document.again} if document is not None else set()
    hint = "a field has one column: remove one of the two lines"
    return [
        Problem(one.source, one.path, f"two columns are mapped to it: {one.message}", hint)
        if one.path in twice and one.path.startswith("columns.")
        else one
        for one in problems
    ]


@dataclass(slots=True)
class _MapReader:
    """Builds a map from a tree of the right shape, and gathers what the schema cannot say."""

    document: Document
    wrong: list[tuple[KeyPath, str, str]] = field(default_factory=list)

    def read(self, tree: Mapping[str, Any]) -> SheetMap:
        """Return the map; Invalid where something in it contradicts itself."""
        columns = tree["columns"]
        if not columns:
            self.wrong.append((("columns",), "it maps no column", "write a column for each field: `name: Company`"))
        found = SheetMap(
            document=self.document,
            key=self.key(tree["key"]),
            # The country first: it says what the state and the postal code may be.
            columns={
                name: self.value(columns[name], ("columns", name))
                for name in dict.fromkeys(("country", *(one.name for one in CUSTOMER.fields)))
                if name in columns
            },
            sheet=tree.get("sheet", ""),
            users=tuple(self.user(one, ("users", at)) for at, one in enumerate(tree.get("users", ()))),
            where=self.conditions(tree.get("where", ()), ("where",)),
            empty=_words(tree.get("empty", ())),
        )
        if self.wrong:
            raise Invalid([found.problem(*one) for one in self.wrong])
        return found

    def key(self, text: str) -> tuple[str, ...]:
        """Return the parts of a key; a text without braces is the name of a column."""
        if "{" not in text and "}" not in text:
            return "", text
        parts = tuple(_BRACES.split(text))
        if len(parts) == 1 or any("{" in one or "}" in one for one in parts[::2]) or not all(parts[1::2]):
            self.wrong.append((("key",), "its braces do not pair up", "write columns in braces: 'qbo-{Id}'"))
        return parts

    def value(self, node: Any, path: KeyPath, *, inside: bool = False) -> ValueRule:  # noqa: ANN401 - a tree
        """Return the rule of one value; `inside` an item of users the file is the item's."""
        if isinstance(node, str):
            return ValueRule(node, path)
        column, constant = node.get("column", ""), node.get("constant", "")
        if bool(column) == bool(constant):
            hint = "write either `column:` or `constant:`"
            self.wrong.append((path, "it has both a column and a constant" if column else "it has no column", hint))
        if constant and (more := sorted(node.keys() - {"constant"})) and not column:
            self.wrong.append(((*path, more[0]), f"a constant takes no {quoted(more[0])}", "remove it"))
        if inside and (more := sorted(node.keys() & {"file", "on", "where"})):
            hint = f"write {quoted(more[0])} beside `email:`, for all of the user"
            self.wrong.append(((*path, more[0]), "a part of a user has no file of its own", hint))
        clean = node.get("clean")
        return ValueRule(
            column=column,
            path=(*path, "column") if column else path,
            constant=constant,
            clean=tuple(clean or ()),
            exact=clean == [],
            default=node.get("default", ""),
            optional=node.get("optional", False),
            join=None if inside else self.join(node, path),
        )

    def user(self, node: Mapping[str, Any], path: KeyPath) -> UserRule:
        names = [name for name in (USER.identity, *(one.name for one in USER.fields)) if name in node]
        values = {name: self.value(node[name], (*path, name), inside=True) for name in names}
        email = values[USER.identity]
        if email.constant or email.default:
            self.wrong.append((email.path, "several customers would have the same user", "write a column alone"))
        if not email.clean and not email.exact:
            values[USER.identity] = replace(email, clean=("first_email",))
        return UserRule(values, self.join(node, path))

    def join(self, node: Mapping[str, Any], path: KeyPath) -> Join | None:
        """Return how rows of another file belong to this sheet's; None where no file is named."""
        if "file" not in node:
            if more := sorted(node.keys() & {"on", "where"}):
                self.wrong.append(((*path, more[0]), f"{quoted(more[0])} is for another file", "write `file:` too"))
            return None
        on = node.get("on")
        if on is None or (isinstance(on, dict) and len(on) != 1):
            hint = "write `on: Id`, or `on: {Id: Company Id}`: this sheet's column and that file's"
            self.wrong.append((path if on is None else (*path, "on"), "it does not say how the files belong", hint))
            on = ""
        here, there = next(iter(on.items())) if isinstance(on, dict) else (on, on)
        where = self.conditions(node.get("where", ()), (*path, "where"))
        return Join(node["file"], here, there, where, node.get("optional", False), (*path, "on"))

    def conditions(self, nodes: Sequence[Mapping[str, Any]], path: KeyPath) -> tuple[Condition, ...]:
        found = []
        for at, node in enumerate(nodes):
            if ("equals" in node) == ("differs" in node):
                hint = "write `equals: [Yes]`, or `differs: [No]`"
                self.wrong.append(((*path, at), "it needs one of `equals` and `differs`", hint))
            words = _words(node.get("equals", node.get("differs", ())))
            found.append(Condition(node["column"], words, "differs" in node, (*path, at, "column")))
        return tuple(found)


def _words(words: Sequence[str | bool]) -> frozenset[str]:
    """Return words as they are compared; an unquoted `true` is the word."""
    return frozenset(column_key(str(one)) for one in words)
