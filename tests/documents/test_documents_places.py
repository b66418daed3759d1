from __future__ import annotations

from reconciler.documents.nodes import Position, find_places

TEXT = b"""\
customers:
  acme:
    name: Acme
    tags: [a, {b: c}]
    other: *x
moved:
  - from: a
    to: b
"""


def test_a_path_has_the_places_of_its_key_and_its_value() -> None:
    assert find_places(TEXT, [("customers", "acme", "name"), ("moved", 0, "to")]) == {
        ("customers", "acme", "name"): Position((3, 5), (3, 11)),
        ("moved", 0, "to"): Position((8, 5), (8, 9)),
    }


def test_an_item_of_a_list_has_one_place() -> None:
    path = ("customers", "acme", "tags", 1)
    assert find_places(TEXT, [path, (*path, "b")]) == {
        path: Position((4, 15), (4, 15)),
        (*path, "b"): Position((4, 16), (4, 19)),
    }


def test_what_is_not_written_has_the_place_of_its_nearest_parent() -> None:
    assert find_places(TEXT, [("customers", "acme", "other", "city")]) == {
        ("customers", "acme", "other", "city"): Position((5, 5), (5, 12))
    }


def test_the_first_of_equal_keys_counts() -> None:
    assert find_places(b"a: 1\na: 2\n", [("a",)]) == {("a",): Position((1, 1), (1, 4))}


def test_what_stands_before_a_syntax_error_is_found() -> None:
    assert find_places(b"a: 1\nb: c: d\n", [("a",), ("z",)]) == {
        ("a",): Position((1, 1), (1, 4)),
        ("z",): Position((1, 1), (1, 1)),
    }


def test_an_empty_value_has_the_place_after_its_colon() -> None:
    assert find_places(b"a:\nb: 1\n", [("a",)]) == {("a",): Position((1, 1), (1, 3))}
