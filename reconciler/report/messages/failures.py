"""What is said of how a change, or a run, ended, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.core import Reason, Status
from reconciler.model.plan import Outcome
from reconciler.model.reasons import Ending, EndReason
from reconciler.report.messages import Wording, worded

_ANSWER = "{request:before}{status}{code:after}{words:colon}{about:colon}{advice:then}"

ENDINGS: Mapping[EndReason, Wording] = {
    EndReason.REJECTED: Wording(_ANSWER),
    EndReason.UNAUTHORIZED: Wording(
        "{request:before}{status}{code:after}{words:colon}{about:colon}",
        "Check that the API key belongs to this environment.",
    ),
    EndReason.FORBIDDEN: Wording(
        _ANSWER,
        "The API key lacks a scope, such as {scope}: add it (dashboard: Team Preferences, API Keys).",
    ),
    EndReason.NOT_FOUND: Wording(_ANSWER),
    EndReason.THROTTLED: Wording(_ANSWER),
    EndReason.SERVER_ERROR: Wording(_ANSWER),
    EndReason.NO_ANSWER: Wording("{request:before}no answer that settles it: {words:plain}{advice:then}"),
    EndReason.UNREACHABLE: Wording(
        "{request:before}the API cannot be reached: {words:plain}{advice:then}",
        "Check the network, the base URL and HTTPS_PROXY.",
    ),
    EndReason.NOT_THE_API: Wording(
        "{request:before}the reply is not from this API: {words:plain}{advice:then}", "Check the base URL."
    ),
    EndReason.CREDENTIALS_REFUSED: Wording(
        "{request:before}the API refuses the credentials: {words:plain}{advice:then}",
        "Check AP_CLIENT_ID and AP_CLIENT_SECRET.",
    ),
    EndReason.NOT_LISTED: Wording("{request:before}{words:plain}{advice:then}", "Run it again in a minute."),
    EndReason.STOPPED_IN_DOUBT: Wording("The run stopped after it was sent once without an answer."),
    EndReason.REPLY_LACKS_CUSTOMER: Wording("{request:before}the reply lacks the customer"),
    EndReason.REPLY_LACKS_USER: Wording("{request:before}the reply lacks the user"),
    EndReason.REPLY_OF_ANOTHER: Wording("{request:before}the reply has {id}, which is another customer"),
    EndReason.PREREQUISITE_FAILED: Wording("Not sent, because its {action:spaced} failed."),
    EndReason.PREREQUISITE_IN_DOUBT: Wording("Not sent, because its {action:spaced} is in doubt."),
    EndReason.RUN_STOPPED: Wording("The run stopped before it was sent."),
    EndReason.INTERRUPTED: Wording("Interrupted before it was sent."),
    EndReason.BUDGET_SPENT: Wording("Not started: the run's budget is used up ({allowance})."),
    EndReason.CREATED_WITH_VALUES: Wording("Nothing to send: it was created with these values."),
    EndReason.WAS_THERE: Wording("Nothing to send: it exists already."),
    EndReason.FIELDS_NOT_TAKEN: Wording("The server did not take {fields}.", "The next plan says how to go on."),
    EndReason.OTHER_EXTERNAL_ID: Wording("The reply has the external_id {external_id:q}, which is not the key."),
    EndReason.ALREADY_ARCHIVED: Wording("It counts as archived already, by what the API answered."),
    EndReason.ALREADY_RESTORED: Wording("It counts as restored already, by what the API answered."),
    EndReason.NOT_VISIBLE: Wording("This server does not show whether it was done. It counts as done."),
    EndReason.LOST_DONE: Wording("Its answer was lost, but it was done."),
    EndReason.LOST_NOT_DONE: Wording("Its answer was lost, and it was not done."),
    EndReason.LOST_SENT_AGAIN: Wording("Its answer was lost, and it was sent again."),
    EndReason.LOST_SEVERAL: Wording(
        "Its answer was lost, and it may have created any of {ids}.",
        "Compare them, and archive those that are too many.",
    ),
    EndReason.LOST_CLAIMED: Wording(
        "Its answer was lost, and {ids}, which is bound to another key, has its external_id.",
        "Check which of the two keys it belongs to.",
    ),
    EndReason.LOST_UNMANAGED: Wording(
        "Its answer was lost, and a plan only reads customers that are managed.",
        "Look at the customer: `reconciler api customers get`.",
    ),
    EndReason.READ_DONE: Wording("A later run found that it was done."),
    EndReason.READ_NOT_DONE: Wording("A later run found that it was not done."),
    EndReason.READ_NOT_DONE_OR_SENT_AGAIN: Wording("A later run found that it was not done, or sent it again."),
    EndReason.EARLIER_RUN_DID_IT: Wording("Run {run}, whose answer was lost, did it."),
    EndReason.EARLIER_RUN_DID_OTHERWISE: Wording(
        "Run {run}, whose answer was lost, did it with other values.", "Patch the customer with the values you want."
    ),
    EndReason.REFUSED_IN_A_ROW: Wording("{count} refusals of one kind in a row"),
}
"""A wording without a period ends in what a server or a library said, or continues with its cause."""

_DOUBT = "The next plan settles it."
_DIRECT_DOUBT = "Send it again: that does no harm."


def ending_wording(ending: Ending) -> Wording:
    """Return what is said of an ending, with its cause, and what to do: about its cause, where it has no fix."""
    own = worded(ENDINGS, ending.code, ending.parts)
    if ending.cause is None:
        return own
    cause = ending_wording(ending.cause)
    return Wording(f"{own.what.removesuffix('.')}: {cause.what}", own.fix or cause.fix)


def ending_text(ending: Ending | None, *, fix: str | None = None) -> str:
    """Return what is said of an ending, and what to do, `fix` where that is given; "" for none."""
    if ending is None:
        return ""
    wording = ending_wording(ending)
    then = wording.fix if fix is None else fix
    if not then:
        return wording.what
    return f"{wording.what if wording.what.endswith('.') else wording.what + '.'} {then}"


def outcome_text(outcome: Outcome) -> str:
    """Return what is said of an outcome; "" where there is nothing to say."""
    lost = outcome.ending is not None and outcome.ending.code not in _SETTLED
    if outcome.status is Status.IN_DOUBT and lost:
        return ending_text(outcome.ending, fix=_DIRECT_DOUBT if outcome.change.reason is Reason.DIRECT else _DOUBT)
    return ending_text(outcome.ending)


_SETTLED = (EndReason.LOST_SEVERAL, EndReason.LOST_CLAIMED, EndReason.LOST_UNMANAGED)
"""What was looked for, and stays in doubt until someone decides."""
