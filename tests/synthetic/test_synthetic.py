"""Customers from a seed, and real ones without what is theirs."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from reconciler.desired.write import Written
from reconciler.synthetic.people import anonymize_customers, generate_customers

SECRET = "a secret of some length"
ACME = Written(
    "acme",
    {
        "name": "Acme",
        "legal_name": "Acme Corporation",
        "ein": "12-3456789",
        "email": "billing@acme.org",
        "street_address": "Main Street 1",
        "sub_premise": "Apt 1",
        "city": "Boston",
        "state": "MA",
        "postal_code": "02134",
        "country": "Ruritania",
    },
    id="cus_1",
    users={"jane@acme.org": {"first_name": "Jane", "last_name": "Doe"}},
)


def texts(entry: Written) -> list[str]:
    """Return all that an entry says."""
    users = [text for email, names in entry.users.items() for text in (email, *names.values())]
    return [text for text in (entry.key, entry.id, *entry.fields.values(), *users) if text]


def mask(*entries: Written, secret: str = SECRET) -> list[Written]:
    return list(anonymize_customers(entries, secret))


def test_a_seed_gives_the_same_customers_again() -> None:
    assert list(generate_customers(5, 2, 7)) == list(generate_customers(5, 2, 7))


def test_another_seed_gives_others() -> None:
    assert [one.fields for one in generate_customers(5, 0, 7)] != [one.fields for one in generate_customers(5, 0, 8)]


def test_a_larger_number_holds_the_smaller_one() -> None:
    assert list(islice(generate_customers(50, 1, 7), 5)) == list(generate_customers(5, 1, 7))


def test_keys_and_addresses_are_each_ones_own() -> None:
    entries = list(generate_customers(300, 3, 1))
    assert len({one.key for one in entries}) == 300
    assert len({email for one in entries for email in one.users}) == 900


def test_every_address_of_a_person_is_of_an_example_domain() -> None:
    found = [text for one in generate_customers(100, 2, 1) for text in texts(one) if "@" in text]
    assert [text for text in found if not text.endswith(".example")] == []
    assert len(found) == 300


def test_no_original_value_survives() -> None:
    (masked,) = mask(ACME)
    assert set(texts(masked)) & set(texts(ACME)) == set()
    assert [
        word for word in ("Acme", "acme", "Jane", "Doe", "Boston", "cus_1") if word in " ".join(texts(masked))
    ] == []


@given(
    st.dictionaries(st.sampled_from(sorted(ACME.fields)), st.text("qxzQXZ", min_size=4), min_size=1),
    st.text("qxzQXZ", min_size=4),
)
def test_no_word_of_any_customer_survives(fields: dict[str, str | None], word: str) -> None:
    (masked,) = mask(Written(word, fields, users={f"{word}@{word}.org": {"first_name": word, "last_name": None}}))
    said = "\n".join(texts(masked))
    assert [one for one in (word, *fields.values()) if one and one in said] == []


def test_the_shape_stays() -> None:
    (masked,) = mask(ACME)
    assert (list(masked.fields), len(masked.users), masked.id) == (list(ACME.fields), 1, None)


def test_what_is_empty_stays_empty() -> None:
    (masked,) = mask(Written("acme", {"name": "Acme", "city": None, "ein": ""}))
    assert (masked.fields["city"], masked.fields["ein"]) == (None, "")


def test_a_second_run_changes_nothing() -> None:
    assert mask(ACME) == mask(ACME)


def test_another_secret_makes_another_file() -> None:
    assert mask(ACME)[0].key != mask(ACME, secret="another of some length")[0].key


def test_what_was_equal_stays_equal_and_what_was_not_does_not() -> None:
    twin = Written("twin", {"ein": "123456789", "email": "BILLING@acme.org", "city": "Boston", "state": "MA"})
    other = Written("other", {"ein": "12-3456780", "email": "office@acme.org", "city": "Salem", "state": "MA"})
    acme, same, different = (one.fields for one in mask(ACME, twin, other))
    assert (acme["ein"], acme["email"]) == (same["ein"], same["email"])
    assert acme["ein"] != different["ein"]
    assert acme["email"] != different["email"]
    assert str(acme["email"]).partition("@")[2] == str(different["email"]).partition("@")[2]
