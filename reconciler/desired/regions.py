"""
States, provinces and postal codes of the United States and Canada.

What the vendor's dashboard is known to want (its help centre); the API may be looser, so that what does not fit is a
warning. Nothing is judged in another country, or where none is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from reconciler.documents.scalars import quoted

_US_STATES = """
AL Alabama, AK Alaska, AZ Arizona, AR Arkansas, CA California, CO Colorado, CT Connecticut, DE Delaware,
DC District of Columbia, FL Florida, GA Georgia, HI Hawaii, ID Idaho, IL Illinois, IN Indiana, IA Iowa, KS Kansas,
KY Kentucky, LA Louisiana, ME Maine, MD Maryland, MA Massachusetts, MI Michigan, MN Minnesota, MS Mississippi,
MO Missouri, MT Montana, NE Nebraska, NV Nevada, NH New Hampshire, NJ New Jersey, NM New Mexico, NY New York,
NC North Carolina, ND North Dakota, OH Ohio, OK Oklahoma, OR Oregon, PA Pennsylvania, RI Rhode Island,
SC South Carolina, SD South Dakota, TN Tennessee, TX Texas, UT Utah, VT Vermont, VA Virginia, WA Washington,
WV West Virginia, WI Wisconsin, WY Wyoming, AS American Samoa, GU Guam, MP Northern Mariana Islands, PR Puerto Rico,
VI Virgin Islands, UM United States Minor Outlying Islands, AA Armed Forces Americas, AE Armed Forces Europe,
AP Armed Forces Pacific
"""
_PROVINCES = """
AB Alberta, BC British Columbia, MB Manitoba, NB New Brunswick, NL Newfoundland and Labrador, NS Nova Scotia,
NT Northwest Territories, NU Nunavut, ON Ontario, PE Prince Edward Island, QC Quebec, SK Saskatchewan, YT Yukon,
QC Québec
"""


def _names(table: str) -> frozenset[str]:
    """Return codes and full names, without case."""
    rows = (row.strip().partition(" ") for row in table.split(","))
    return frozenset(name.casefold() for code, _, full in rows for name in (code, full))


@dataclass(frozen=True, slots=True)
class Region:
    """A country whose addresses can be checked."""

    country: str
    states: frozenset[str]
    state_hint: str
    postal_code: re.Pattern[str]
    postal_hint: str


_US = Region(
    "the United States",
    _names(_US_STATES),
    "write a state's two letters, such as NY, or its name",
    re.compile(r"[0-9]{5}(-[0-9]{4})?"),
    "write a ZIP code such as 02134 or 02134-1000",
)
_CANADA = Region(
    "Canada",
    _names(_PROVINCES),
    "write a province's two letters, such as ON, or its name",
    # Letters that a Canadian code never has, as they look like others: D F I O Q U.
    re.compile(r"[ABCEGHJ-NPRSTVXY][0-9][ABCEGHJ-NPRSTV-Z] ?[0-9][ABCEGHJ-NPRSTV-Z][0-9]", re.IGNORECASE | re.ASCII),
    "write a postal code such as K1A 0B1",
)
_COUNTRIES: Mapping[str, Region] = {
    **dict.fromkeys(("us", "usa", "united states", "united states of america"), _US),
    **dict.fromkeys(("ca", "can", "canada"), _CANADA),
}


@lru_cache(maxsize=1024)
def region_of(country: str) -> Region | None:
    """
    Return the region whose rules `country` is under, None where nothing is judged.

    >>> region_of("Canada").country, region_of("France")
    ('Canada', None)
    """
    return _COUNTRIES.get(country.strip().casefold())


@lru_cache(maxsize=4096)
def state_problem(region: Region, state: str) -> tuple[str, str]:
    """
    Return what is wrong with a state and what to write, ("", "") for nothing.

    >>> state_problem(region_of("US"), "new york"), state_problem(region_of("CAN"), "NY")[0]
    (('', ''), "'NY' is not a province of Canada")
    """
    if state.strip().casefold() in region.states:
        return "", ""
    kind = "province" if region is _CANADA else "state"
    return f"{quoted(state)} is not a {kind} of {region.country}", region.state_hint


def postal_problem(region: Region, code: str) -> tuple[str, str]:
    """
    Return what is wrong with a postal code and what to write, ("", "") for nothing.

    >>> postal_problem(region_of("US"), "02134"), postal_problem(region_of("US"), "2134")[0]
    (('', ''), "'2134' is not a postal code of the United States")
    """
    if region.postal_code.fullmatch(code.strip()):
        return "", ""
    return f"{quoted(code)} is not a postal code of {region.country}", region.postal_hint
