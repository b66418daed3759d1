from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.desired.format import format_text

EXAMPLES = Path(__file__).parent.parent / "examples"
FILES = [
    path for path in sorted(EXAMPLES.rglob("*.yaml")) if path.name != "reconciler.yaml" and "fleet" not in path.parts
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_the_examples_have_the_canonical_layout(path: Path) -> None:
    content = path.read_bytes()
    assert format_text(content, path.name) == (content, ())
