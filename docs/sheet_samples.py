"""
Synthetic exports of the five programs that have a built-in map, as they look after a spreadsheet saved them.

`docs/generate.py` writes them to `examples/sheets/`. Nobody in them exists. `truth` is what each row was before the
spreadsheet damaged it, so that the tests know what an import must restore.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

ROWS = 300
_FIRST = (
    "Amber Birch Cedar Copper Crescent Evergreen Falcon Granite Harbor Juniper Lakeside Maple Meadow Northern Olive "
    "Pioneer Quarry Riverside Silver Summit"
).split()
_SECOND = (
    "Accounting Analytics Bakery Builders Café Cycles Dental Electric Farms Foods Forge Logistics Media Optics Physio "
    "Plumbing Printing Security Software Travel"
).split()
_FORMS = (" LLC", " Inc", "", " & Sons", ", Inc.", " Group", " Co.")
_PLACES = (
    ("Boston", "Massachusetts", "MA", "02108"),
    ("Burlington", "Vermont", "VT", "05401"),
    ("Hartford", "Connecticut", "CT", "06103"),
    ("Providence", "Rhode Island", "RI", "02903"),
    ("Albany", "New York", "NY", "12207"),
    ("Manchester", "New Hampshire", "NH", "03101"),
    ("Portland", "Maine", "ME", "04101"),
    ("Austin", "Texas", "TX", "78701"),
    ("Newark", "New Jersey", "NJ", "07102"),
    ("San Juan", "Puerto Rico", "PR", "00901"),
    ("Denver", "Colorado", "CO", "80202"),
    ("Toronto", "Ontario", "ON", "M5H 2N2"),
    ("Seattle", "Washington", "WA", "98101"),
)
_STREETS = ("Main St", "Elm Ave", "Old Mill Rd", "Market Sq", "Station Ln")
_CALLED = ("United States", "USA", "", "US", "U.S.A.")
_EIN_PREFIXES = ("01", "04", "06", "13", "20", "33", "45", "81")


@dataclass(frozen=True, slots=True)
class Company:
    """One customer as it really is; `number` counts from 0."""

    number: int
    name: str
    email: str
    street: str
    suite: str
    city: str
    state: str
    state_name: str
    postal_code: str
    country: str
    ein: str
    active: bool = True

    @property
    def person(self) -> tuple[str, str]:
        """Return the names of its contact."""
        return ("Alex", "Robin", "Sam", "Jo", "Kim")[self.number % 5], ("Doe", "Roe", "Poe")[self.number % 3]


@dataclass(frozen=True, slots=True)
class Sample:
    """The files of one export by name, the first being that of the customers, and the true fields by key."""

    files: Mapping[str, bytes]
    truth: Mapping[str, Mapping[str, str]]


def companies(seed: int) -> list[Company]:
    """Return the customers of one account."""
    random = Random(seed)  # noqa: S311 - nothing of it is secret
    found = []
    for number in range(ROWS):
        city, state_name, state, postal_code = _PLACES[number % len(_PLACES)]
        name = f"{_FIRST[number % 20]} {_SECOND[number // 20]}"
        word = name.lower().replace(" ", "-").replace("é", "e")
        if number % 10 == 5 and postal_code.isdigit():
            postal_code = f"{postal_code}-{random.randrange(1000, 10000)}"
        found.append(
            Company(
                number=number,
                name=name + _FORMS[number % len(_FORMS)],
                email=f"billing@{word}.example",
                street=f"{random.randrange(1, 990)} {_STREETS[number % len(_STREETS)]}",
                suite=f"Suite {random.randrange(1, 40)}" if number % 4 == 1 else "",
                city=city,
                state=state,
                state_name=state_name,
                postal_code=postal_code,
                country="CAN" if state == "ON" else "USA",
                ein=f"{_EIN_PREFIXES[number % len(_EIN_PREFIXES)]}-{random.randrange(10**7):07}",
            )
        )
    return found


# --- what a spreadsheet does ---------------------------------------------------------------------------


def _name(one: Company) -> str:
    match one.number % 16:
        case 2 | 10:
            return f"{one.name} "
        case 5:
            return one.name.replace(" ", "\u00a0", 1)
        case 11:
            return f" {one.name.replace(' ', '  ', 1)}"
        case _:
            return one.name


def _email(one: Company) -> str:
    first, last = one.person
    match one.number % 12:
        case 3:
            return f"{one.email}; ap@{one.email.partition('@')[2]}"
        case 7:
            return f"{first} {last} <{one.email}>"
        case 9:
            return f"{one.email}\u00a0"
        case _:
            return one.email


def _zip(one: Company) -> str:
    code = one.postal_code
    if not code.startswith("0"):
        return f"{code} " if one.number % 13 == 11 else code
    match one.number % 9:
        case 4:
            return f'="{code}"'
        case 7 if "-" not in code:
            return f"{code.lstrip('0')}.0"
        case _:
            return code.lstrip("0")


def _ein(one: Company) -> str:
    digits = one.ein.replace("-", "")
    if digits.startswith("0"):
        return one.ein.lstrip("0") if one.number % 2 else digits.lstrip("0")
    match one.number % 25:
        case 3:
            return f"{digits[0]}.{digits[1:]}E+08"
        case 6:
            return f"{digits}.0"
        case 12:
            return one.ein.replace("-", "\u2011")
        case _:
            return one.ein


def _state(one: Company) -> str:
    return one.state_name if one.number % 5 == 0 else one.state.lower() if one.number % 11 == 4 else one.state


def _country(one: Company) -> str:
    return "Canada" if one.country == "CAN" else _CALLED[one.number % len(_CALLED)]


def _street(one: Company) -> str:
    number, _, street = one.street.partition(" ")
    return f"{number} {street}\nRear Building" if one.number % 14 == 6 else one.street


def _suite(one: Company) -> str:
    return one.suite or ("N/A" if one.number % 6 == 0 else "")


def _true_street(one: Company) -> str:
    return f"{one.street}, Rear Building" if one.number % 14 == 6 else one.street


def _true(one: Company, *, ein: bool = True, suite: bool = True, legal: bool = False) -> dict[str, str]:
    fields = {
        "name": one.name,
        "legal_name": one.name if legal else "",
        "ein": one.ein if ein else "",
        "email": one.email,
        "street_address": _true_street(one),
        "sub_premise": one.suite if suite else "",
        "city": one.city,
        "state": one.state,
        "postal_code": one.postal_code,
        "country": one.country,
    }
    return {name: value for name, value in fields.items() if value}


def _written(rows: Sequence[Sequence[str]], delimiter: str = ",") -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue()


# --- the five programs ---------------------------------------------------------------------------------


def quickbooks(found: Sequence[Company]) -> Sample:
    """Return the report "Customer Contact List" of QuickBooks Online: a title above the table, a date below it."""
    head = (
        "Customer full name,Phone numbers,Email,Full name,Company name,Billing street,Billing city,Billing state,"
        "Billing ZIP,Billing country,Tax ID"
    ).split(",")
    empty = [""] * (len(head) - 1)
    rows = [["Riverbank Managed Services, LLC", *empty], ["Customer Contact List", *empty], [], head]
    rows += [
        [
            _name(one),
            f"Phone:(555) 010-{one.number:04}",
            _email(one),
            " ".join(one.person),
            one.name,
            _street(one),
            one.city,
            _state(one),
            _zip(one),
            _country(one),
            _ein(one),
        ]
        for one in found
    ]
    rows += [[], [], [" Friday, November 27, 2026 09:14 AM GMT-05:00", *empty]]
    truth = {f"qbo-{one.name}": _true(one, suite=False, legal=True) for one in found}
    return Sample({"quickbooks-online.csv": _written(rows).encode("utf-8-sig")}, truth)


def xero(found: Sequence[Company]) -> Sample:
    """Return the export of contacts of Xero, with all its columns."""
    address = "AttentionTo AddressLine1 AddressLine2 AddressLine3 AddressLine4 City Region PostalCode Country".split()
    head = ["*ContactName", "AccountNumber", "EmailAddress", "FirstName", "LastName"]
    head += [f"{kind}{one}" for kind in ("PO", "SA") for one in address]
    head += (
        "PhoneNumber,FaxNumber,MobileNumber,DDINumber,SkypeName,BankAccountName,BankAccountNumber,"
        "BankAccountParticulars,TaxNumber,AccountsReceivableTaxCodeName,AccountsPayableTaxCodeName,Website,LegalName,"
        "Discount,CompanyNumber,DueDateBillDay,DueDateBillTerm,DueDateSalesDay,DueDateSalesTerm,SalesAccount,"
        "PurchasesAccount,TrackingName1,SalesTrackingOption1,PurchasesTrackingOption1,TrackingName2,"
        "SalesTrackingOption2,PurchasesTrackingOption2,BrandingTheme,DefaultTaxBills,DefaultTaxSales"
    ).split(",")
    rows = [head]
    for one in found:
        cells = {
            "*ContactName": _name(one),
            "EmailAddress": _email(one),
            "FirstName": one.person[0],
            "LastName": one.person[1],
            "POAddressLine1": _street(one),
            "POAddressLine2": _suite(one),
            "POCity": one.city,
            "PORegion": _state(one),
            "POPostalCode": _zip(one),
            "POCountry": _country(one),
            "PhoneNumber": f"1 555 010{one.number:04}",
            "TaxNumber": _ein(one),
            "LegalName": one.name,
        }
        rows.append([cells.get(name, "") for name in head])
    return Sample({"xero.csv": _written(rows).encode()}, {f"xero-{one.name}": _true(one, legal=True) for one in found})


def connectwise(found: Sequence[Company]) -> Sample:
    """Return the views of companies and of contacts of ConnectWise PSA."""
    head = (
        "Company Name,Company ID,Phone Number,Type,Status,Territory,Market,Address Line 1,Address Line 2,City,State,"
        "Zip,Country"
    ).split(",")
    found = [replace(one, active=one.number % 25 != 24) for one in found]
    rows = [head]
    people = [["First Name", "Last Name", "Company", "Type", "Title", "Email Address"]]
    for one in found:
        status = "Active" if one.active else "Inactive"
        rows.append(
            [
                _name(one),
                _company_id(one),
                f"555010{one.number:04}",
                "Customer",
                status,
                "East",
                "SMB",
                _street(one),
                _suite(one),
                one.city,
                _state(one),
                _zip(one),
                _country(one),
            ]
        )
        people.append([*one.person, one.name, "Billing", "Accounts Payable", _email(one)])
        if one.number % 7 == 1:
            people.append(["Pat", "Loe", one.name, "Technical", "IT", f"pat@{one.email.partition('@')[2]}"])
    people.append(["Lee", "Moe", "Nobody's Company", "Billing", "", "lee@nobodys.example"])
    files = {"connectwise.csv": _written(rows).encode(), "contacts.csv": _written(people).encode()}
    return Sample(files, {f"cw-{_company_id(one)}": _true(one, ein=False) for one in found if one.active})


def _company_id(one: Company) -> str:
    return "".join(char for char in one.name if char.isascii() and char.isalnum())[:24] + f"{one.number}"


def halopsa(found: Sequence[Company]) -> Sample:
    """Return the view of customers of HaloPSA, saved by a spreadsheet that writes semicolons in Windows-1252."""
    head = (
        "Customer ID,Customer Name,Top Level,Accounts Email Address,Tax Number,Address Line 1,Address Line 2,Town/City,"
        "County/State,Postcode,Country,Inactive"
    ).split(",")
    found = [replace(one, active=one.number % 33 != 32) for one in found]
    rows = [head]
    rows += [
        [
            str(1200 + one.number),
            _name(one),
            "Customers",
            _email(one),
            # This encoding has no such hyphen.
            _ein(one).replace("\u2011", "\u2013"),
            _street(one),
            _suite(one),
            one.city,
            _state(one),
            _zip(one),
            _country(one),
            "No" if one.active else "Yes",
        ]
        for one in found
    ]
    truth = {f"halo-{1200 + one.number}": _true(one) for one in found if one.active}
    return Sample({"halopsa.csv": _written(rows, ";").encode("cp1252")}, truth)


def autotask(found: Sequence[Company]) -> Sample:
    """Return the export of organizations in import template format of Autotask, and that of contacts, with tabs."""
    head = (
        "Organization ID [updates only]|[required] Name|Number|Address 1|Address 2|City|State|Zip Code|Country|"
        "Additional Address Information|[required] Phone|Organization Type|Classification|Tax Region|Tax ID|Active"
    ).split("|")
    found = [replace(one, active=one.number % 40 != 39) for one in found]
    vendors = {one.number for one in found if one.number % 50 == 48}
    rows = [head]
    people = [["Organization ID", "[required] Organization Name", "Contact ID [updates only]", "[required] First Name"]]
    people[0] += ["[required] Last Name", "Title", "Email Address"]
    for one in found:
        number = str(29_683_000 + one.number)
        rows.append(
            [
                # A number that a spreadsheet shows with decimals.
                f"{number}.0" if one.number % 30 == 1 else number,
                _name(one),
                "",
                _street(one),
                _suite(one),
                one.city,
                _state(one),
                _zip(one),
                _country(one),
                "",
                f"555-010-{one.number:04}",
                "Vendor" if one.number in vendors else "Customer",
                "",
                "",
                _ein(one),
                "Yes" if one.active else "No",
            ]
        )
        title = "Billing" if one.number % 3 else "billing "
        people.append([number, one.name, str(30_000_000 + one.number), *one.person, title, _email(one)])
    files = {
        "autotask.tsv": _written(rows, "\t").encode("utf-8-sig"),
        "contacts.tsv": _written(people, "\t").encode("utf-8-sig"),
    }
    truth = {f"at-{29_683_000 + one.number}": _true(one) for one in found if one.active and one.number not in vendors}
    return Sample(files, truth)


SAMPLES: Mapping[str, tuple[int, Callable[[Sequence[Company]], Sample]]] = {
    "quickbooks-online": (11, quickbooks),
    "xero": (12, xero),
    "connectwise": (13, connectwise),
    "halopsa": (14, halopsa),
    "autotask": (15, autotask),
}
"""By the names of the maps: the seed of its customers, and what exports them."""


def sample(name: str) -> Sample:
    """Return the export of one program."""
    seed, export = SAMPLES[name]
    return export(companies(seed))
