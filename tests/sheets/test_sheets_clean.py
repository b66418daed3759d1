"""What a spreadsheet does to a cell: undone where one value is possible, an error where several are."""

from __future__ import annotations

import pytest

from reconciler.sheets.clean import Damaged, cleaned


@pytest.mark.parametrize(
    ("cell", "cleaner", "country", "value"),
    [
        (" Acme\u00a0 Inc ", "trim", "", "Acme Inc"),
        ("9 Anvil Way\r\nUnit 4", "trim", "", "9 Anvil Way, Unit 4"),
        ('="02134"', "postal_code", "USA", "02134"),
        ("2134", "postal_code", "USA", "02134"),
        ("501", "postal_code", "USA", "00501"),
        ("2134.0", "postal_code", "USA", "02134"),
        ("2134-1000", "postal_code", "USA", "02134-1000"),
        ("21341000", "postal_code", "USA", "02134-1000"),
        ("K1A 0B1", "postal_code", "CAN", "K1A 0B1"),
        ("1067", "postal_code", "DEU", "01067"),
        ("8001", "postal_code", "CHE", "8001"),
        ("800", "postal_code", "AUS", "0800"),
        ("12345", "postal_code", "", "12345"),
        ("12345678", "ein", "", "012345678"),
        ("1-2345678", "ein", "", "01-2345678"),
        ("12\u20113456789", "ein", "", "12-3456789"),
        ("123,456,789", "ein", "", "123456789"),
        ("1.23456789E+08", "ein", "", "123456789"),
        ("1,23456789E+08", "ein", "", "123456789"),
        ("12345678.0", "ein", "", "012345678"),
        ("a@acme.example; b@acme.example", "first_email", "", "a@acme.example"),
        ("Jane Doe <jane@acme.example>", "first_email", "", "jane@acme.example"),
        ("mailto:jane@acme.example", "first_email", "", "jane@acme.example"),
        ("massachusetts", "state", "USA", "MA"),
        ("N.Y.", "state", "", "NY"),
        ("Ontario", "state", "CAN", "ON"),
        ("Bayern", "state", "DEU", "Bayern"),
        ("United States of America", "country", "", "USA"),
        ("u.s.", "country", "", "USA"),
        ("gb", "country", "", "GBR"),
        ("Côte d'Ivoire", "country", "", "CIV"),
    ],
)
def test_damage_with_one_cause_is_undone(cell: str, cleaner: str, country: str, value: str) -> None:
    assert cleaned(cell, (cleaner,), country)[0] == value


@pytest.mark.parametrize(
    ("cell", "cleaner", "country", "message"),
    [
        ("1.23E+08", "ein", "", "'1.23E+08' is a number whose last 6 digits are lost"),
        ("1.5E+00", "trim", "", "'1.5E+00' is not a whole number"),
        ("2-Sep", "trim", "", "'2-Sep' is a date; the code that was typed is lost"),
        ("Sep-02", "key", "", "'Sep-02' is a date; the code that was typed is lost"),
        ("#REF!", "trim", "", "the formula failed: #REF!"),
        ("7-1234567", "ein", "", "'#-#######' is not an EIN, and no lost zero makes it one"),
        ("1234567", "ein", "", "'#######' is not an EIN, and no lost zero makes it one"),
        ("12", "postal_code", "USA", "'12' is not a postal code of USA, with lost zeros or without"),
        ("2134", "postal_code", "", "'2134' may have lost a zero, and the country of the row is unknown"),
        ("call first", "first_email", "", "'call first' holds no email address"),
        ("Untied States", "country", "", "'Untied States' is not a country"),
    ],
)
def test_damage_with_several_causes_is_an_error(cell: str, cleaner: str, country: str, message: str) -> None:
    with pytest.raises(Damaged) as caught:
        cleaned(cell, (cleaner,), country)
    assert caught.value.message == message


@pytest.mark.parametrize("cell", ["Acme", "1E10 Labs", "1E10", "02134", "12-Sep Bakery", "3M", "", "A-1"])
def test_what_is_whole_stays_as_it_is(cell: str) -> None:
    assert cleaned(cell, ("trim",)) == (cell, "")
