"""What this plan may speak of: targets, the environment's patterns, this project's entries, what was read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import translate
from itertools import chain

from reconciler.model.core import Address, Desired
from reconciler.model.ledger import Binding
from reconciler.model.policy import Terms


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """
    Return whether an external_id matches one of the shell patterns; case counts.

    >>> matcher(["west-*"])("west-1"), matcher(["west-*"])("West-1"), matcher([])("west-1")
    (True, False, False)
    """
    found = [re.compile(translate(pattern)) for pattern in patterns]
    if not found:
        return lambda _: False
    return lambda text: any(pattern.match(text) for pattern in found)


def protecting(patterns: Iterable[str]) -> Callable[..., bool]:
    """
    Return whether the policy protects a customer: by its key, or by another external_id that it has.

    >>> protecting(["vip-*"])("acme", "vip-1"), protecting(["vip-*"])("acme", "")
    (True, False)
    """
    matches = matcher(patterns)
    return lambda *external_ids: any(map(matches, external_ids))


def spellings(selector: str) -> tuple[str, ...]:
    """
    Return the patterns that a selector of the command line stands for: itself, and the key that it is the address of.

    >>> spellings("west-*"), spellings("a%2Fb"), spellings("acme/jane@acme.example"), spellings("a/b")
    (('west-*',), ('a%2Fb', 'a/b'), ('acme/jane@acme.example', 'acme'), ('a/b',))
    """
    address = Address.parse(selector)
    if address.email is not None and "@" not in address.email:
        return (selector,)
    return tuple(dict.fromkeys((selector, address.external_id)))


def selecting(selectors: Iterable[str]) -> Callable[[str], bool]:
    """Return whether a key is selected by one of the selectors of a command line."""
    return matcher(chain.from_iterable(map(spellings, selectors)))


@dataclass(frozen=True, slots=True)
class Scope:
    """
    Which keys the plan may touch.

    - `targeted`: inside `--target` and outside `--exclude`.
    - `here`: not left out of this environment by its include and exclude patterns.
    - `read`: whether the file of this name was read now, or would have been had it existed.
    - `reset`: whatever is not declared has gone, wherever its entry stood.
    """

    targeted: Callable[[str], bool]
    here: Callable[[str], bool]
    read: Callable[[str], bool]
    project: str
    declared: Callable[[str], bool]
    reset: bool = False

    def gone(self, binding: Binding) -> bool:
        """
        Say whether the entry of `binding` has gone: it is this project's, its file was read, and it is not there.

        A file that is missing from a folder or glob that was read counts as read; standard input does not.
        """
        # A row without a source is there only because its customer was to be archived as owned: that goes on so.
        there = (self.reset and binding.source != "") or self.ours(binding)
        return there and not self.declared(binding.external_id)

    def concerns(self, binding: Binding) -> bool:
        """Say whether a plan of this scope is about the customer of `binding`."""
        return binding.project == self.project and self.targeted(binding.external_id)

    def ours(self, binding: Binding) -> bool:
        """Say whether the entry of `binding` would be seen now if it stood."""
        return binding.project == self.project and self.here(binding.external_id) and self.read(binding.source)

    def left_out(self, bindings: Mapping[str, Binding]) -> int:
        """Return how many have no entry here as their project or file was not read; without a source none ever had."""
        if self.reset:
            return 0
        return sum(row.source != "" and not self.declared(key) and not self.ours(row) for key, row in bindings.items())

    def may_take_over(self, binding: Binding) -> bool:
        """Say whether its customer may be given another key: its own entry has gone, or stands here."""
        return self.ours(binding) or (binding.project == self.project and self.declared(binding.external_id))


def scope_of(desired: Desired, terms: Terms) -> Scope:
    """Return the scope of a plan for `desired` under `terms`."""
    targets, excludes = selecting(terms.targets), selecting(terms.excludes)
    included, excluded = matcher(desired.include), matcher(desired.exclude)
    return Scope(
        targeted=lambda key: (not terms.targets or targets(key)) and not excludes(key),
        here=lambda key: (not desired.include or included(key)) and not excluded(key),
        read=desired.reading.covers(),
        project=terms.project,
        declared=desired.customers.__contains__,
        reset=terms.reset,
    )
