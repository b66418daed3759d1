"""A map proposed from the header of a sheet: a shipped one that fits, else columns by what they are usually called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from reconciler.documents.scalars import scalar
from reconciler.errors import Invalid, Problem, Source
from reconciler.sheets.clean import trimmed
from reconciler.sheets.entries import Table, find_table
from reconciler.sheets.map import SHIPPED, column_key, read_map, shipped_map
from reconciler.sheets.read import Sheet, SheetRow

_CALLED = """
name: company name, customer name, display name, customer full name, contactname, client name, organization name,
account name, company, customer, client, organization, name
legal_name: legal name, legalname, registered name
ein: ein, tax id, federal tax id, tax id number, taxnumber, tax number
email: billing email, invoice email, accounts email, accounts email address, email, e-mail, email address,
emailaddress, e-mail address, main email
street_address: billing street, bill street, street address, street, address line 1, address 1, address1,
poaddressline1, billing address line 1, billing address, bill address, address
sub_premise: address line 2, address 2, address2, poaddressline2, billing address line 2, suite
city: billing city, bill city, city, town, pocity
state: billing state, bill state, state, state/province, province, region, poregion
postal_code: billing zip, bill zip, zip, zip code, zipcode, postal code, postcode, post code, popostalcode
country: billing country, bill country, country, pocountry
key: id, customer id, company id, client id, organization id, account id, customer number, account number,
accountnumber, number, code
"""
_CLEAN = {"email": "first_email", "ein": "ein", "postal_code": "postal_code", "state": "state", "country": "country"}
# What Autotask and Xero write around the names of their columns.
_MARKS = re.compile(r"\[[^\]]*\]|\*")


def propose(sheet: Sheet) -> str:
    """Return the text of a map for a sheet; Invalid where no column of it seems to be a customer's name."""
    wanted = {name: list(dict(read_map(shipped_map(name), name).needed())) for name in SHIPPED}
    table, _, below = find_table(sheet, ())
    for name, columns in wanted.items():
        if all(table.at(one) is not None for one in columns):
            head = f"# The columns of {sheet.name} are those of the shipped map {name}: --map {name} does the same.\n"
            return head + shipped_map(name).decode()
    rows = [row for row in chain(below, sheet.rows) if not row.blank]
    return "".join(f"{line}\n" for line in _lines(table, rows))


def _lines(table: Table, rows: Sequence[SheetRow]) -> Iterator[str]:
    """Yield the lines of a map that is made of a header."""
    found = dict(_columns(table))
    key = found.pop("key", "")
    if not key or not _identifies(table, rows, key):
        key = found.get("name", key)
    if "name" not in found:
        message = "no column seems to be the customer's name"
        hint = "write a map by hand: docs/how-to/from-a-spreadsheet.md has one, `reconciler schema map` its format"
        raise Invalid([Problem(Source(table.name, table.line, 1), "", message, hint)])
    yield f"# Proposed from the header of {table.name}, line {table.line}. Check each line, save it as map.yaml, and"
    yield "# give it as --map map.yaml. Each customer is known by its key from then on: choose one that never changes."
    yield "version: 1"
    yield f"key: {scalar(key)}"
    yield "columns:"
    for field, column in found.items():
        clean = _CLEAN.get(field)
        written = scalar(column, flow=True)
        yield f"  {field}: {{column: {written}, clean: [{clean}]}}" if clean else f"  {field}: {scalar(column)}"
    if "postal_code" in found and "country" not in found:
        yield "  country: {constant: USA} # in which lost zeros of postal codes are restored"
    yield 'empty: ["NULL", "N/A", "-"]'


def _columns(table: Table) -> Iterator[tuple[str, str]]:
    """Yield the fields, and `key`, for which the header has a column, with its name; a column serves one field."""
    names: Mapping[str, str] = {column_key(_MARKS.sub(" ", name)): name for name in reversed(table.names) if name}
    for row in re.split(r"\n(?=\w+: )", _CALLED.strip()):
        field, _, called = row.partition(":")
        column = next((names[one] for one in map(trimmed, called.split(",")) if one in names), None)
        if column is not None:
            yield field, column


def _identifies(table: Table, rows: Sequence[SheetRow], column: str) -> bool:
    """Say whether a column has another value in each row."""
    values = [trimmed(table.cell(row, column)) for row in rows if len(row.cells) == len(table.names)]
    return bool(values) and all(values) and len(set(values)) == len(values)
