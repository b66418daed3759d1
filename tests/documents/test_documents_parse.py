from __future__ import annotations

import json
from itertools import pairwise

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.documents.events import Tree
from reconciler.documents.nodes import Again, MappingNode, read_nodes
from reconciler.documents.parse import DEEPEST, parse
from reconciler.errors import Source


def tree(text: str | bytes, *, pure: bool = False) -> Tree:
    document, problems = parse(text if isinstance(text, bytes) else text.encode(), "c.yaml", pure=pure)
    assert problems == ()
    assert document is not None
    return document.tree


def wrong(text: str | bytes, *, pure: bool = False) -> list[str]:
    _, problems = parse(text if isinstance(text, bytes) else text.encode(), "c.yaml", pure=pure)
    return [str(problem) for problem in problems]


@pytest.mark.parametrize("text", ["02134", "NO", "1e5", "2024-01-01", "1", "0x1F", "yes", "True", "1_000", ".inf"])
def test_a_plain_scalar_keeps_its_text(text: str) -> None:
    assert tree(f"a: {text}\n") == {"a": text}


@pytest.mark.parametrize("text", ["null", "Null", "NULL", "~", ""])
def test_a_plain_null_is_none(text: str) -> None:
    assert tree(f"a: {text}\n") == {"a": None}


def test_only_plain_true_and_false_are_booleans() -> None:
    assert tree("[true, false, TRUE, 'true', \"false\"]") == [True, False, "TRUE", "true", "false"]


@pytest.mark.parametrize("text", ["null", "~", "", "true", "1"])
def test_a_quoted_scalar_is_always_text(text: str) -> None:
    assert tree(f"a: '{text}'\nb: \"{text}\"\n") == {"a": text, "b": text}


def test_a_block_scalar_is_text() -> None:
    assert tree("a: |\n  null\nb: >-\n  true\n") == {"a": "null\n", "b": "true"}


def test_a_key_is_text_whatever_it_looks_like() -> None:
    assert tree("null: 1\ntrue: 2\n1: 3\n") == {"null": "1", "true": "2", "1": "3"}


def test_a_byte_order_mark_and_crlf_are_no_content() -> None:
    assert tree(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n") == {"a": "1", "b": "2"}


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "---\n...\n"])
def test_a_file_without_content_has_no_tree(text: str) -> None:
    assert tree(text) is None


def test_an_alias_stands_for_what_its_anchor_names() -> None:
    assert tree("a: &x {city: Boston}\nb: *x\nc: [&y z, *y]\n") == {
        "a": {"city": "Boston"},
        "b": {"city": "Boston"},
        "c": ["z", "z"],
    }


def test_a_duplicate_key_is_an_error_that_names_both_places() -> None:
    assert wrong("customers:\n  acme: {name: A}\n  globex: {}\n  acme: {name: B}\n") == [
        ("c.yaml:4:3: customers.acme: this key is a duplicate of line 2; remove one of them, or merge the two")
    ]


def test_every_duplicate_key_of_a_file_is_reported() -> None:
    assert wrong("a: {x: 1, x: 2}\nb: [{y: 1, y: 2}]\n") == [
        "c.yaml:1:11: a.x: this key is a duplicate of line 1; remove one of them, or merge the two",
        "c.yaml:2:12: b[0].y: this key is a duplicate of line 2; remove one of them, or merge the two",
    ]


def test_what_stands_under_a_key_again_is_kept_beside_the_tree() -> None:
    document, _ = parse(b"a: {x: 1, x: {y: 2, y: 3}}\na: 4\n", "c.yaml")
    assert document is not None
    assert document.tree == {"a": {"x": "1"}}
    assert dict(document.again) == {
        ("a", Again("x", 2)): {"y": "2"},
        ("a", Again("x", 2), Again("y", 2)): "3",
        (Again("a", 2),): "4",
    }


@pytest.mark.parametrize("pure", [False, True])
def test_escapes_of_a_surrogate_pair_are_the_character_that_they_are(pure: bool) -> None:
    meant = {"a\U0001f600b": "x\U0001f600\U0001f680y", "private": "\ue000", "text": "\\ud83d\\ude00"}
    document, problems = parse(json.dumps(meant).encode(), "c.yaml", pure=pure)
    assert (document and document.tree, problems) == (meant, ())


@pytest.mark.parametrize("text", [r"'\uD83d\ude00'", r"\uD83d\ude00", "|-\n  \\uD83d\\ude00"])
def test_escapes_that_are_not_in_double_quotes_are_text(text: str) -> None:
    assert tree(f"a: {text}\n") == {"a": r"\uD83d\ude00"}


def test_an_escape_of_a_surrogate_pair_moves_no_place_and_no_offset() -> None:
    text = r'{"a": "\ud83d\ude00", "b": 1, "b": 2}'
    assert wrong(text) == ["c.yaml:1:31: b: this key is a duplicate of line 1; remove one of them, or merge the two"]
    top = read_nodes(text).top
    assert isinstance(top, MappingNode)
    key, value = top.pairs[1]
    assert (text[key.start : key.end], text[value.start : value.end]) == ('"b"', "1")


def test_half_a_surrogate_pair_is_an_error() -> None:
    assert wrong(r'a: "\ud83d"') == [
        (
            "c.yaml:1:7: this is not YAML: found invalid Unicode character escape code; "
            "write the character itself; an escape of half a surrogate pair is no character"
        )
    ]


@pytest.mark.parametrize("marker", ["<<<<<<< HEAD", ">>>>>>> 1f3a (Add a customer)", "<<<<<<<"])
def test_a_merge_conflict_is_named(marker: str) -> None:
    assert wrong(f"customers:\n  acme:\n{marker}\n    name: A\n=======\n    name: B\n") == [
        (
            "c.yaml:3:1: a merge conflict that was not resolved; "
            "keep one of the two versions, and remove the lines <<<<<<<, ======= and >>>>>>>"
        )
    ]


def test_the_mark_of_a_conflict_inside_a_text_is_text() -> None:
    assert tree("a: |-\n  <<<<<<< HEAD\nb: <<<<<<< x\n") == {"a": "<<<<<<< HEAD", "b": "<<<<<<< x"}


def test_a_git_lfs_pointer_is_named() -> None:
    assert wrong("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n") == [
        (
            "c.yaml:1:1: this is a Git LFS pointer, not the file; "
            "run `git lfs pull`; in CI, check out with LFS (actions/checkout: `lfs: true`)"
        )
    ]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a: {{ name }}\n", "a mapping or a list as a key; a key is a text; expand the template that {{ … }} is"),
        ("a: {b: ${NAME}}\n", "expand the template on this line, or quote the text"),
    ],
)
def test_a_template_that_is_no_yaml_is_named(text: str, hint: str) -> None:
    (found,) = wrong(text)
    assert found.endswith(hint)


@pytest.mark.parametrize("pure", [False, True])
def test_a_tab_in_the_indentation_is_named(pure: bool) -> None:
    assert wrong("customers:\n\tacme: {}\n", pure=pure) == ["c.yaml:2:1: a tab; indent with spaces"]


def test_a_second_document_is_an_error() -> None:
    assert wrong("a: 1\n---\nb: 2\n") == ["c.yaml:2:1: a second document; put it in a separate file"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("!!python/object:os.system x", "!!python/object:os.system"), ("!!int 3", "!!int"), ("! x", "!"), ("!m {}", "!m")],
)
def test_an_explicit_tag_is_an_error(text: str, shown: str) -> None:
    hint = "remove it, or quote a text that begins with '!'; values are texts, null, true or false"
    assert wrong(f"a: {text}\n") == [f"c.yaml:1:4: a: a tag ({shown}); {hint}"]


def test_a_merge_key_is_refused_and_a_quoted_one_is_a_key() -> None:
    assert wrong("a: {<<: {b: c}}\n") == [
        "c.yaml:1:5: a: merge keys (<<) are not supported; use `defaults`, or an alias (*name) for a whole value"
    ]
    assert tree("a: {'<<': b}\n") == {"a": {"<<": "b"}}


def test_an_empty_key_is_an_error() -> None:
    assert wrong('"": x\n') == ["c.yaml:1:1: an empty key; write the key before the ':'"]


def bomb(levels: int, width: int) -> str:
    names = [f"a{level}" for level in range(levels)]
    lines = [f"{names[0]}: &{names[0]} [{', '.join(['x'] * width)}]"]
    lines += [f"{upper}: &{upper} [{', '.join([f'*{lower}'] * width)}]" for lower, upper in pairwise(names)]
    return "\n".join(lines)


def test_anchors_that_explode_are_an_error() -> None:
    assert wrong(bomb(levels=12, width=9)) == [
        "c.yaml:6:10: aliases that expand to far more than the file contains; write the value out"
    ]


def test_an_alias_in_each_of_many_customers_is_no_explosion() -> None:
    count = 3000
    text = "x: &x {a: 1, b: 2, c: 3, d: 4}\n" + "".join(f"k{number}: *x\n" for number in range(count))
    assert len(tree(text)) == count + 1


def test_an_alias_to_nothing_or_to_itself_is_an_error() -> None:
    assert wrong("a: *b\n") == ["c.yaml:1:4: there is no anchor for *b; quote a text that begins with '*'"]
    assert wrong("a: &a [*a]\n") == ["c.yaml:1:8: *a is inside the value that it names; write the value out"]


def test_a_key_that_is_no_text_is_an_error() -> None:
    assert wrong("? [a]\n: b\n") == ["c.yaml:1:3: a mapping or a list as a key; a key is a text; quote it"]


def test_invalid_utf_8_is_an_error_at_its_place() -> None:
    assert wrong(b"a: 1\nb: caf\xe9\n") == ["c.yaml:2:7: byte 0xe9 is not UTF-8; save the file as UTF-8"]


@pytest.mark.parametrize("raw", ["\0", "\x07", "\x1b", "\x7f", "\x9b", "\ufeff", "\uffff"])
def test_a_control_character_is_an_error_at_its_place(raw: str) -> None:
    hint = 'remove it, or write it as an escape in double quotes: "\\x07"'
    assert wrong(f"a: é{raw}\n") == [f"c.yaml:1:5: a control character (U+{ord(raw):04X}); {hint}"]


@pytest.mark.parametrize("opening", ["[", "{a: ", "\n- "])
def test_deep_nesting_is_an_error_and_no_crash(opening: str) -> None:
    text = "".join("  " * level + "-\n" for level in range(60)) if opening == "\n- " else "a: " + opening * 50_000
    assert any(f"nested deeper than {DEEPEST} levels" in one for one in wrong(text))


def test_a_line_of_a_hundred_megabytes_is_refused_in_few_words() -> None:
    text = b"customers:\n  acme:\n    name: " + b"x" * 100_000_000 + b"\n"
    assert wrong(text) == ["c.yaml:3:1: a line longer than 10,000,000 bytes; write one key on a line"]


def test_a_colon_in_a_plain_text_is_explained() -> None:
    what = "this is not YAML: mapping values are not allowed in this context"
    assert wrong("name: Acme: East\n") == [
        f"c.yaml:1:11: {what}; quote a text that holds ': ', or check the indentation"
    ]


def test_hostile_text_in_an_error_is_escaped() -> None:
    assert "\u202e" not in "".join(wrong("a: {\u202eb: 1, \u202eb: 2}\n"))


def test_places_of_the_marked_keys_are_kept() -> None:
    document, _ = parse(
        b"customers:\n  acme:\n    users:\n      j@x: {}\nother:\n  z: 1\n", "c.yaml", marked="customers"
    )
    assert document is not None
    assert document.keys == {"acme": Source("c.yaml", 2, 3)}
    assert document.inner == {("acme", "j@x"): Source("c.yaml", 4, 7)}


TEXTS = st.sampled_from(["a", "02134", "null", "~", "true", "'null'", '"x\\ty"', "NO", "é", "", "{}", "[]", "[a, b]"])


@given(st.dictionaries(st.sampled_from(["a", "b", "1", "true"]), TEXTS, min_size=1))
def test_the_python_parser_gives_the_same_as_the_c_parser(pairs: dict[str, str]) -> None:
    text = "".join(f"{key}: {value}\n" for key, value in pairs.items()) + "z: &z {q: 1}\ny: *z\n"
    assert tree(text, pure=True) == tree(text)


@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@#,? \n\t\r\x00é", max_size=40))
def test_any_text_gives_a_tree_or_a_problem_and_never_a_crash(text: str) -> None:
    document, problems = parse(text.encode(), "c.yaml")
    assert document is not None or problems


@given(st.text(alphabet="ab:- \n[]{},'\"", max_size=30))
def test_what_pyyaml_reads_has_the_same_structure_here(text: str) -> None:
    try:
        expected = yaml.load(text, Loader=yaml.CBaseLoader)  # noqa: S506 - it makes texts alone
    except (yaml.YAMLError, TypeError):
        return
    document, problems = parse(text.encode(), "c.yaml")
    if document is None or problems:
        return
    assert _texts(document.tree) == _texts(expected)


def _texts(node: Tree) -> Tree:
    """Return a tree with None as the empty text, which PyYAML's plainest loader has for it."""
    if isinstance(node, dict):
        return {key: _texts(value) for key, value in node.items()}
    return [_texts(one) for one in node] if isinstance(node, list) else node or ""
