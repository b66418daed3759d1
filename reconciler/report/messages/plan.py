"""What is said of a plan: why something is blocked, what to know, what is unknown, why nothing is planned at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from reconciler.errors import ReconcilerError
from reconciler.model.plan import Blocked, Note, Unknown, Unverified, unverified_parts
from reconciler.model.reasons import (
    BlockedReason,
    KeepReason,
    LearnedFrom,
    NoteKind,
    ReasonCode,
    ReasonParts,
    StopReason,
    UnknownKind,
)
from reconciler.report.messages import Wording, said, worded
from reconciler.report.redact import masked_parts, uncited

AGAIN = "make a new plan: reconciler plan --out FILE"
_NEW_PLAN = "Make a new plan: `reconciler plan --out FILE`."

_PICK = (
    "Add an `id:` line that says which one it is. In the dashboard, check that it is active, and that the others are "
    "archived."
)
_REBIND = (
    "If it is the same customer, add `id: {id}` or a `moved:` line. If not, run `reconciler state rm {key:address}` "
    "to forget the binding."
)
_MAY_EXIST_AS = "It would be created, but an existing customer may be the same one: {likes}."
_MAY_BECOME = "{key:q} would be created and may be this customer: it {likes:agrees}."
_SAME = (
    "If it is the same customer, write {likes:line} under {key:q}. If not, write `distinct_from: [{likes:name}]` there."
)
_RENAMED = (
    "If its key changed, write {likes:line}. If they are two customers, write `distinct_from: [{likes:name}]` under "
    "{key:q}, or add `--allow-recreate {key:yaml}`."
)
_RENAMED_ARCHIVED = (
    "If its key changed, remove the entry of {former:q} and write {likes:line}. If they are two customers, write "
    "`distinct_from: [{likes:name}]` under {key:q}, or add `--allow-recreate {key:yaml}`."
)
_UNREVERSE = "stop whatever {does} it (an integration?) and run `reconciler state unblock {{key:address}}`"

BLOCKED: Mapping[BlockedReason, Wording] = {
    BlockedReason.BINDING_EXTERNAL_ID_CHANGED: Wording(
        "It is bound to {id}, whose external_id is {external_id:q} and not {recorded:q}, as the ledger recorded.",
        _REBIND,
    ),
    BlockedReason.BINDING_EXTERNAL_ID_LOST: Wording(
        "It is bound to {id}, which has no external_id. The ledger recorded {recorded:q}.", _REBIND
    ),
    BlockedReason.BOUND_TO_BLOCKED_KEY: Wording(
        "{id} is bound to {key:q}, which is declared too, and blocked because of the same customer.",
        "If the customer belongs to this entry now, run `reconciler state rm {key:address}` to forget the binding.",
    ),
    BlockedReason.BOUND_TO_OTHER_PROJECT: Wording(
        "{id} is bound to {key:q} of project {project:q}, whose file {file:q} is not read here.",
        "Add `forget: [{key:flow}]` there and apply it, or run `reconciler state rm {key:address}`.",
    ),
    BlockedReason.EXTERNAL_ID_ON_SEVERAL: Wording("{ids:active customer} have its external_id: {ids}.", _PICK),
    BlockedReason.EXTERNAL_ID_OF_SEVERAL_KEYS: Wording(
        "{keys:q} would become different active customers with the same external_id, {external_id:q}.",
        "Keep one of these entries, or declare the others `archived: true`.",
    ),
    BlockedReason.ID_OF_SEVERAL_KEYS: Wording(
        "{keys:q} would all be the same customer, {id}.",
        "Keep one of these entries, or give each the right id with an `id:` line.",
    ),
    BlockedReason.ID_UNKNOWN: Wording(
        "The API has no customer {id}, which its `id:` line names.",
        "Correct the id, or remove the line: the customer is then found by its external_id, or created.",
    ),
    BlockedReason.INACTIVE_BESIDE_ACTIVE: Wording(
        "{id} is not active, and {rivals}, which {rivals:is|are} active, {rivals:has|have} its external_id or its key.",
        _PICK,
    ),
    BlockedReason.KEYS_BOUND_APART: Wording(
        "The ledger binds its key and its former keys ({keys:q}) to different customers: {ids}.", _PICK
    ),
    BlockedReason.MOVED_BESIDE_ANOTHER: Wording(
        "{id}, which moved to this key, and {rivals} have the same external_id.", _PICK
    ),
    BlockedReason.CREATE_IN_DOUBT: Wording(
        "We sent its create and got no answer, and it is not visible yet, so the create is in doubt.",
        "Plan again in a minute. If it is listed by then, it is adopted. If not, it is created.",
    ),
    BlockedReason.EXTERNAL_ID_TAKEN: Wording(
        "The server refused to create it because its external_id is in use ({answer}), and no active customer has it.",
        "An archived customer has it: restore that one in the dashboard, or add an `id:` line with its id.",
    ),
    BlockedReason.LIKE_ARCHIVED_KEY: Wording(_MAY_EXIST_AS, _RENAMED_ARCHIVED),
    BlockedReason.LIKE_CUSTOMER: Wording(_MAY_EXIST_AS, _SAME),
    BlockedReason.LIKE_FORMER_KEY: Wording(_MAY_EXIST_AS, _RENAMED),
    BlockedReason.LIKE_SEVERAL: Wording(
        "It would be created, but existing customers may be the same one: {likes}.",
        "If it is one of them, write the line of that one under {key:q}: {likes:line}. If it is none of them, write "
        "`distinct_from: [{likes:name}]` there.",
    ),
    BlockedReason.LIKE_NEW_CUSTOMER: Wording(_MAY_BECOME, _SAME),
    BlockedReason.LIKE_NEW_KEY: Wording(_MAY_BECOME, _RENAMED),
    BlockedReason.LIKE_NEW_KEY_ARCHIVED: Wording(_MAY_BECOME, _RENAMED_ARCHIVED),
    BlockedReason.MAY_EXIST: Wording(
        "It may exist already: {listings:listing} of the account in a row held different customers, and a listing can "
        "miss a customer while others are being archived.",
        "Apply again at a quieter time: two listings in a row with the same customers prove that it does not exist.",
    ),
    BlockedReason.EMAIL_MISSING: Wording(
        "It has no email, and a probe found that this account refuses to create a customer without one.",
        "Add `email:`.",
    ),
    BlockedReason.NAME_MISSING: Wording(
        "It has no name, and a customer cannot be created without one.", "Add `name:`."
    ),
    BlockedReason.NAME_MISSING_FOR_RESTORE: Wording(
        "It has to be restored, or created if it is gone, and it has no name.", "Add `name:`."
    ),
    BlockedReason.FIELD_FIXED: Wording(
        "The API cannot change {field}: it is {live}, and the file says {declared}.",
        "Declare the current value, add `ignore_changes: [{field}]`, or change it in the dashboard.",
    ),
    BlockedReason.USER_FIXED: Wording(
        "The API cannot change a user: {field} is {live}, and the file says {declared}.",
        "Declare the current value, add `ignore_changes: [{field}]` to the user, or change it in the dashboard.",
    ),
    BlockedReason.VALUE_REFUSED: Wording(
        "The server keeps {live} and does not accept {declared}.",
        "Declare what the server keeps, add `ignore_changes: [{field}]`, or change it in the dashboard.",
    ),
    BlockedReason.VALUE_UNSTABLE: Wording(
        "We set it to {declared} in {runs:run}{times:aside}, and it changed back each time: {seen}.",
        "Stop what overwrites it and run `reconciler state unblock` with its key, declare the value that it keeps, "
        "or add `ignore_changes: [{field}]`. If an integration owns it, add it to `synced.fields` of the environment.",
    ),
    BlockedReason.ARCHIVE_REVERSED: Wording(
        "We archived it {times:time} ({times}), and each time someone restored it outside Reconciler.",
        "If it should be active, remove `archived: true`. Otherwise, "
        + _UNREVERSE.format(does="restores")
        + ": the next apply archives it.",
    ),
    BlockedReason.OWNED_BY_SEVERAL: Wording(
        "It is owned and not declared, and we cannot tell which customer it is: {ids}.",
        "Archive them in the dashboard, or declare the one to keep with an `id:` line.",
    ),
    BlockedReason.OWNED_ONCE_FORGOTTEN: Wording(
        "{id} has the external_id {external_id:q}, which `owns` matches, so it would be archived once it is forgotten.",
        "Add {external_id:q} under `forget:` too, or remove it from `owns`.",
    ),
    BlockedReason.PROTECTED: Wording(
        "It is declared `archived: true`, but it is protected.",
        "Apply it once with `protect: false`, or run `reconciler state unprotect {key:address}`. Then archive it.",
    ),
    BlockedReason.PROTECTED_BY_POLICY: Wording(
        "It is declared `archived: true`, but `policy.protect` protects it.",
        "Remove it from the patterns of `policy.protect`, or remove `archived: true`.",
    ),
    BlockedReason.REMOVED_BUT_PROTECTED: Wording(
        "It was removed from the files, but it is protected.",
        "Declare it again with `protect: false`, add it under `forget:`, or run "
        "`reconciler state unprotect {key:address}`.",
    ),
    BlockedReason.REMOVED_BUT_PROTECTED_BY_POLICY: Wording(
        "It was removed from the files, but `policy.protect` protects it.",
        "Declare it again, add it under `forget:`, or remove it from the patterns of `policy.protect`{at:aside}.",
    ),
    BlockedReason.RESTORE_REVERSED: Wording(
        "We restored it {times:time} ({times}), and each time someone archived it outside Reconciler.",
        "If it should be archived, declare `archived: true`. Otherwise, "
        + _UNREVERSE.format(does="archives")
        + ": the next apply restores it.",
    ),
    BlockedReason.SYNCED_ACTIVE: Wording(
        "An integration keeps it active, and `synced.lifecycle: observe` leaves that to the integration.",
        "Delete it in the integration, which then archives it here, or delete `archived: true`.",
    ),
    BlockedReason.UNDO_CHANGED_SINCE: Wording(
        "{field} is {live} now, and the run left {left}.",
        "Undo what changed it later first, or set it in the file.",
    ),
    BlockedReason.UNDO_INACTIVE: Wording(
        "{id} is no longer active, so it cannot be patched back.", "Restore it first, then undo again."
    ),
    BlockedReason.UNDO_PROTECTED: Wording(
        "The run created or restored it, and it is protected now.",
        "Apply it once with `protect: false`, run `reconciler state unprotect {key:address}`, or remove it from the "
        "patterns of `policy.protect`. Then undo again.",
    ),
    BlockedReason.UNDO_UNBOUND: Wording(
        "The ledger no longer binds {id} to a key, so we do not know what became of it.",
        "Change it in the dashboard, or with `reconciler api`.",
    ),
    BlockedReason.UNDO_UNKNOWN_CUSTOMER: Wording(
        "The ledger does not have which customer this create made.",
        "Find it in the dashboard and archive it there, or declare it `archived: true`.",
    ),
    BlockedReason.UNDO_USER: Wording(
        "The API cannot delete a user.", "Remove the user in the dashboard, and from the file."
    ),
    BlockedReason.UNDO_VALUES_ERASED: Wording(
        "The values of this change were erased, so we cannot tell what to undo.", "Change it in the file."
    ),
    BlockedReason.UNDO_WOULD_DUPLICATE: Wording(
        "{rivals} {rivals:is|are} active with its external_id, so restoring {id} would make a duplicate.",
        "If {id} is the right one, archive {rivals} first, and undo again.",
    ),
    BlockedReason.DUPLICATES_BOUND: Wording(
        "The ledger binds {ids} to {keys:q}, and a bound customer is not archived here.",
        "Add the `id:` of the one to keep to the file and apply that, or run `reconciler state rm` with the other key. "
        "Then run this again.",
    ),
    BlockedReason.DUPLICATES_PROTECTED: Wording(
        "It is protected, so none of them is archived.",
        "Remove it from the patterns of `policy.protect`, or archive one in the dashboard.",
    ),
}

_NOBODY = "matches no customer that is declared, managed, or live."

NOTES: Mapping[NoteKind, Wording] = {
    NoteKind.SYNCED_FIELD: Wording(
        "{field} is {held} in the account and {declared} in the file. An integration owns {field} (`synced.fields`), "
        "so it is not patched."
    ),
    NoteKind.SYNCED_ARCHIVE: Wording("An integration syncs it and may restore it. A third archive is blocked."),
    NoteKind.SYNCED_RESTORE: Wording("An integration syncs it and may archive it again. A third restore is blocked."),
    NoteKind.SYNCED_ARCHIVED: Wording(
        "The integration archived it, and `synced.lifecycle: observe` leaves it archived.",
        "Declare `archived: true` to agree, or restore it in the integration.",
    ),
    NoteKind.SYNCED_RELEASED: Wording(
        "It was removed from the files and stays active: an integration syncs it, and `synced.lifecycle: observe` "
        "leaves archiving to the integration."
    ),
    NoteKind.ABSENT_ALREADY: Wording("It is declared `archived: true` and does not exist, so there is nothing to do."),
    NoteKind.DISTINCT_FROM_NOBODY: Wording(
        "`distinct_from` names {name:q}, which is not an id, a key, or an external_id here."
    ),
    NoteKind.EXTERNAL_ID_DIFFERS: Wording("{id} has the external_id {external_id:q}, which the API cannot change."),
    NoteKind.EXTERNAL_ID_EMPTY: Wording("{id} has no external_id, and the API cannot add one."),
    NoteKind.FIELD_RELEASED: Wording("{field} is no longer managed and stays {value}."),
    NoteKind.FORGOTTEN_LATER: Wording(
        "We wrote to it a moment ago and it is not listed yet, so a later run will forget it."
    ),
    NoteKind.LISTED_THOUGH_ARCHIVED: Wording(
        "We archived it and it is listed. We treat it as archived, because the server may list archived customers, but "
        "someone may have restored it.",
        "If you know which, set `server: {{lists_archived: …}}`.",
    ),
    NoteKind.LOOKS_LIKE: Wording("It looks like {likes:others}.", "If it is the same customer, write {likes:line}."),
    NoteKind.LOOKS_LIKE_UNREAD: Wording("It looks like {likes:others}."),
    NoteKind.REMOVED_AND_INACTIVE: Wording(
        "It was removed from the files, and someone already archived it outside Reconciler."
    ),
    NoteKind.REMOVED_BUT_RESTORED: Wording(
        "It was removed from the files, and someone restored it outside Reconciler, so it stays as it is."
    ),
    NoteKind.SYNCED: Wording("An integration syncs it, and may refuse or overwrite the patch."),
    NoteKind.USER_RELEASED: Wording("It is no longer managed and stays as it is."),
    NoteKind.API_KEY_ACCEPTED: Wording(
        "The ledger does not know this API key, and only {live} of its {bound} customers are live here. You accepted "
        "the key with `--accept-new-key`."
    ),
    NoteKind.API_KEY_CHANGED: Wording(
        "The ledger does not know this API key yet, but {live} of {bound} bound customers are as recorded, so the "
        "account is the same."
    ),
    NoteKind.ARCHIVED_UNCONFIRMED: Wording(
        "This server lists archived customers, so we cannot see whether someone restored {keys:customer} that the "
        "files declare `archived: true`: {keys}."
    ),
    NoteKind.LISTED_TWICE: Wording(
        "This plan is neither saved nor in a ledger, so an apply lists the account twice, to prove that the customers "
        "it creates do not exist. That takes {requests:more request}; a plan saved with `--out` does not need "
        "{requests:it|them}."
    ),
    NoteKind.LISTING_OF_ARCHIVED_UNKNOWN: Wording(
        "We do not know yet whether this server lists archived customers. Until we do, we treat the customers that we "
        "archived as archived."
    ),
    NoteKind.LOOKALIKES_LEFT: Wording(
        "{customers:more customer} {customers:looks|look} like live customers that no key claims. "
        "`reconciler import --match` lists them."
    ),
    NoteKind.ALLOWED: Wording(
        "{rule}: {planned} planned and {limit} allowed, but `allow`{at:aside} permits it until {until}: {reason:q}."
    ),
    NoteKind.ALLOWED_ACTION: Wording(
        "{action:spaced}: {planned} planned, and `allow`{at:aside} approves it until {until}: {reason:q}."
    ),
    NoteKind.ALLOWED_LONG: Wording(
        "`allow`{at:aside} holds until {until}, for {days:more day}.",
        "An exception should end with its reason: set an earlier date, or change the limit.",
    ),
    NoteKind.ALLOW_ENDED: Wording("`allow`{at:aside} ended on {until} and allows nothing.", "Remove it."),
    NoteKind.ONLY_TARGETS_READ: Wording(
        "Only the targets were read, so we do not know whether other customers have their external_ids."
    ),
    NoteKind.PATTERN_MATCHES_NOBODY: Wording("`{rule}`{at:aside}: {pattern:q} " + _NOBODY),
    NoteKind.PATTERN_NEARLY_MATCHES: Wording("`{rule}`{at:aside}: {pattern:q} " + _NOBODY, "Did you mean {near:q}?"),
    NoteKind.PATTERNS_LEFT: Wording("The same is true of {patterns:more pattern}."),
    NoteKind.RECREATE_MATCHES_NOBODY: Wording(
        "`--allow-recreate`: {key:q} matches no customer that is declared or managed."
    ),
    NoteKind.RECREATE_NEARLY_MATCHES: Wording(
        "`--allow-recreate`: {key:q} matches no customer that is declared or managed.", "Did you mean {near:q}?"
    ),
    NoteKind.UNVERIFIED: Wording(
        "{customers:customer} {customers:was|were} written {ages_s:to} s ago, so {customers:its|their} state cannot be "
        "verified yet."
    ),
    NoteKind.CHANGED_SINCE: Wording(
        "Only the customers whose entries changed since commit {commit}, where `{ref}` and HEAD branch, are planned: "
        "{planned} of {customers:customer}. The others were not compared with the account, so their drift, and their "
        "edits that were never applied, are not in this plan."
    ),
    NoteKind.SINCE_ENVIRONMENT_UNKNOWN: Wording(
        "The whole account is planned: {environment:q} is not a usable environment in commit {commit} (`{ref}`)."
    ),
    NoteKind.SINCE_FILE_UNREADABLE: Wording(
        "The whole account is planned: what {at} declares in commit {commit} (`{ref}`) cannot be read."
    ),
    NoteKind.SINCE_NOT_IN_GIT: Wording(
        "The whole account is planned: {file:q} is not a file that this git repository keeps, so there is nothing to "
        "compare with in `{ref}`."
    ),
    NoteKind.SINCE_PROJECT_FILE: Wording(
        "The whole account is planned: {file:q} was added or removed since commit {commit} (`{ref}`)."
    ),
    NoteKind.SINCE_SETTINGS: Wording(
        "The whole account is planned: since commit {commit} (`{ref}`), the project file changed {settings}, which can "
        "concern every customer."
    ),
    NoteKind.UNDO_ACTIVE_AGAIN: Wording("It is active again, so there is nothing to undo."),
    NoteKind.UNDO_FAILED: Wording("Its {action:spaced} failed in that run, so there is nothing to undo."),
    NoteKind.UNDO_INACTIVE_ALREADY: Wording("It is no longer active, so there is nothing to undo."),
    NoteKind.UNDO_IN_DOUBT: Wording("Its {action:spaced} is in doubt, so it is not undone."),
    NoteKind.UNDO_KEEPS_FILES: Wording(
        "An undo changes no file, so the next apply does again what the files still say.",
        "Change the files too, before it runs.",
    ),
    NoteKind.UNDO_KEEPS_USER: Wording("It stays with its customer, which the run created."),
    NoteKind.DUPLICATE_KEPT_BOUND: Wording("{id} is kept because the ledger binds it."),
    NoteKind.DUPLICATE_KEPT_CHOSEN: Wording("{id} is kept because you chose it."),
    NoteKind.DUPLICATE_KEPT_OLDEST: Wording("{id} is kept because it is the oldest."),
    NoteKind.DUPLICATE_KEPT_PAYMENT_METHODS: Wording("{id} is kept because it has payment methods."),
    NoteKind.DUPLICATE_KEPT_USERS: Wording("{id} is kept because it has users."),
    NoteKind.DUPLICATES_MAY_BE_ARCHIVED: Wording(
        "This server may list archived customers, so one of these may be archived already."
    ),
}

UNKNOWN: Mapping[UnknownKind, Wording] = {
    UnknownKind.ARCHIVES_INVISIBLE: Wording(
        "This server lists archived customers, and nothing tells them apart, so we cannot see whether someone archived "
        "a customer."
    ),
    UnknownKind.NO_LEDGER: Wording(
        "There is no ledger yet, so we do not know which customers were archived, nor which this project managed."
    ),
    UnknownKind.RESTORES_INVISIBLE: Wording(
        "For the same reason, we cannot see whether someone restored {customers:customer} that we archived."
    ),
    UnknownKind.RESTORES_UNCERTAIN: Wording(
        "{customers:customer} that we archived {customers:is|are} listed. We do not know yet whether this server lists "
        "archived customers, so someone may have restored {customers:it|them}."
    ),
    UnknownKind.WEBHOOKS_SILENT: Wording(
        "The API sends no webhook when someone restores a customer or changes its users, and a webhook can get lost. "
        "Only `reconciler drift` without `--events` finds that."
    ),
}

_TARGETS = (
    "`--target` {targets:q} {targets:matches|match} no customer that is declared, managed, or live. Nothing was sent."
)
_CHECK_LEDGER = "Check the environment, its credentials, and RECONCILER_STATE. For a new account, use a new ledger."

_CHECK_KEY = (
    "Check the credentials and RECONCILER_STATE. If they are right, make a new plan: `reconciler plan --out FILE`."
)

STOPS: Mapping[ReasonCode, Wording] = {
    StopReason.FILES_ELSEWHERE: Wording(
        "{customers} {customers:is|are} not declared here, and none of the files that this project was applied from is "
        "here: {files}. Nothing was sent.",
        "To keep two projects in one ledger apart, add `project: NAME` to reconciler.yaml. If they are one project, "
        "put one of these files back: `customers: {{}}` is enough.",
    ),
    StopReason.LEDGER_ELSEWHERE: Wording(
        "The ledger does not know this API key, and only {live} of its {bound} customers are live here, so it seems "
        "to belong to another account. Nothing was sent.",
        _CHECK_LEDGER + " If the account is the right one, add `--accept-new-key`.",
    ),
    StopReason.LEDGER_MISMATCH: Wording(
        "{broken} of {bound} bound customers have other external_ids than the ledger recorded, so it belongs to "
        "another account. Nothing was sent.",
        _CHECK_LEDGER,
    ),
    StopReason.LISTING_SHORT: Wording(
        "The listing misses {ids}, which a narrower list holds, even when it is taken again. Nothing was sent.",
        "The server cuts its lists short. Plan again later, and report it to the API's support if it goes on.",
    ),
    StopReason.LISTINGS_DIFFER: Wording(
        "{listings:listing} of the account in a row held different customers. Nothing was sent.",
        "Someone else may be changing many customers now, or the server cuts its lists short. Plan again later.",
    ),
    StopReason.PLACE_ELSEWHERE: Wording(
        "{customers} {customers:is|are} not declared here, but {customers:was|were} applied from {places}. This is "
        "{here}. Nothing was sent.",
        "To keep the two apart, add `project: {project}` to reconciler.yaml. If that place is now this one, run "
        "`reconciler state relocate {place}`.",
    ),
    StopReason.TARGET_LEFT_OUT: Wording(_TARGETS, "The environment's `include` and `exclude` leave it out."),
    StopReason.TARGET_MATCHES_NOBODY: Wording(
        _TARGETS, "Check the key. `reconciler state list` shows the customers that are managed."
    ),
    StopReason.TARGET_NEARLY_MATCHES: Wording(_TARGETS, "Did you mean {near:q}?"),
    StopReason.USERS_UNLISTED: Wording(
        "We wrote to {id} a moment ago, and its users cannot be listed yet. Nothing was sent.", "Run again in a minute."
    ),
    StopReason.PLAN_ALTERED: Wording("The plan was edited after it was saved: its digest does not match.", _NEW_PLAN),
    StopReason.PLAN_CUT: Wording("The plan is cut off or damaged: it is not complete JSON.", _NEW_PLAN),
    StopReason.PLAN_FORGED: Wording("The plan cannot be read: Reconciler did not save it.", _NEW_PLAN),
    StopReason.PLAN_FORMAT_UNKNOWN: Wording(
        "The plan has format {found}, and this version reads {known:q}.",
        "Apply it with the version that made it, or make a new plan: `reconciler plan --out FILE`.",
    ),
    StopReason.PLAN_NOT_JSON: Wording("This is not a saved plan: it is not JSON.", _NEW_PLAN),
    StopReason.PLAN_NOT_SAVED: Wording(
        "The plan has no digest: it was printed with `--format json`, not saved with `--out`.", _NEW_PLAN
    ),
    StopReason.PLAN_REDACTED: Wording("The plan was written with `--redact`, so its values are missing.", _NEW_PLAN),
    StopReason.PLAN_VERSION_UNKNOWN: Wording("Another version of Reconciler saved this plan.", _NEW_PLAN),
    StopReason.PLAN_WITHOUT_FORMAT: Wording("This is not a saved plan: it has no format_version.", _NEW_PLAN),
    StopReason.ACCOUNT_CHANGED: Wording(
        "The plan was made with another API key, and customers were created or archived since, other than by this "
        "plan, so we cannot tell whether this key is for the same account. Nothing was sent.",
        _CHECK_KEY,
    ),
    StopReason.ACCOUNT_UNLIKE: Wording(
        "The plan was made with another API key, and {live} of the {bound} customers that the ledger knows are "
        "live here, so we cannot tell whether this key is for the same account. Nothing was sent.",
        _CHECK_KEY,
    ),
    StopReason.KEEP_SEVERAL: Wording(
        "{ids} have the same external_id, {external_id:q}, and only one can be kept.",
        "Give `--keep` for one of them.",
    ),
    StopReason.KEEP_WITHOUT_DUPLICATE: Wording(
        "{ids}: no other active customer has the same external_id, so there is nothing to keep.",
        "`reconciler duplicates` lists the ids.",
    ),
}


KEPT: Mapping[KeepReason, str] = {
    KeepReason.CHOSEN: "chosen",
    KeepReason.BOUND: "bound",
    KeepReason.PAYMENT_METHODS: "has payment methods",
    KeepReason.USERS: "has users",
    KeepReason.OLDEST: "oldest",
}

LEARNED: Mapping[LearnedFrom, Wording] = {
    LearnedFrom.ASKED: Wording("learned from {id}, which we had archived"),
    LearnedFrom.CONTRADICTED: Wording("a later listing contradicted it"),
    LearnedFrom.NOT_LISTED: Wording("no listing holds {id}, which we had archived"),
}


def learned_text(how: str) -> str:
    """
    Return in words how something was learned of the server; what a probe or an older version wrote stays as it is.

    >>> learned_text("not_listed cus_1"), learned_text("by a probe")
    ('no listing holds cus_1, which we had archived', 'by a probe')
    """
    code, *parts = how.split(" ")
    for member in LearnedFrom:
        if member == code and len(parts) == len(member.parts):
            return said(LEARNED[member].what, dict(zip(member.parts, parts, strict=True)))
    return how


def kept_text(why: KeepReason) -> str:
    """Return why one of several customers with the same external_id is kept."""
    return KEPT[why]


def unverified_text(customers: Sequence[Unverified]) -> str:
    """Return how many customers cannot be verified yet, and how long ago they were written."""
    return said(NOTES[NoteKind.UNVERIFIED].what, unverified_parts(customers))


def matches_nobody_text(rule: str, near: str) -> str:
    """Return that a pattern matches nobody, and the key that may be meant, "" for none."""
    return said("{rule:q} " + _NOBODY + (" Did you mean {near:q}?" if near else ""), {"rule": rule, "near": near})


def blocked_wording(one: Blocked) -> Wording:
    """Return why something is blocked, and what to do about it."""
    return worded(BLOCKED, one.reason, one.parts)


def note_text(one: Note) -> str:
    """Return the text of a note, with what to do where there is something."""
    return worded(NOTES, one.kind, one.parts).text


def unknown_text(one: Unknown) -> str:
    """Return what cannot be known."""
    return worded(UNKNOWN, one.kind, one.parts).what


def word(error: ReconcilerError, *, redact: bool = False) -> None:
    """
    Give an exception of the pure core its message and its hint; any other has its own.

    With `redact` no message holds a personal value, nor what it cites of a server.
    """
    if error.stop is None:
        if redact:
            error.message, error.hint = uncited(error.message), uncited(error.hint)
        return
    parts = cast("ReasonParts", error.stop.parts)
    wording = worded(STOPS, cast("ReasonCode", error.stop.reason), masked_parts(parts) if redact else parts)
    error.message, error.hint = wording.what, wording.fix
