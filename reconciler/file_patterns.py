"""
Which files are customers files: those of a folder, and those that a glob matches. Pure: it knows only names.

Who reads the disk and who asks whether a file would have been read both ask here, so that they cannot differ.
"""

from __future__ import annotations

import re
from functools import lru_cache

SUFFIXES = (".yaml", ".yml")
"""Of customers files; their case does not count."""

CROSSING = "**"
"""The part of a glob that stands for any number of folders."""

_MAGIC = re.compile(r"[*?[]")


def is_customers_file(name: str) -> bool:
    """
    Say whether a folder's file of this name is read.

    >>> [is_customers_file(name) for name in ("a.yaml", "a.YML", ".a.yaml", "a.yaml~", "a.yaml.orig", "a.txt")]
    [True, True, False, False, False, False]
    """
    return name.lower().endswith(SUFFIXES) and not is_hidden(name)


def is_hidden(name: str) -> bool:
    """Say whether a file or folder of this name is looked into only where its path is written out."""
    return name.startswith(".")


def has_magic(pattern: str) -> bool:
    """Say whether a path, or a name, holds a character that makes it a pattern."""
    return _MAGIC.search(pattern) is not None


def plain_part(path: str) -> str:
    """
    Return what is before the first part of a path that is a pattern.

    >>> plain_part("customers/*/a.yaml"), plain_part("/a/b.yaml"), plain_part("/*.yaml"), plain_part("*.yaml")
    ('customers', '/a/b.yaml', '/', '')
    """
    parts = path.split("/")
    plain = next((at for at, part in enumerate(parts) if has_magic(part)), None)
    if plain is None:
        return path
    return "/".join(parts[:plain]) or path[: path.startswith("/")]


@lru_cache(maxsize=256)
def part_pattern(part: str) -> re.Pattern[str]:
    """
    Return what matches the names that one part of a glob stands for, none with a slash.

    >>> [bool(part_pattern("a*").fullmatch(name)) for name in ("ab", "b", "a")]
    [True, False, True]
    >>> part_pattern("*").fullmatch(".a") is None, part_pattern("[!a]?").fullmatch("bc") is not None
    (True, True)
    """
    return re.compile(_part(part), re.DOTALL)


@lru_cache(maxsize=256)
def file_pattern(part: str) -> re.Pattern[str]:
    """
    Return what matches the names of the files that the last part of a glob stands for.

    The case of .yaml and .yml does not count. A part that ends in no suffix of its own, such as `*`, stands for
    customers files alone, as a folder does.

    >>> [bool(file_pattern("*.yaml").fullmatch(name)) for name in ("a.YAML", "a.yml", "a.yaml~", ".a.yaml")]
    [True, False, False, False]
    >>> [bool(file_pattern("*").fullmatch(name)) for name in ("a.yml", "a.txt")]
    [True, False]
    >>> bool(file_pattern("*.json").fullmatch("a.json"))
    True
    """
    return re.compile(_last(part), re.DOTALL)


@lru_cache(maxsize=256)
def path_pattern(pattern: str) -> re.Pattern[str]:
    """
    Return what matches the normalized paths of the files that a glob stands for.

    >>> [bool(path_pattern("c/*.yaml").fullmatch(path)) for path in ("c/a.yaml", "c/x/a.yaml", "c/.a.yaml")]
    [True, False, False]
    >>> [bool(path_pattern("**/*.yaml").fullmatch(path)) for path in ("a.yaml", "c/x/a.YAML", ".c/a.yaml", "../a.yaml")]
    [True, True, False, False]
    """
    *folders, last = pattern.split("/")
    crossed = "".join(r"(?:(?!\.)[^/]+/)*" if part == CROSSING else f"{_part(part)}/" for part in folders)
    if last == CROSSING:
        crossed, last = rf"{crossed}(?:(?!\.)[^/]+/)*", "*"
    return re.compile(crossed + _last(last), re.DOTALL)


def is_below(path: str, folder: str) -> bool:
    """
    Say whether the file of a normalized path would be read with a folder.

    >>> is_below("customers/west/a.yaml", "customers"), is_below("a.yaml", "."), is_below("../x/a.yaml", "../x")
    (True, True, True)
    >>> is_below("customers/.old/a.yaml", "customers"), is_below("customers2/a.yaml", "customers")
    (False, False)
    >>> is_below("../a.yaml", ".")
    False
    """
    if folder in ("", "."):
        rest = path
        if path.startswith(("../", "/")):
            return False
    else:
        prefix = folder.rstrip("/") + "/"
        if not path.startswith(prefix):
            return False
        rest = path[len(prefix) :]
    *folders, name = rest.split("/")
    return is_customers_file(name) and not any(map(is_hidden, folders))


def _last(part: str) -> str:
    """Return the expression of the last part of a glob."""
    stem, dot, suffix = part.rpartition(".")
    if dot and f".{suffix.lower()}" in SUFFIXES:
        return rf"{_part(stem)}(?i:\.{suffix})"
    if not has_magic(part) or (dot and not has_magic(suffix)):
        return _part(part)
    return rf"(?=.*(?i:\.ya?ml)\Z){_part(part)}"


def _part(part: str) -> str:
    """Return the expression of one part of a glob."""
    pieces = [] if part.startswith(".") or not has_magic(part[:1]) else [r"(?!\.)"]
    at = 0
    while at < len(part):
        char = part[at]
        # A `]` right behind the opening, or behind its `!`, is one of the characters.
        end = part.find("]", at + (3 if part[at + 1 : at + 2] == "!" else 2)) if char == "[" else -1
        if char == "*":
            pieces.append("[^/]*")
        elif char == "?":
            pieces.append("[^/]")
        elif end > 0:
            inside = part[at + 1 : end]
            negated = inside.startswith("!")
            inside = re.sub(r"([\\\[\]^&~|])", r"\\\1", inside.removeprefix("!"))
            pieces.append(rf"(?!/)[{'^' if negated else ''}{inside}]")
            at = end
        else:
            pieces.append(re.escape(char))
        at += 1
    return "".join(pieces)
