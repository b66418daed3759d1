"""
A saved plan, and one under seal: AES-256-GCM, bound to the environment, the base URL and the project that it is for.

A sealed plan says in the clear what it is for and which key sealed it, so that a refusal can say which of them
differs, and the digest of the plan, which names it. None of that is believed: it opens only as a plan of the
environment that it is applied in.
"""

from __future__ import annotations

import json
from uuid import uuid4

from reconciler.errors import Invalid, LedgerFailed, Problem, Refused, Source
from reconciler.escape import visible
from reconciler.ledger.encryption import Cipher, is_sealed, read_keys, sealed_by
from reconciler.pipeline.plan import Planned
from reconciler.plan.revalidate import evidence_of
from reconciler.plan.saved_plan import digest_in, save
from reconciler.report.messages.plan import AGAIN
from reconciler.settings import Environment

_VERSION = 1
_KEYS = "RECONCILER_PLAN_KEY, or the file that RECONCILER_PLAN_KEY_FILE names"
_ALTERED = "the sealed plan was altered or cut after it was saved; nothing was sent"
_NAME_IT = {"project": "apply it with the project file of that project"}


def check_keys(environment: Environment) -> None:
    """Raise Invalid or LedgerFailed where a key is given that is none, or that cannot be used."""
    _cipher(environment)


def saved(planned: Planned, lineage: str, *, refresh_users: bool = False) -> str:
    """Return the text of a saved plan, unsealed; `lineage` is that of its ledger, "" for none."""
    from reconciler.report.plan_json import plan_to_json  # noqa: PLC0415 - what makes JSON takes long to load

    return save(
        plan_to_json(planned.plan),
        planned.plan,
        planned.live.read_at,
        uuid4().hex,
        refresh_users=refresh_users,
        evidence=evidence_of(planned.plan.changes, planned.live, planned.records, lineage),
    )


def sealed(text: str, environment: Environment) -> str:
    """Return the text of a saved plan, sealed where a key is given; Invalid or LedgerFailed for a key that is none."""
    cipher = _cipher(environment)
    if cipher is None:
        return text
    return _written(environment, cipher.seal(text, _place(environment)), digest_in(text))


def unsealed(text: str, environment: Environment) -> str:
    """
    Return the text of a saved plan as it was before it was sealed.

    Raises Refused for a plan that is not sealed though a key is given, for one that is sealed with another key or of
    another environment, and for one that was altered. Invalid or LedgerFailed for a key that is none.
    """
    cipher, document = _cipher(environment), _document(text)
    if document is None:
        if cipher is not None:
            raise Refused(
                "the plan is not sealed, but a key for sealed plans is set; nothing was sent",
                f"{AGAIN}, with the same key; or unset {_KEYS}",
            )
        return text
    body = document["sealed"]
    if cipher is None:
        raise Refused(
            f"the plan is sealed with the key {_shown(sealed_by(body))}, and no key is set; nothing was sent",
            f"set the key in {_KEYS}",
        )
    for name, ours in _names(environment).items():
        if document[name] != ours:
            what = name.replace("_url", " URL")
            raise Refused(
                f"the sealed plan is for the {what} {_shown(document[name])}, and this is {visible(ours)}; "
                "nothing was sent",
                f"{_NAME_IT.get(name, 'select it with -e')}, or {AGAIN}",
            )
    if not cipher.has(sealed_by(body)):
        raise Refused(
            f"the plan is sealed with the key {_shown(sealed_by(body))}, which is not set; nothing was sent",
            f"add the key to {_KEYS}, or {AGAIN}",
        )
    # The rest of the file, its whitespace too, must be exactly what is written here.
    digest = document["digest"]
    if _written(environment, body, digest) != text:
        raise Refused(_ALTERED, AGAIN)
    try:
        opened = cipher.open(body, _place(environment))
    except LedgerFailed as exc:
        raise Refused(_ALTERED, AGAIN) from exc
    if digest and digest != digest_in(opened):
        raise Refused(_ALTERED, AGAIN)
    return opened


def is_sealed_plan(text: str) -> bool:
    """Say whether a saved plan is sealed."""
    return _document(text) is not None


def _cipher(environment: Environment) -> Cipher | None:
    """Return what seals and opens saved plans, None where no key is given; Invalid or LedgerFailed for none."""
    text = environment.plan_keys().reveal()
    if not text:
        return None
    keys = read_keys(text, "saved plans")
    if None in keys:
        message = "the key of saved plans is not one: `none` is only for the ledger's key"
        raise Invalid([Problem(Source("RECONCILER_PLAN_KEY"), "", message, "unset it to save plans unsealed")])
    return Cipher(keys)


def _names(environment: Environment) -> dict[str, str]:
    """Return what a sealed plan is bound to."""
    return {"environment": environment.name, "base_url": environment.base_url(), "project": environment.project}


def _place(environment: Environment) -> str:
    """Return what a sealed plan is bound to, as the cipher takes it."""
    return json.dumps(["saved plan", _VERSION, *_names(environment).values()])


def _written(environment: Environment, body: str, digest: str) -> str:
    """Return the text of the file of a sealed plan; `digest` is "" in a file that was sealed without one."""
    named = {"digest": digest} if digest else {}
    return json.dumps({"sealed_plan": _VERSION, **named, **_names(environment), "sealed": body}) + "\n"


def _document(text: str) -> dict[str, str] | None:
    """Return the parts of a sealed plan, None for any other text; Refused for one that is cut or damaged."""
    if not text.startswith('{"sealed_plan"'):
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise Refused(_ALTERED, AGAIN) from exc
    parts = {name: document.get(name) for name in ("environment", "base_url", "project", "sealed")}
    parts["digest"] = document.get("digest", "")
    whole = all(isinstance(part, str) for part in parts.values()) and is_sealed(parts["sealed"])
    if not whole or document["sealed_plan"] != _VERSION:
        raise Refused("the sealed plan was altered, or sealed by another version; nothing was sent", AGAIN)
    return parts


def _shown(text: str) -> str:
    """Return a text of the file for a message: safe to show, and short."""
    return visible(text[:100])
