"""
The rows of a sheet to entries of a customers file, by a map: one pass, row by row.

What is wrong is gathered by its cause, each with its first place, and raised after the last row: nothing is written
of a sheet with an error in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from reconciler.desired.schema_check import record_shape
from reconciler.desired.write import Written
from reconciler.documents.nodes import KeyPath
from reconciler.documents.scalars import did_you_mean, path_text, quoted
from reconciler.errors import Invalid, Problem, Source
from reconciler.kinds import CUSTOMER
from reconciler.kinds.kind import canonical_email
from reconciler.model.reports import LeftOutReason, LeftOutRow, Repair, SheetReading
from reconciler.sheets.clean import PLAIN, Damaged, cleaned, join_key, trimmed
from reconciler.sheets.map import Condition, Join, SheetMap, UserRule, ValueRule, column_key
from reconciler.sheets.read import Sheet, SheetRow

OpenSheet = Callable[[str], Sheet | None]
"""Returns another sheet in the folder of the first by its name, None where it is not there."""

_LOOKED = 40
"""Rows in which the header is looked for: a report has its title above it."""
_NARROW = 2
"""A table of so few columns has rows of one cell; a wider one ends with a line of one, where it does."""
_NAMED = 5
_SINGLE = 20

_FIELDS = tuple(one.name for one in CUSTOMER.fields)


@dataclass(slots=True)
class _Causes:
    """Problems by their cause: each with its first place, and the lines of the others."""

    first: dict[tuple[str, ...], Problem] = field(default_factory=dict)
    lines: dict[tuple[str, ...], list[int]] = field(default_factory=dict)

    def add(self, cause: tuple[str, ...], problem: Problem) -> None:
        """Note a problem."""
        if cause in self.first:
            self.lines[cause].append(problem.source.line)
        else:
            self.first[cause] = problem
            self.lines[cause] = []

    def add_each(self, cause: str, problem: Problem) -> None:
        """Note a problem that is one of its own, as it names who it is of; of very many the rest by their lines."""
        alone = len(self.first) < _SINGLE
        self.add((cause, problem.message) if alone else (cause,), problem)

    def check(self) -> None:
        """Raise Invalid where there is any."""
        if self.first:
            raise Invalid([_with_others(one, self.lines[cause]) for cause, one in self.first.items()])


def _with_others(problem: Problem, lines: Sequence[int]) -> Problem:
    """Return a problem that says where else it is."""
    if not lines:
        return problem
    named = ", ".join(map(str, lines[:_NAMED]))
    more = f" and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
    where = f"{'lines' if len(lines) > 1 else 'line'} {named}{more}"
    return Problem(problem.source, problem.path, f"{problem.message} (also on {where})", problem.hint)


@dataclass(frozen=True, slots=True)
class Table:
    """The header of a sheet: its line, its names as they are, and the places of each as it is compared."""

    name: str
    line: int
    names: tuple[str, ...]
    places: Mapping[str, tuple[int, ...]]

    def at(self, column: str) -> int | None:
        """Return the place of a column, None where the sheet has none of this name."""
        found = self.places.get(column_key(column))
        return None if found is None else found[0]

    def cell(self, row: SheetRow, column: str) -> str:
        """Return a cell, "" where there is none."""
        at = self.at(column)
        return row.cells[at] if at is not None and at < len(row.cells) else ""

    def source(self, row: SheetRow, column: str) -> Source:
        """Return the place of a cell."""
        at = self.at(column)
        return Source(self.name, row.line, 0 if at is None else at + 1)


def _table(name: str, row: SheetRow) -> Table:
    """Return the header that a row is."""
    places: dict[str, tuple[int, ...]] = {}
    for at, cell in enumerate(row.cells):
        if key := column_key(cell):
            places[key] = (*places.get(key, ()), at)
    return Table(name, row.line, tuple(map(trimmed, row.cells)), places)


def find_table(sheet: Sheet, wanted: Iterable[str]) -> tuple[Table, list[SheetRow], list[SheetRow]]:
    """
    Return the header of a sheet, and the rows above it and below it that were read.

    It is the first row that has all of `wanted`; else the one that has most of them, and where none has any, the
    widest of the first. A report has its title above it.
    """
    names = set(map(column_key, wanted))
    best: tuple[int, int, Table] | None = None
    rows: list[SheetRow] = []
    for row in islice(sheet.rows, _LOOKED):
        rows.append(row)
        table = _table(sheet.name, row)
        rank = len(names & table.places.keys()), 0 if names else len(table.places)
        if table.places and (best is None or rank > best[:2]):
            best = (*rank, table)
        if names and rank[0] == len(names):
            break
    if best is None:
        raise Invalid([Problem(Source(sheet.name), "", "the sheet is empty", "export it again")])
    line = best[2].line
    return best[2], [row for row in rows if row.line < line], [row for row in rows if row.line > line]


class SheetPass:
    """One pass over a sheet: its entries, and `reading`, which says what became of its rows."""

    def __init__(
        self,
        sheet: Sheet,
        sheet_map: SheetMap,
        open_sheet: OpenSheet,
        *,
        sources: bool = False,
        most_repairs: int | None = None,
    ) -> None:
        """Take a sheet; `most_repairs` are kept of those that change what a value is, None: all of every kind."""
        self._most = most_repairs
        self.reading = SheetReading(sheet.name, sheet.how)
        self._sheet, self._map, self._open, self._sources = sheet, sheet_map, open_sheet, sources
        self._key_rules = sheet_map.key_rules
        self._causes = _Causes()
        self._lines: dict[str, int] = {}
        self._joined: dict[Join, _Joined] = {}

    def entries(self) -> Iterator[Written]:
        """Yield the entry of each row; Invalid after the last where anything was wrong."""
        needed = dict(self._map.needed())
        self._table, below = self._header(self._sheet, needed)
        self.reading.header = self._table.line
        for rules, join in self._map.joins():
            self._read_joined(join, rules)
        for row in self._rows(chain(below, self._sheet.rows)):
            self.reading.read += 1
            if not all(self._meets(self._table, row, one) for one in self._map.where):
                self.reading.filtered += 1
            elif (entry := self._entry(row)) is not None:
                self.reading.written += 1
                yield entry
        if not self.reading.read:
            place = Source(self._sheet.name, self._table.line)
            self._causes.add(("empty",), Problem(place, "", "no row is below the header", "export it again"))
        self._causes.check()
        for joined in self._joined.values():
            self.reading.left_out += joined.unused()

    # --- headers ---------------------------------------------------------------------------------------

    def _header(self, sheet: Sheet, needed: Mapping[str, KeyPath]) -> tuple[Table, list[SheetRow]]:
        """Return the header of a sheet that has the columns which the map names; Invalid where it has not."""
        table, above, below = find_table(sheet, needed)
        missing = [one for one in needed if table.at(one) is None]
        for row in (*above[-1:], *below[:1]):
            if missing and all(_table("", row).at(one) is not None for one in missing):
                first, second = sorted((table.line, row.line))
                message = f"the header takes two rows, {first} and {second}"
                hint = "make them one row in the sheet, with one name above each column"
                raise Invalid([Problem(Source(sheet.name, first, 1), "", message, hint)])
        if missing:
            raise Invalid([self._missing(table, one, needed[one]) for one in missing])
        twice = [found for one in needed if len(found := table.places[column_key(one)]) > 1]
        if twice:
            raise Invalid([_same_name(table, found) for found in dict.fromkeys(twice)])
        return table, below

    def _missing(self, table: Table, column: str, path: KeyPath) -> Problem:
        """Return what is wrong with a map that names a column which is not there."""
        known = list(filter(None, table.names))
        hint = did_you_mean(column, known) or f"its columns: {', '.join(map(quoted, known[:_SINGLE]))}"
        return self._map.problem(path, f"{table.name} has no column {quoted(column)}", hint)

    # --- rows ------------------------------------------------------------------------------------------

    def _rows(self, rows: Iterable[SheetRow]) -> Iterator[SheetRow]:
        """Yield the rows of the table; what is below it, as the date of a report, is left out."""
        pending: list[SheetRow] = []
        gap = False
        for row in rows:
            if row.blank:
                gap = True
            elif gap and len(self._table.names) > _NARROW and sum(map(bool, map(str.strip, row.cells))) == 1:
                pending.append(row)
            else:
                yield from (one for one in (*pending, row) if self._is_whole(self._sheet, self._table, one))
                pending, gap = [], False
        self.reading.left_out += [
            LeftOutRow(Source(self._sheet.name, one.line), LeftOutReason.BELOW_TABLE) for one in pending
        ]

    def _is_whole(self, sheet: Sheet, table: Table, row: SheetRow) -> bool:
        """Say whether a row has a cell for each column, and is not the header again; a problem where not."""
        width, cells = len(table.names), row.cells
        if len(cells) != width and not sheet.typed:
            message = f"this row has {len(cells)} cells, and the header has {width}"
            hint = "a delimiter or a line break inside a cell needs quotes around the cell: export it again"
            place = Source(table.name, row.line, min(len(cells), width) + 1)
            self._causes.add(("ragged", table.name, str(len(cells) > width)), Problem(place, "", message, hint))
            return False
        if cells[0] == table.names[0] and tuple(map(trimmed, cells)) == table.names:
            place = Source(table.name, row.line, 1)
            self._causes.add(("header", table.name), Problem(place, "", "this row is the header again", "remove it"))
            return False
        return True

    def _meets(self, table: Table, row: SheetRow, condition: Condition) -> bool:
        word = column_key(table.cell(row, condition.column))
        return (("" if word in self._map.empty else word) in condition.words) != condition.differs

    # --- entries ---------------------------------------------------------------------------------------

    def _entry(self, row: SheetRow) -> Written | None:
        """Return the entry of a row, None where something is wrong with it."""
        key = self._key(row)
        known = key is not None
        if key and (first := self._lines.setdefault(key, row.line)) != row.line:
            message = f"{quoted(key)} is the key of two rows, here and on line {first}"
            hint = "remove one of them in the sheet, or make the key of more columns"
            self._causes.add_each("twice", Problem(self._table.source(row, self._map.key[1]), "key", message, hint))
            known = False
        found: dict[str, str] = {}
        for name, rule in self._map.columns.items():
            value = self._value(row, name, rule, found.get("country", ""), key or "")
            if value:
                found[name] = value
            known &= value is not None
            if name == "name" and value == "":
                self._empty(row, rule.column, "a customer without a name cannot be billed")
        users = self._users(row, key or "")
        if users is None or key is None or not known or not self._fits(row, found, users):
            return None
        fields = {name: found[name] for name in _FIELDS if name in found}
        return Written(key, fields, users=users, comment=f"{self._sheet.name}:{row.line}" if self._sources else "")

    def _key(self, row: SheetRow) -> str | None:
        parts = list(self._map.key)
        for number in range(1, len(parts), 2):
            column = parts[number]
            value = self._cell(self._table, row, self._key_rules[column], "external_id")
            if value == "":
                self._empty(row, column, f"the key column {quoted(column)} is empty")
            if not value:
                return None
            parts[number] = value
        return "".join(parts)

    def _empty(self, row: SheetRow, column: str, message: str) -> None:
        """Note that a cell is empty that must not be."""
        hint = f'fill it in the sheet, or pass over such rows: `where: [{{column: {column}, differs: [""]}}]`'
        self._causes.add(("empty", column), Problem(self._table.source(row, column), column, message, hint))

    def _value(self, row: SheetRow, name: str, rule: ValueRule, country: str, key: str) -> str | None:
        """Return a value of a row, "" for an empty one, None where something is wrong with it."""
        if rule.join is None:
            value = self._cell(self._table, row, rule, name, country)
            return rule.default if value == "" else value
        joined = self._joined.get(rule.join)
        if joined is None:
            return rule.default
        values: dict[str, SheetRow] = {}
        for one in joined.rows_of(self._table.cell(row, rule.join.here)):
            value = self._cell(joined.table, one, rule, name, country)
            if value is None:
                return None
            if value:
                values.setdefault(value, one)
        if len(values) > 1:
            first, second = list(values.values())[:2]
            message = f"{quoted(key)} has two values here, on lines {first.line} and {second.line}"
            hint = "choose by `where:` beside `file:` in the map, or correct the sheet"
            problem = Problem(joined.table.source(second, rule.column), rule.column, message, hint)
            self._causes.add_each("joined", problem)
            return None
        return next(iter(values), rule.default)

    def _cell(self, table: Table, row: SheetRow, rule: ValueRule, name: str, country: str = "") -> str | None:
        """Return the value of a cell, "" for an empty one, None where it cannot be known."""
        if rule.constant:
            return rule.constant
        at = table.at(rule.column)
        cell = row.cells[at] if at is not None and at < len(row.cells) else ""
        if at is None or not cell or (self._map.empty and column_key(cell) in self._map.empty):
            return ""
        fault = dict(row.faults).get(at) if row.faults else None
        if rule.exact and fault is None:
            return cell if cell.strip() else ""
        try:
            value, by = cleaned(cell, rule.clean, country, fault=fault or "")
        except Damaged as error:
            problem = Problem(table.source(row, rule.column), table.names[at], error.message, error.hint)
            self._causes.add((error.cause, table.name, table.names[at]), problem)
            return None
        if by:
            self.reading.repaired[by] += 1
            if self._most is None or (len(self.reading.repairs) < self._most and by not in PLAIN):
                place = Source(table.name, row.line, at + 1)
                self.reading.repairs.append(Repair(place, table.names[at], name, cell, value, by))
        return value

    def _fits(self, row: SheetRow, fields: Mapping[str, str], users: Mapping[str, Mapping[str, str | None]]) -> bool:
        """Say whether a customers file may hold an entry; a problem where not."""
        tree: dict[str, object] = dict(fields)
        if users:
            tree["users"] = {email: dict(names) for email, names in users.items()}
        if record_shape().fits(tree):
            return True
        for misfit in record_shape().misfits(tree):
            name = str(misfit.path[0]) if misfit.path else ""
            column = self._map.columns[name].column if name in self._map.columns else ""
            place = self._table.source(row, column)
            problem = Problem(place, column or path_text(misfit.path), misfit.message, misfit.hint)
            self._causes.add(("shape", name), problem)
        return False

    # --- users, and other files ------------------------------------------------------------------------

    def _users(self, row: SheetRow, key: str) -> dict[str, dict[str, str | None]] | None:
        """Return the users of a row, None where something is wrong with one."""
        found: dict[str, dict[str, str | None]] = {}
        met: dict[str, tuple[str, Source]] = {}
        for table, one, user in self._user_rows(row):
            values = {name: self._cell(table, one, rule, name) for name, rule in user.values.items()}
            place = table.source(one, user.values["email"].column)
            email = values.pop("email")
            if email is None or None in values.values():
                return None
            if not email:
                if user.join is not None:
                    self.reading.left_out.append(LeftOutRow(place, LeftOutReason.NO_EMAIL))
                continue
            names = {name: text or user.values[name].default for name, text in values.items()}
            written: dict[str, str | None] = {name: text for name, text in names.items() if text}
            known, first = met.setdefault(canonical_email(email), (email, place))
            if found.setdefault(known, written) != written:
                message = f"the user {quoted(email)} of {quoted(key)} has another name here than at {first}"
                self._causes.add_each("user", Problem(place, "email", message, "make them the same in the sheet"))
                return None
        return found

    def _user_rows(self, row: SheetRow) -> Iterator[tuple[Table, SheetRow, UserRule]]:
        """Yield the rows from which the users of a row are made, each with its table and its rule."""
        for user in self._map.users:
            if user.join is None:
                yield self._table, row, user
            elif (joined := self._joined.get(user.join)) is not None:
                for one in joined.rows_of(self._table.cell(row, user.join.here)):
                    yield joined.table, one, user

    def _read_joined(self, join: Join, rules: Sequence[ValueRule]) -> None:
        """Read another file that the map names."""
        sheet = self._open(join.file)
        if sheet is None and not join.optional:
            hint = f"export it into the folder of {self._sheet.name}, or write `optional: true`"
            raise Invalid([self._map.problem(join.path[:-1], f"there is no file {quoted(join.file)}", hint)])
        if sheet is None or join in self._joined:
            return
        needed = {join.there: join.path, **{one.column: one.path for one in join.where}}
        table, below = self._header(sheet, needed | {one.column: one.path for one in rules if one.required})
        joined = self._joined[join] = _Joined(table)
        for row in chain(below, sheet.rows):
            whole = not row.blank and self._is_whole(sheet, table, row)
            if whole and all(self._meets(table, row, one) for one in join.where):
                joined.rows.setdefault(join_key(table.cell(row, join.there)), []).append(row)


def _same_name(table: Table, found: Sequence[int]) -> Problem:
    """Return what is wrong with two columns of one name."""
    one, two = found[:2]
    message = f"columns {one + 1} and {two + 1} are both called {quoted(table.names[one])}"
    return Problem(Source(table.name, table.line, two + 1), "", message, "rename one of them in the sheet")


@dataclass(slots=True)
class _Joined:
    """Another sheet: its rows by what they belong to, and what a customer was found for."""

    table: Table
    rows: dict[str, list[SheetRow]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def rows_of(self, cell: str) -> Sequence[SheetRow]:
        """Return the rows that belong to a row of the first sheet; an empty cell belongs to nobody."""
        belongs_to = join_key(cell)
        self.used.add(belongs_to)
        return self.rows.get(belongs_to, ()) if belongs_to else ()

    def unused(self) -> Iterator[LeftOutRow]:
        """Yield the rows that belong to nobody who was written."""
        for belongs_to, rows in self.rows.items():
            if not belongs_to or belongs_to not in self.used:
                yield from (LeftOutRow(Source(self.table.name, row.line), LeftOutReason.NO_CUSTOMER) for row in rows)
