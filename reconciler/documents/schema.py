"""
Whether a value has the shape that a JSON Schema wants, and what is wrong in our words where it has not.
"""

from __future__ import annotations

import decimal  # noqa: F401 - else jsonschema_rs imports it, and a Ctrl-C in that import ends it in a panic
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, TypeAlias

import jsonschema_rs

from reconciler.documents.events import Tree
from reconciler.documents.nodes import KeyPath
from reconciler.documents.scalars import clipped, did_you_mean, quoted


@dataclass(frozen=True, slots=True)
class Misfit:
    """One thing in a value that its schema does not allow. `at_key` says that the key is wrong, not its value."""

    path: KeyPath
    message: str
    hint: str = ""
    at_key: bool = False


class Shape:
    """
    A compiled schema, or one of its `$defs`.

    `jsonschema_rs` decides, as it takes a fiftieth of the time; `jsonschema` explains the few that it refuses.
    """

    def __init__(self, schema: Mapping[str, Any], definition: str = "") -> None:
        self._schema = {"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]} if definition else dict(schema)
        self._fits = jsonschema_rs.validator_for(self._schema).is_valid

    def fits(self, value: Tree) -> bool:
        """Say whether `value` has the shape."""
        return self._fits(value)

    def misfits(self, value: Tree) -> tuple[Misfit, ...]:
        """Return what is wrong with `value`; nothing for what fits."""
        if self._fits(value):
            return ()
        found = tuple(one for error in self._explaining.iter_errors(value) for one in _in_our_words(error))
        # The two could differ in a corner of a pattern; what is refused is never silent.
        return found or (Misfit((), "this does not fit the schema", "see `reconciler schema`"),)

    def misfits_at(self, path: KeyPath, value: Tree) -> tuple[Misfit, ...]:
        """Return what is wrong with `value`, were it the only content, at `path`; the misfits' paths begin with it."""
        tree = value
        for step in reversed(path):
            tree = [tree] if isinstance(step, int) else {str(step): tree}
        depth = len(path)
        return tuple(
            replace(one, path=(*path, *one.path[depth:])) for one in self.misfits(tree) if len(one.path) >= depth
        )

    @cached_property
    def _explaining(self) -> _Validator:
        return _explaining_kind()(_inlined(self._schema, self._schema["$defs"]))


def _inlined(node: Tree, definitions: Mapping[str, Any]) -> Tree:
    """Return a schema with each `$ref` replaced by what it names: jsonschema spends half its time on following them."""
    if isinstance(node, list):
        return [_inlined(one, definitions) for one in node]
    if not isinstance(node, Mapping):
        return node
    named = definitions[node["$ref"].rpartition("/")[2]] if isinstance(node.get("$ref"), str) else {}
    joined = {**named, **{key: value for key, value in node.items() if key not in ("$ref", "$defs")}}
    return {key: _inlined(value, definitions) for key, value in joined.items()}


_Error: TypeAlias = Any  # jsonschema's errors and validators: what their attributes hold is untyped
_Validator: TypeAlias = Any


@cache
def _explaining_kind() -> _Validator:
    """Return the kind of validator that explains; made where something is wrong, as its import takes long."""
    import jsonschema  # noqa: PLC0415 - the same

    def pattern(_: _Validator, wanted: str, text: Tree, __: Tree) -> Iterator[jsonschema.ValidationError]:
        # As JSON Schema means it: its `$` is the very end, Python's may stand before a line break.
        if isinstance(text, str) and not re.search(wanted.replace("$", r"\Z"), text):
            yield jsonschema.ValidationError("pattern")

    return jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": pattern})  # type: ignore[no-untyped-call]


_TYPES = {
    "string": "a text",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "nothing",
    "number": "a number",
}


def _in_our_words(error: _Error) -> Iterator[Misfit]:
    """Return what one of jsonschema's errors says."""
    path, value = tuple(error.absolute_path), error.instance
    # `propertyNames` checks a key as a value: its path is the mapping's.
    in_names = "propertyNames" in error.absolute_schema_path
    if in_names:
        path = (*path, value)
    match error.validator:
        case "additionalProperties":
            yield from _unknown(path, value, error.schema["properties"])
        case "type":
            yield _wrong_type(path, value, error.validator_value, error.schema.get("typeHint", ""))
        case "pattern":
            what, _, hint = str(error.schema.get("patternErrorMessage", "has the wrong form")).partition("; ")
            yield Misfit(path, f"{_shown(path, value)} {what}", hint, in_names)
        case "enum":
            yield _not_listed(path, value, error.validator_value, at_key=in_names)
        case "required":
            for key in error.validator_value:
                if key not in value:
                    yield Misfit(path, f"it lacks {quoted(key)}", f"write `{key}:`")
        case "minItems" if error.validator_value == 1:
            yield Misfit(path, "this list is empty", "write at least one text, or remove it")
        case other:
            keys = [option["required"][0] for option in error.validator_value] if other == "anyOf" else []
            message, hint = _REST.get(str(other), ("this does not fit the schema", "see `reconciler schema`"))
            yield Misfit(path, message.format(_listed(keys)), hint)


def _unknown(path: KeyPath, value: Mapping[str, Tree], known: Mapping[str, Tree]) -> Iterator[Misfit]:
    """Yield what to write instead of each key that the schema does not know."""
    for key in value:
        if key not in known:
            yield Misfit((*path, key), f"unknown key {quoted(key)}", _known(key, known), at_key=True)


_REST = {
    "minLength": ("this is empty", "write a text, or remove it"),
    "minItems": ("this is too short", "write at least two texts"),
    "anyOf": ("the file has none of {}", "declare customers: {} if there should be none"),
}


def _not_listed(path: KeyPath, value: Tree, known: list[Tree], *, at_key: bool) -> Misfit:
    """Return what to write instead of a value that a closed list lacks."""
    if not isinstance(value, str) or not value:
        return Misfit(path, f"this is {_kind(value)}", f"write one of: {_listed(known)}", at_key)
    return Misfit(path, f"{quoted(value)} is not valid here", _known(value, [str(one) for one in known]), at_key)


def _wrong_type(path: KeyPath, value: object, expected: str | list[str], known: str) -> Misfit:
    """Return what to write instead of a value of the wrong type; `known` is the schema's own hint, "" for none."""
    wanted = [expected] if isinstance(expected, str) else expected
    # Our reader yields no numbers: where an editor may show one, a text is meant.
    names = [_TYPES[one] for one in wanted if one not in ("number", "null")]
    hint = f"write {' or '.join(names)}"
    if isinstance(value, bool) and "string" in wanted:
        hint = f'quote it if you mean the text: "{str(value).lower()}"'
    elif value is None and "object" in wanted:
        hint = "write {} if it should be empty"
    elif known and (value is None or "object" in wanted):
        hint = known
    return Misfit(path, f"this is {_kind(value)}", hint)


def _kind(value: object) -> str:
    """Return what a value is, in the reader's words."""
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case str():
            return f"the text {quoted(value)}" if value else "an empty text"
        case dict():
            return "a mapping"
        case _:
            return "a list"


def _shown(path: KeyPath, value: str) -> str:
    """Return a value for a message; of an EIN its shape alone, as messages end in logs."""
    return f"'{re.sub('[0-9]', '#', clipped(value))}'" if path[-1:] == ("ein",) else quoted(value)


def _known(word: str, known: Mapping[str, Any] | list[str]) -> str:
    """Return the nearest of the known words, else all of them."""
    return did_you_mean(word, known) or f"known here: {_listed(known)}"


def _listed(words: Mapping[str, Any] | list[Any]) -> str:
    """Return words with commas between them; of 1 and "1" one."""
    return ", ".join(dict.fromkeys(str(word) for word in words))
