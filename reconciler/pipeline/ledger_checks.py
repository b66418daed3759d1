"""What `doctor` finds of the ledger: whether it can be used, who holds its lock, what was learned of the server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reconciler.errors import Invalid, ReconcilerError
from reconciler.ledger.lock import lock_folder
from reconciler.ledger.open import FEW_BYTES, Contents, Storage, StorageKind, contents_of, is_shared, storage_of
from reconciler.model.ledger import Learned
from reconciler.model.reports import YES, Check, Fact, Facts, Finding, ProbeQuestion, Verdict, answers_of, skipped
from reconciler.pipeline.history import unfinished
from reconciler.pipeline.resources import cipher_of, holder_now
from reconciler.report.layout import count
from reconciler.report.messages.plan import learned_text
from reconciler.settings import Environment, Server

LEDGERS = (Check.STATE, Check.LOCK, Check.LEARNED)
"""What the ledger tells."""

_MIB = 1024**2
_ELSEWHERE = "name another place in `state:` or RECONCILER_STATE"


def of_the_ledger(environment: Environment) -> list[Finding]:
    """Return the findings of state, lock and what was learned."""
    contents, state = _state(environment)
    if contents is None:
        return [state, lock(environment), skipped(Check.LEARNED, "the ledger was not read")]
    return [state, lock(environment), learned(environment, contents.records.learned)]


def _state(environment: Environment) -> tuple[Contents | None, Finding]:
    """Return what the ledger holds, None where it cannot be read, and what was found of it."""
    storage = None
    try:
        place = environment.state()
        storage = storage_of(place)
        contents = contents_of(
            place, environment=environment.name, base_url=environment.base_url(), cipher=cipher_of(environment)
        )
    except (ReconcilerError, OSError, ValueError) as error:
        facts: Facts = {} if storage is None else _facts(storage)
        said = error.message if isinstance(error, ReconcilerError) else str(error)
        hint = error.hint if isinstance(error, ReconcilerError) else _ELSEWHERE
        facts = {**facts, "readable": False, "error": type(error).__name__}
        return None, Finding(Check.STATE, Verdict.WRONG, said, hint, facts)
    return contents, state_of(place, storage, contents)


_KINDS = {StorageKind.DATABASE: "PostgreSQL", StorageKind.STORE: "object storage"}


def state_of(place: str, storage: Storage, contents: Contents) -> Finding:
    """Return what a ledger that can be read is found to be; `place` is its path, or its URL."""
    records, meta = contents.records, contents.meta
    shown = f"the ledger in {_KINDS[storage.kind]}" if storage.kind in _KINDS else place
    facts = {
        **_facts(storage),
        "readable": True,
        "customers": len(records.bindings),
        "runs": len(contents.runs),
        "unfinished_probes": len(unfinished(contents.runs)),
        "open_intents": len(records.intents),
        "users_of": len(records.users),
    }
    said = f"{shown}: no ledger yet; the first apply creates it"
    if meta is not None:
        held = f"{count(len(records.bindings), 'customer')}, {count(len(contents.runs), 'run')}"
        said = f"{shown}: format {storage.format}, lineage {meta.lineage[:8]}, serial {meta.serial}, {held}"
    if not storage.writable:
        mend = f"make it and its folder writable for apply, or {_ELSEWHERE}; plan and drift only read it"
        return Finding(Check.STATE, Verdict.WRONG, f"{said}; it cannot be written", mend, facts)
    warned = _warned(storage, contents)
    if warned is not None:
        return Finding(Check.STATE, Verdict.WARNING, f"{said}; {warned[0]}", warned[1], facts)
    return Finding(Check.STATE, Verdict.OK, said, facts=facts)


def _warned(storage: Storage, contents: Contents) -> tuple[str, str] | None:
    """Return what is not as it should be with a ledger that can be used, and what fixes it; None for nothing."""
    if storage.free_bytes is not None and storage.free_bytes < FEW_BYTES:
        return f"its disk has {storage.free_bytes // _MIB} MiB left", "free some space"
    if 0 < storage.format < storage.known:
        said = f"this version writes format {storage.known}"
        copied = ", after saving a copy" if storage.kind is StorageKind.FILE else ""
        return said, f"the next command that writes migrates it{copied}; older versions can no longer read it then"
    if unfinished(contents.runs):
        said = "a probe stopped early, and may have left a customer active"
        return said, "`reconciler doctor --probe` archives that customer before it starts"
    if contents.records.intents:
        said = f"{count(len(contents.records.intents), 'change')} of a run in doubt or in progress"
        return said, "`reconciler plan` shows their effect, and the next apply settles them"
    return None


def _facts(storage: Storage) -> Facts:
    """Return what may be known to anybody of where a ledger lies."""
    return {
        "kind": storage.kind.value,
        "format": storage.format,
        "known": storage.known,
        "writable": storage.writable,
        "free_mib": None if storage.free_bytes is None else storage.free_bytes // _MIB,
    }


def lock(environment: Environment) -> Finding:
    """Return who holds the lock, and whether one could be taken."""
    try:
        environment.ref()
    except Invalid:
        return skipped(Check.LOCK, "it depends on a base URL and a client id, and one of them is missing")
    try:
        holder = holder_now(environment)
        shared = is_shared(environment.state())
        folder = None if shared else lock_folder(otherwise=Path(environment.state()).parent)
    except (ReconcilerError, OSError, ValueError) as error:
        said = error.message if isinstance(error, ReconcilerError) else str(error)
        facts: dict[str, Fact] = {"error": type(error).__name__}
        return Finding(Check.LOCK, Verdict.WRONG, said, getattr(error, "hint", ""), facts)
    facts = {"held": holder is not None, "lease": shared}
    if holder is not None:
        mend = "wait for it to end, or use --lock-timeout"
        mend += (
            ("; if that run is dead, `reconciler state unlock` ends the lock")
            if shared
            else "; it ends with its process"
        )
        return Finding(Check.LOCK, Verdict.WARNING, f"it is held: {holder}", mend, facts)
    if not shared and folder is None:
        mend = "make the user's state folder writable, or set XDG_STATE_HOME to one that is"
        return Finding(Check.LOCK, Verdict.WRONG, "it is not held, but it cannot be taken", mend, facts)
    where = "a lease of 15 s, beside the ledger" if shared else f"in {folder}"
    return Finding(Check.LOCK, Verdict.OK, f"it is not held ({where})", facts=facts)


def learned(environment: Environment, known: Learned) -> Finding:
    """Return what is known of the server: what the environment states, else what was learned."""
    stated = environment.server
    lists = known.lists_archived if stated.lists_archived is None else stated.lists_archived
    gets = known.gets_archived if stated.gets_archived is None else stated.gets_archived
    said = [
        _way(lists, "archived customers are listed", "archived customers are not listed"),
        _way(gets, "a GET returns an archived customer", "a GET does not return an archived customer"),
        f"pages of up to {known.longest_page}" if known.longest_page else "",
        f"{known.empties} empties a field" if known.empties else "",
        f"a write may be invisible for {stated.lag_s:g} s (stated)" if stated.lag_s is not None else "",
    ]
    answers = answers_of(known.answers)
    if answers:
        said.append(f"a probe answered {count(len(answers), 'question')}")
    if known.lag_s and stated.lag_s is None:
        said.append(f"a write may be invisible for {known.lag_s:g} s")
    how = f" ({learned_text(known.how)})" if known.how else ""
    facts = {
        "lists_archived": lists,
        "gets_archived": gets,
        "longest_page": known.longest_page,
        "empties": known.empties,
        "page_limit": known.page_limit,
        "lag_s": known.lag_s,
        "listed": known.listed,
        **{f"probe_{question.value}": found for question, found in answers.items()},
    }
    text = "; ".join(filter(None, said))
    wrong = _contradicted(stated, known, answers)
    if wrong:
        mend = "correct `server:` in the project file, or remove it to use what was found out"
        return Finding(Check.LEARNED, Verdict.WARNING, f"{text}{how}; {wrong}", mend, {**facts, "contradicts": True})
    if not text:
        text = (
            "nothing yet: plan finds out how long pages are, and the first "
            "archive whether archived customers are listed"
        )
    return Finding(Check.LEARNED, Verdict.OK, f"{text}{how}", facts=facts)


def _contradicted(stated: Server, known: Learned, answers: Mapping[ProbeQuestion, str]) -> str:
    """Return what the project file states of the server and a probe found otherwise, "" for nothing."""
    rows = (
        ("lists_archived", stated.lists_archived, answers.get(ProbeQuestion.LISTS_ARCHIVED)),
        ("gets_archived", stated.gets_archived, answers.get(ProbeQuestion.GETS_ARCHIVED)),
    )
    wrong = [
        f"the project file states {name}: {str(says).lower()}, and a probe found {found}"
        for name, says, found in rows
        if says is not None and found is not None and says is not (found == YES)
    ]
    if stated.lag_s is not None and known.lag_s > stated.lag_s:
        wrong.append(f"the project file states lag: {stated.lag_s:g}s, and by a probe it is {known.lag_s:g} s")
    return "; ".join(wrong)


def _way(answer: bool | None, yes: str, no: str) -> str:
    """Return what is known of a question in words, "" for nothing."""
    return "" if answer is None else yes if answer else no
