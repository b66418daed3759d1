"""The vendor's own OpenAPI file, read and compared with our contract of the API."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

from reconciler.documents.parse import parse
from reconciler.errors import ReconcilerError
from reconciler.escape import visible
from reconciler.input_file import read_file
from reconciler.model.reports import ContractDifference
from reconciler.probe.contract import NotOpenApi, differences, hosts_of
from reconciler.resources import shipped
from reconciler.settings.environment import BUILT_IN

LARGEST = 16 * 1024**2
"""Bytes of the largest file that is read."""
CONTRACT = "openapi.yaml"
_ADVICE = "name the OpenAPI file (version 3, YAML or JSON) of the Alternative Payments API"
_SHOWN = 3


def compare(path: Path, base_url: str = "") -> tuple[ContractDifference, ...]:
    """
    Return how an OpenAPI file differs from our contract, for the requests that we use.

    `base_url` is the environment's, "" for none: a file of that server, production or demo is taken. Raises
    ReconcilerError where it cannot be read, is no OpenAPI file, or describes another server.
    """
    name = visible(str(path))
    try:
        data = read_file(path, LARGEST)
    except OSError as exc:
        raise ReconcilerError(f"{name}: it cannot be read: {exc.strerror}", _ADVICE) from exc
    theirs = _tree(data, str(path))
    try:
        servers = hosts_of(theirs)
    except NotOpenApi as exc:
        raise ReconcilerError(f"{name}: this is no OpenAPI file: {exc}", _ADVICE) from exc
    known = {urlsplit(url).hostname for url in (*BUILT_IN.values(), base_url) if url}
    hosts = {urlsplit(url).hostname for url in servers} - {None}
    if hosts and not hosts & known:
        shown = ", ".join(visible(str(host)) for host in sorted(map(str, hosts))[:_SHOWN])
        raise ReconcilerError(f"{name}: it describes another server: {shown}", _ADVICE)
    ours = _tree(shipped(f"schema/{CONTRACT}").read_bytes(), CONTRACT)
    return differences(ours, theirs)


def _tree(data: bytes, name: str) -> object:
    """Return a file's content as dicts, lists and texts; ReconcilerError where it is neither JSON nor YAML."""
    if data.lstrip()[:1] == b"{":
        try:
            return json.loads(data, parse_int=str, parse_float=str)
        except (ValueError, RecursionError) as exc:
            words = str(exc) if isinstance(exc, ValueError) else "it is nested too deep"
            raise ReconcilerError(f"{visible(name)}: this is no OpenAPI file: {visible(words)}", _ADVICE) from exc
    document, problems = parse(data, name, ahead=False)
    if document is None or document.tree is None:
        words = visible(str(problems[0])) if problems else "it is empty"
        raise ReconcilerError(f"{visible(name)}: this is no OpenAPI file: {words}", _ADVICE)
    return document.tree
