"""
How alike two customers are, by name, address and email domain: what people write differently of one company. Pure.

Two rows of one company rarely agree in all three, and two companies rarely agree in two. So each of the three is
compared in a normal form and scored from 0 to 1, and the sum is the score. An email domain counts in full only where
one customer of each side has it: companies of one group share theirs. Two different EINs are never one company.

Only pairs that share a key of the index are compared (a domain, a house number with its postal code, a rare word of
the name, ...), so that it takes time in proportion to the customers.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import product

from reconciler.kinds.kind import canonical_ein, canonical_email, without_accents

SURE = 1.6
"""The score from which two customers are taken to be one, where each is the other's only such match."""
MAYBE = 0.9
"""The score from which a person should look."""
_AHEAD = 0.2
"""How far the second best must be behind."""
_MOST_SHARING = 40
"""A key of the index that more customers of one side have tells nothing."""

_SAME_EMAIL, _SHARED_EMAIL = 1.2, 0.6
_SAME_DOMAIN, _SHARED_DOMAIN = 1.1, 0.3
_OTHER_DOMAIN = -0.45
"""What another domain counts, unless name, street and postal code are the same as written."""
_GROUP = 3
"""So many customers with one domain may be a group of companies; with more it is a provider's or a landlord's."""
_PART_OF_NAME, _WHOLE_NAME = 0.55, 0.8
_WORD_ALIKE = 70.0
_SLIPS = 2
_LONG_NAME = 10
_STREET_ALIKE = 80.0
_SHORTEST_WORD = 3
_SHORTEST_SHORT = 2
_ROMAN = re.compile(r"[ivx]+")

_PROVIDERS = """
    126.com 163.com aim.com aol.com att.net bellsouth.net btinternet.com charter.net comcast.net cox.net
    earthlink.net fastmail.com free.fr frontier.com gmail.com gmx.com gmx.de gmx.net googlemail.com hey.com
    hotmail.co.uk hotmail.com hotmail.fr icloud.com juno.com laposte.net libero.it live.com mac.com mail.com mail.ru
    me.com msn.com myfairpoint.net naver.com optonline.net orange.fr outlook.com pm.me proton.me protonmail.com
    qq.com roadrunner.com rocketmail.com rogers.com sbcglobal.net shaw.ca sky.com sympatico.ca t-online.de
    telus.net tutanota.com verizon.net web.de windstream.net yahoo.ca yahoo.co.uk yahoo.com yandex.ru ymail.com
    zoho.com
"""
FREE_MAIL = frozenset(_PROVIDERS.split())
"""Mail providers whose domain says nothing about whose address it is."""

_LEGAL_FORMS = """
    ab ag aps as bv co company corp corporation gmbh inc incorporated kg kk lc limited llc llp lp ltd nv oy pa pbc pc
    plc pllc pte pty sa sarl spa srl
"""
_LEGAL = frozenset(_LEGAL_FORMS.split())
_PASSED_OVER = frozenset(("and", "the", "of"))
# Between semicolons: the words of one meaning; the shortest stands for all.
_SAME_WORDS = """
    academy acad; administration admin; agency agcy; america amer am; american amer; apartment apt; associates assocs;
    association assoc assn assoctn; authority auth; avenue ave av; boulevard blvd; box bx; brothers bros; building bldg;
    center ctr centre cntr; central cent ctrl; chapter chap chpt; church ch; circle cir; club clb; college coll;
    committee comm cmte; community cmty commty; conservation consv; construction constr const; cooperative coop;
    council cncl; county cnty co; court ct; department dept; development dev devt; district dist; division div;
    drive dr; east e; education educ ed; engineering engr engrg; enterprises ent entpr; environment env;
    environmental envtl; federation fed; fire fr; floor fl; foundation fdn fndn found; friends frnds; group grp;
    heights hts; highway hwy; historical hist; historic hist; holdings hldgs; hospital hosp; housing hsg;
    industries ind inds; institute inst; insurance ins; international intl; junction jct; laboratory lab;
    lane ln; library lib libr; lower lwr; manufacturing mfg; management mgmt mgt; medical med; memorial mem meml;
    mount mt mtn mountain; national natl; north n; northeast ne; northern nrthn; northwest nw; number no num;
    organization org orgn; parkway pkwy; partners ptnrs; place pl; plaza plz; products prod prods; professional prof;
    post pst; project proj; regional regl; road rd; route rt rte; rural rur; saint st; school sch schl; science sci;
    services svcs svc service srvs serv; society soc; south s; southern sthn; southeast se; southwest sw; square sq;
    state ste; states sts; street st str; suite ste; support supt; systems sys; technologies tech technology;
    terrace ter; trail trl; trust tr; union un; united utd; university univ; upper upr; valley vly; vermont vt;
    veterans vets vet; village vlg; volunteer vol; washington wash; west w; western wstn; women womens; youth yth
"""
_UNIT = re.compile(r"\b(?:apartment|apt|floor|fl|suite|ste|unit|room|rm|bldg|building|number|no)\b.*$")
_WORD = re.compile(r"[^\W_]+")
_MARKS = re.compile(r"(?<=\w)['\u2019\u02bc`](?=\w)|(?<=\b\w)\.(?=\s?\w\b)")
_POST_OFFICE = re.compile(r"\b(?:p\s*o|post\s+office)\s*(?:box|bx|b)\b")


def _words_table() -> dict[str, str]:
    """Return by each way to write a word the one that stands for it."""
    table: dict[str, str] = {}
    for words in map(str.split, _SAME_WORDS.split(";")):
        short = min(words, key=len)
        for one in words:
            table.setdefault(one, short)
    return table


_SAME = _words_table()


@dataclass(frozen=True, slots=True)
class Party:
    """
    What a customer can be known by, in the form in which it is compared; "" and () for what it has not.

    `names` are its name and legal name; `street` is without the house number and the unit. `domain` is "" for a
    free-mail address. `written` are name, street and postal code without case.
    """

    names: tuple[str, ...] = ()
    house: str = ""
    street: str = ""
    postal_code: str = ""
    email: str = ""
    domain: str = ""
    ein: str = ""
    written: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Similarity:
    """How alike two customers are: each part from 0 to 1, and the sum."""

    name: float
    address: float
    email: float

    @property
    def score(self) -> float:
        """Return the sum of the three."""
        return self.name + self.address + self.email

    @property
    def signs(self) -> frozenset[str]:
        """Return which of name, address and domain are alike."""
        parts = (("name", self.name >= _WHOLE_NAME), ("address", self.address > 0), ("domain", self.email > 0))
        return frozenset(name for name, is_alike in parts if is_alike)


def party(fields: Mapping[str, str | None]) -> Party:
    """
    Return what a customer with these fields can be known by.

    >>> one = party({"name": "The Acme & Sons, Inc.", "street_address": "50 Ash St., #3", "email": "a@acme.example"})
    >>> one.names, one.house, one.street, one.domain
    (('acme sons',), '50', 'ash st', 'acme.example')
    """
    names = tuple(dict.fromkeys(filter(None, (_name(fields.get(name) or "") for name in ("name", "legal_name")))))
    house, street = _street(fields.get("street_address") or "")
    return Party(
        names,
        house,
        street,
        _postal_code(fields.get("postal_code") or ""),
        canonical_email(fields.get("email") or ""),
        domain_of(fields),
        comparable_ein(fields.get("ein") or ""),
        tuple((fields.get(name) or "").strip().casefold() for name in ("name", "street_address", "postal_code")),
    )


def domain_of(fields: Mapping[str, str | None]) -> str:
    """Return the domain of a customer's email, "" for none and for a provider's that anybody has."""
    domain = canonical_email(fields.get("email") or "").rpartition("@")[2]
    return "" if domain in FREE_MAIL else domain


def comparable_ein(text: str) -> str:
    """Return an EIN as it is compared; one of zeros is none."""
    canonical = canonical_ein(text)
    return canonical if canonical.strip("0") else ""


def _plain(text: str) -> str:
    """Return a text without case, accents, and marks inside of words."""
    return _MARKS.sub("", without_accents(text).casefold())


def _name(text: str) -> str:
    """Return a name's words: no case, accents, punctuation, article or legal form; each in its shortest spelling."""
    words = _WORD.findall(_plain(text))
    kept = [word for word in words if word not in _PASSED_OVER]
    while len(kept) > 1 and kept[-1] in _LEGAL:
        kept.pop()
    return " ".join(_SAME.get(word, word.lstrip("0") or word) for word in kept or words)


def _street(text: str) -> tuple[str, str]:
    """Return the house number, or that of a box, and the words of a street without the unit."""
    plain = _POST_OFFICE.sub("pobox", " ".join(_WORD.findall(_plain(text.partition("#")[0] or text))))
    words = (_UNIT.sub("", plain) or plain).split()
    house = next((word for word in words if word[0].isdecimal()), "")
    return house.lstrip("0"), " ".join(_SAME.get(word, word) for word in words if word != house)


def _postal_code(text: str) -> str:
    """Return a postal code as it is compared: of the United States' the first five digits."""
    code = "".join(_WORD.findall(text)).casefold()
    return code[:5] if code.isdecimal() else code


def likeness(one: Party, other: Party, holders: int = 1) -> Similarity | None:
    """
    Return how alike two customers are, None where their EINs differ.

    `holders` is how many customers of the side that has more of them share the email domain.
    """
    if one.ein and other.ein and one.ein != other.ein:
        return None
    email = 0.0
    if one.email and one.email == other.email:
        email = _SAME_EMAIL if holders == 1 or not one.domain else _SHARED_EMAIL
    elif one.domain and one.domain == other.domain:
        email = _SAME_DOMAIN if holders == 1 else _SHARED_DOMAIN if holders <= _GROUP else 0.0
    elif one.domain and other.domain and one.written != other.written:
        email = _OTHER_DOMAIN
    return Similarity(_names_alike(one, other), _address_alike(one, other), email)


def _names_alike(one: Party, other: Party) -> float:
    """
    Return how alike the names are: 1 for the same words in any order, less for words that are written otherwise.

    A word that only one has, or another number, speaks against it: `Friends of the Library` is not the library,
    and `Post 12` is not `Post 13`.
    """
    best = 0.0
    for ours, theirs in product(one.names, other.names):
        if ours == theirs:
            return 1.0
        best = max(best, _words_alike(ours, theirs))
    return best


def _words_alike(ours: str, theirs: str) -> float:
    """Return how alike two names are that are not the same."""
    # Here: most commands compare no customers.
    from rapidfuzz.distance.OSA import distance
    from rapidfuzz.fuzz import ratio, token_sort_ratio

    mine, yours = Counter(ours.split()), Counter(theirs.split())
    left, right = sorted((mine - yours).elements()), sorted((yours - mine).elements())
    if any(word[0].isdecimal() for word in (*left, *right)):
        return 0.0
    if "".join(left) == "".join(right):
        return 1.0
    alike = token_sort_ratio(ours, theirs) / 100
    if len(left) != len(right):
        joined = ours.replace(" ", ""), theirs.replace(" ", "")
        return 0.9 if len(joined[0]) >= _LONG_NAME and distance(*joined) <= _SLIPS else _partly(alike)
    for word in left:
        match = max(right, key=lambda candidate: ratio(word, candidate))
        if not (ratio(word, match) >= _WORD_ALIKE or _is_short_for(word, match)) or _ROMAN.fullmatch(word + match):
            return _partly(alike)
        right.remove(match)
    return max(alike, _WHOLE_NAME)


def _partly(alike: float) -> float:
    """Return what it counts that names are alike in part; nothing for what chance may do."""
    return min(alike, _PART_OF_NAME) if alike >= _PART_OF_NAME else 0.0


def _is_short_for(one: str, other: str) -> bool:
    """Say whether one word abbreviates the other: the same first letter, and its letters in order."""
    short, long = sorted((one, other), key=len)
    rest = iter(long)
    return short[:1] == long[:1] and len(short) >= _SHORTEST_SHORT and all(char in rest for char in short)


def _address_alike(one: Party, other: Party) -> float:
    """Return how alike the addresses are: the house number, the postal code and the street, all of them."""
    from rapidfuzz.fuzz import token_sort_ratio

    if not (one.house and one.house == other.house):
        return 0.0
    if one.postal_code and other.postal_code and one.postal_code != other.postal_code:
        return 0.0
    alike = 100.0 if one.street == other.street else token_sort_ratio(one.street, other.street)
    if alike < _STREET_ALIKE:
        return 0.0
    return alike / 100 * (1.0 if one.postal_code and other.postal_code else 0.8)


@dataclass(frozen=True, slots=True)
class Similar:
    """Who may be whom, how alike they are, and whether that is sure: each is the other's only match, by far."""

    left: str
    right: str
    likeness: Similarity
    sure: bool


def similar(
    left: Mapping[str, Party],
    right: Mapping[str, Party],
    others: Iterable[Counter[str]] = (),
    are_apart: Callable[[str, str], bool] = lambda _left, _right: False,
) -> tuple[Similar, ...]:
    """
    Return the pairs of `left` and `right` that are alike, the most alike of each left one first.

    `others` counts the email domains of customers, of either side, that are no part of this; `are_apart` says of a
    pair that it is known to be two.
    """
    if not left or not right:
        return ()
    counts = [Counter(one.domain for one in side.values()) for side in (left, right)]
    for more, count in zip(others, counts, strict=False):
        count.update(more)
    found: dict[str, list[tuple[float, str, Similarity]]] = defaultdict(list)
    of_right: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for key, candidate, alike in _alike(left, right, lambda domain: max(count[domain] for count in counts)):
        if not are_apart(key, candidate):
            found[key].append((alike.score, candidate, alike))
            of_right[candidate].append((alike.score, key))
    best = {one: _first(rows) for one, rows in of_right.items()}
    pairs: list[Similar] = []
    for key, rows in found.items():
        rows.sort(key=lambda row: (-row[0], row[1]))
        first = _first([(score, candidate) for score, candidate, _ in rows])
        pairs += (
            Similar(key, one, alike, score >= SURE and first == one and best[one] == key) for score, one, alike in rows
        )
    return tuple(pairs)


def similar_within(parties: Mapping[str, Party]) -> tuple[tuple[str, str, Similarity], ...]:
    """Return the pairs of one list that may be one company, the most alike first; each pair once."""
    counts = Counter(one.domain for one in parties.values())
    pairs = _alike(parties, parties, lambda domain: counts[domain] - 1)
    found = [(one, other, alike) for one, other, alike in pairs if one < other and alike.score >= SURE]
    return tuple(sorted(found, key=lambda pair: (-pair[2].score, pair[:2])))


def _alike(
    left: Mapping[str, Party], right: Mapping[str, Party], holders: Callable[[str], int]
) -> Iterator[tuple[str, str, Similarity]]:
    """Yield the pairs that share a key of the index and may be one, with how alike they are."""
    for key, candidates in _candidates(left, right).items():
        for candidate in candidates:
            alike = likeness(left[key], right[candidate], holders(left[key].domain))
            if alike is not None and alike.score >= MAYBE:
                yield key, candidate, alike


def _first(rows: Sequence[tuple[float, str]]) -> str | None:
    """Return the one that is ahead of all others; None where two are close."""
    (first, name), *rest = sorted(rows, key=lambda row: (-row[0], row[1]))
    return name if not rest or first - rest[0][0] >= _AHEAD else None


def _candidates(left: Mapping[str, Party], right: Mapping[str, Party]) -> dict[str, AbstractSet[str]]:
    """Return for each left customer the right ones that share a key of the index that few have."""
    wanted: dict[str, list[str]] = defaultdict(list)
    for name, one in left.items():
        for key in _keys(one):
            wanted[key].append(name)
    index: dict[str, list[str]] = {}
    for name, one in right.items():
        for key in _keys(one):
            if key in wanted:
                index.setdefault(key, []).append(name)
    candidates: dict[str, AbstractSet[str]] = {}
    for key, names in index.items():
        if len(names) <= _MOST_SHARING and len(wanted[key]) <= _MOST_SHARING:
            for name in wanted[key]:
                candidates[name] = candidates.get(name, frozenset()) | frozenset(names)
    return candidates


def _keys(one: Party) -> Iterator[str]:
    """Yield the keys under which a customer is found; those of one meaning begin alike."""
    if one.email:
        yield f"e {one.email}"
    if one.domain:
        yield f"d {one.domain}"
    if one.house and one.postal_code:
        yield f"a {one.house} {one.postal_code}"
    elif one.house:
        yield f"s {one.house} {one.street}"
    for name in one.names:
        words = name.split()
        yield f"n {' '.join(sorted(words))}"
        yield f"p {name} {one.postal_code}"
        yield from (f"w {word}" for word in words if len(word) >= _SHORTEST_WORD)
