"""A customer's record in the ledger: what was applied and observed, in the form in which it is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from reconciler.kinds.customer import FIELDS, fingerprint
from reconciler.model.ledger import Binding, Trouble, trouble_json


def compact(values: Mapping[str, str | None]) -> str:
    """Return values as the ledger stores them: JSON without blanks, in the order of the fields' names."""
    return json.dumps(dict(sorted(values.items())), ensure_ascii=False, separators=(",", ":"))


def with_record(
    binding: Binding,
    applied: Mapping[str, str | None],
    observed: Mapping[str, str],
    trouble: Mapping[str, Trouble],
) -> Binding:
    """Return `binding` with this record; `observed` is stored only where it is not `applied` in canonical form."""
    equal = all(FIELDS[name].same(applied[name], observed.get(name)) for name in applied)
    return replace(
        binding,
        applied_hash=fingerprint(applied),
        applied_json=compact(applied),
        observed_json=None if equal else compact({name: observed.get(name, "") for name in applied}),
        trouble_json=trouble_json(trouble),
    )
