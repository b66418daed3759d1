"""`schema`: prints a JSON Schema, or the contract of the API."""

from __future__ import annotations

from reconciler.cli import output
from reconciler.resources import shipped

CONTRACT = "openapi"


def run(name: str) -> None:
    """Print the file."""
    file = "openapi.yaml" if name == CONTRACT else f"{name}.schema.json"
    output.result(output.read_text(shipped(f"schema/{file}")))
