"""
What a spreadsheet does to a cell, undone where only one value is possible.

A cell whose value cannot be known is `Damaged`, with what is wrong and what to do. Pure: text in, text out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence

from reconciler.desired.rules_check import region_of
from reconciler.documents.scalars import clipped, did_you_mean, quoted
from reconciler.sheets.places import POSTAL_DIGITS, country_code, country_names

TRIM = "trim"
NUMBER = "number"
_KIND = 16  # characters that tell the faults which a reader finds from each other
KEY = "key"
"""Not in the list of a map: what a part of a key goes through."""


PLAIN = (TRIM, "state", "country")
"""Cleaners that change how a value is written, and not what it is."""


class Damaged(Exception):
    """A cell whose value cannot be known: `message`, what to do about it (`hint`), and a word for its `cause`."""

    def __init__(self, cause: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message
        self.hint = hint


def cleaned(text: str, cleaners: Sequence[str], country: str = "", *, fault: str = "") -> tuple[str, str]:
    r"""
    Return a cell's value, and the cleaner that changed it last, "" for none. Raise Damaged where it cannot be known.

    `country` is that of the row, for the cleaners of addresses; "" where it is unknown. `fault` is what the reader
    of the sheet found wrong with the cell.

    >>> cleaned("Acme\u00a0 Inc ", ()), cleaned("2134", ("postal_code",), "USA"), cleaned("1.23456789E+08", ("ein",))
    (('Acme Inc', 'trim'), ('02134', 'postal_code'), ('123456789', 'number'))
    """
    if fault:
        raise Damaged(fault[:_KIND], fault, AS_TEXT)
    value, by = trimmed(text), ""
    if value != text:
        by = TRIM
    if not value:
        return value, by
    for name in (NUMBER, *cleaners):
        after = CLEANERS[name](value, country)
        if after != value:
            value, by = after, name
    return value, by


_FORMULA = re.compile(r'="(?P<text>[^"]*)"')
_BREAKS = re.compile(r"\s*[\r\n\v\f\x85\u2028\u2029]+\s*")
_UNSEEN = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"}
# They join letters of Persian and Indic names, and emoji.
_JOINERS = "\u200c\u200d"


def trimmed(text: str) -> str:
    r"""
    Return a text without outer whitespace, its lines joined by commas, each run of spaces one, and nothing unseen.

    >>> trimmed(" 9 Anvil Way\r\nUnit 4 "), trimmed('="02134"'), trimmed("\ufeffAcme\u00a0Inc")
    ('9 Anvil Way, Unit 4', '02134', 'Acme Inc')
    """
    if text.isascii() and text.isprintable():
        plain = text.strip()
        if "  " not in plain:
            formula = _FORMULA.fullmatch(plain) if plain.startswith("=") else None
            return formula["text"].strip() if formula else plain
    lines = (line.strip(" ,") for line in _BREAKS.split(text.strip()))
    joined = ", ".join(filter(None, lines)) if _BREAKS.search(text.strip()) else text
    seen = "".join(
        " " if char.isspace() else char
        for char in joined
        if char.isspace() or char in _JOINERS or unicodedata.category(char) not in _UNSEEN
    )
    return " ".join(seen.split(" ")).strip() if "  " not in seen else " ".join(seen.split())


_EXPONENT = re.compile(r"(?P<whole>[0-9]+)(?:[.,](?P<part>[0-9]+))?[eE]\+(?P<exponent>[0-9]{1,3})")
_MONTH = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_DATE = re.compile(
    rf"[0-9]{{1,2}}-(?:{_MONTH})(?:-(?:[0-9]{{2}}|[0-9]{{4}}))?|(?:{_MONTH})-[0-9]{{2}}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]00:00:00",
    re.IGNORECASE,
)
_FAILED = frozenset({"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!"})
AS_TEXT = "format the column as text in the sheet, type the value again, and export it again"
_WHOLE = re.compile(r"(?P<number>[0-9]+)[.,]0+")
_MOST_DIGITS = 30


def _number(value: str, _: str) -> str:
    """Return the number that scientific notation wrote, where it wrote every digit of it."""
    if value in _FAILED:
        raise Damaged(
            "formula", f"the formula failed: {value}", "correct the formula, or add the word to `empty` in the map"
        )
    if _DATE.fullmatch(value):
        raise Damaged("date", f"{quoted(value)} is a date; the code that was typed is lost", AS_TEXT)
    found = _EXPONENT.fullmatch(value)
    if found is None:
        return value
    part, exponent = found["part"] or "", int(found["exponent"])
    digits = found["whole"] + part
    if len(part) == exponent:
        return digits
    if len(part) < exponent <= _MOST_DIGITS:
        lost = exponent - len(part)
        message = f"{quoted(value)} is a number whose last {lost} digits are lost"
    else:
        message = f"{quoted(value)} is not a whole number"
    raise Damaged("digits", message, AS_TEXT)


def _key(value: str, _: str = "") -> str:
    """Return a part of a key: a whole number without its decimals."""
    found = _WHOLE.fullmatch(value)
    return found["number"] if found else value


def join_key(cell: str) -> str:
    """
    Return what the cells of two sheets are compared by: without case, outer whitespace and decimals that are zeros.

    >>> join_key(" 12.0"), join_key("ACME ")
    ('12', 'acme')
    """
    return _key(trimmed(cell).casefold())


_ADDRESS = re.compile(r"[^@\s<>()\[\],;:\"\\'|/]+@[^@\s<>()\[\],;:\"\\.'|/]+(?:\.[^@\s<>()\[\],;:\"\\.'|/]+)+")


def _first_email(value: str, _: str) -> str:
    """Return the first email address of a cell."""
    found = _ADDRESS.search(value)
    if found is None:
        hint = "correct it in the sheet, or add the word to `empty` in the map"
        raise Damaged("email", f"{quoted(value)} holds no email address", hint)
    return found[0].rstrip(".")


_HYPHENS = re.compile(r"[-\s\u2010-\u2015\u2212\u00ad]+")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+")
_EIN = re.compile(r"[0-9]{2}-?[0-9]{7}")
_SHORT_EIN = re.compile(r"(?P<first>[0-9])(?P<hyphen>-?)(?P<rest>[0-9]{7})")
# With a leading zero the Internal Revenue Service gives out 01 to 06 alone.
_ZERO_PREFIXES = frozenset("123456")


def _ein(value: str, _: str) -> str:
    """Return an Employer Identification Number with the zero that it lost."""
    text = _HYPHENS.sub("-", value).strip("-").removeprefix("'")
    if whole := _WHOLE.fullmatch(text):
        text = whole["number"]
    elif _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    if _EIN.fullmatch(text):
        return text
    short = _SHORT_EIN.fullmatch(text)
    if short and short["first"] in _ZERO_PREFIXES:
        return f"0{short['first']}{short['hyphen']}{short['rest']}"
    shape = re.sub("[0-9]", "#", clipped(value))
    raise Damaged("ein", f"'{shape}' is not an EIN, and no lost zero makes it one", "write nine digits: 12-3456789")


_ZIP4 = re.compile(r"(?P<zip>[0-9]{3,5})-(?P<plus>[0-9]{4})")
_SHORTEST_DOUBT = 3
_LONGEST_DOUBT = 4
_ZIP = 5
_ZIP_PLUS = 9


def _postal_code(value: str, country: str) -> str:
    """Return a postal code with the zeros that it lost, where the country says how many digits it has."""
    text = value.removeprefix("'")
    if whole := _WHOLE.fullmatch(text):
        text = whole["number"]
    if country in ("USA", "PRI", "VIR"):
        text = _zip_code(text)
    form = POSTAL_DIGITS.get(country)
    if not text.isascii() or not text.isdigit():
        return text
    if not country and _SHORTEST_DOUBT <= len(text) <= _LONGEST_DOUBT:
        hint = "map the country too: `country: {constant: USA}`, or `default: USA` for rows without one"
        raise Damaged("zero", f"{quoted(value)} may have lost a zero, and the country of the row is unknown", hint)
    if form is None or len(text) >= form.digits:
        return text
    if int(text) < form.least:
        raise Damaged(
            "postal_code", f"{quoted(value)} is not a postal code of {country}, with lost zeros or without", AS_TEXT
        )
    return text.zfill(form.digits)


def _zip_code(text: str) -> str:
    """Return a ZIP+4 code with the zeros that it lost, any other text as it is."""
    if plus := _ZIP4.fullmatch(text):
        return f"{plus['zip'].zfill(_ZIP)}-{plus['plus']}"
    if text.isdigit() and _ZIP_PLUS - 2 <= len(text) <= _ZIP_PLUS:
        whole = text.zfill(_ZIP_PLUS)
        return f"{whole[:_ZIP]}-{whole[_ZIP:]}"
    return text


def _country(value: str, _: str) -> str:
    """Return the three letters of a country."""
    code = country_code(value)
    if code is None:
        hint = did_you_mean(value, country_names()) or "write its name or its code, as in ISO 3166: USA"
        raise Damaged("country", f"{quoted(value)} is not a country", hint)
    return code


def _state(value: str, country: str) -> str:
    """Return the two letters of a state or province of the United States or Canada, any other as it is."""
    name = value.replace(".", "").casefold()
    regions = map(region_of, (country,) if country else ("USA", "CAN"))
    return next((region.codes[name] for region in regions if region and name in region.codes), value)


CLEANERS: Mapping[str, Callable[[str, str], str]] = {
    TRIM: lambda value, _: value,  # every cell is trimmed before
    "first_email": _first_email,
    "postal_code": _postal_code,
    "ein": _ein,
    "state": _state,
    "country": _country,
    NUMBER: _number,
    KEY: _key,
}
"""By the names that a map may write, and two that it may not."""
