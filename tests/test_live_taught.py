"""What a whole listing teaches of the server, for the next one."""

from __future__ import annotations

import pytest

from reconciler.live import learned_from
from reconciler.model.core import CustomerId, Live, LiveCustomer
from reconciler.model.ledger import Learned

KNOWN = Learned(lists_archived=True, longest_page=100, how="seen", listed=5, told="d", page_limit=100)


def _live(count: int, **said: object) -> Live:
    """Return a listing of so many customers, created a minute apart."""
    ids = [CustomerId(f"c{number}") for number in range(count)]
    moments = [
        f"2025-06-{1 + number // 1440:02d}T{number // 60 % 24:02d}:{number % 60:02d}:00Z" for number in range(count)
    ]
    listed = {one: LiveCustomer(one, "", at, {}) for one, at in zip(ids, moments, strict=True)}
    return Live(listed=listed, **said)  # type: ignore[arg-type]


def test_a_small_listing_teaches_its_size_and_leaves_the_rest() -> None:
    learned = learned_from(KNOWN, _live(3, longest_page=3))
    assert learned == Learned(lists_archived=True, longest_page=100, how="seen", listed=3, told="d", page_limit=100)


def test_another_limit_begins_the_length_of_pages_anew() -> None:
    assert learned_from(KNOWN, _live(3, longest_page=3, page_limit=1000)).longest_page == 3


@pytest.mark.parametrize(("known", "found", "then"), [(None, True, True), (True, None, True), (True, False, False)])
def test_whether_lists_are_narrowed_is_kept_until_it_is_found_otherwise(
    known: bool | None, found: bool | None, then: bool
) -> None:
    assert learned_from(Learned(narrows=known), _live(3, narrows=found)).narrows is then


def test_a_long_listing_teaches_where_to_cut_unless_ranges_are_of_no_use() -> None:
    assert len(learned_from(Learned(), _live(200, longest_page=10)).cuts) == 1
    assert learned_from(Learned(narrows=False, cuts=(1,)), _live(200, longest_page=10)).cuts == ()
    assert learned_from(Learned(longest_page=100, cuts=(1,)), _live(200, longest_page=10)).cuts == ()
