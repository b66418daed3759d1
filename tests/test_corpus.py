"""The inputs that fuzzing begins with are read as what they are, and what goes wrong in a reader is found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"
sys.path.append(str(BENCH))  # benchmarks are no package

import readers  # noqa: E402

INPUTS = [(name, path) for name in readers.READERS for path in readers.seeds(name)]


@pytest.mark.parametrize(("name", "path"), INPUTS, ids=lambda part: part if isinstance(part, str) else part.name)
def test_an_input_of_the_corpus_is_read_without_an_error(name: str, path: Path) -> None:
    # One that is refused at its door would lead no fuzzer behind it.
    readers.READERS[name](path.read_bytes())


def test_every_folder_of_the_corpus_has_its_reader() -> None:
    assert {path.name for path in readers.CORPUS.iterdir()} == set(readers.READERS)


@pytest.mark.parametrize("name", readers.READERS)
@pytest.mark.parametrize("data", [b"", b"\x00", b"[" * 5000, b"\xff\xfe", b"{}"], ids=lambda data: repr(data[:4]))
def test_what_is_no_input_at_all_is_refused_by_an_error_of_ours(name: str, data: bytes) -> None:
    readers.read(name, data)


def test_an_error_that_is_not_ours_leaves_the_reader() -> None:
    with pytest.raises(KeyError):
        readers.read("yaml", b"x", {"yaml": lambda data: {}[data]})
