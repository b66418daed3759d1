"""How a change ended: each code has a sentence, a next step where the user can act, and an entry in the docs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from reconciler.apply.sender import ending_of
from reconciler.errors import (
    ApiFailed,
    Forbidden,
    Incomplete,
    NotFound,
    NotTheApi,
    OverBudget,
    Rejected,
    Stopped,
    Throttled,
    Unanswered,
    Unauthorized,
    Unreachable,
)
from reconciler.model.core import Action, Address, CustomerId, Reason, Status
from reconciler.model.plan import Change, Outcome
from reconciler.model.reasons import (
    Cited,
    Ending,
    EndReason,
    FieldCited,
    FieldValue,
    ending_json,
    read_ending,
    stored_ending,
)
from reconciler.report.messages import placeholders
from reconciler.report.messages.failures import ENDINGS, ending_text, outcome_text
from reconciler.report.redact import masked_ending

ROOT = Path(__file__).parents[2]
NO_STEP = {
    # The server's words say what is wrong with the request.
    EndReason.REJECTED,
    EndReason.NOT_FOUND,
    EndReason.THROTTLED,
    # The next plan settles it, or the last lines of the run say how to go on.
    EndReason.SERVER_ERROR,
    EndReason.NO_ANSWER,
    EndReason.STOPPED_IN_DOUBT,
    EndReason.REPLY_LACKS_CUSTOMER,
    EndReason.REPLY_LACKS_USER,
    EndReason.REPLY_OF_ANOTHER,
    EndReason.PREREQUISITE_FAILED,
    EndReason.PREREQUISITE_IN_DOUBT,
    EndReason.RUN_STOPPED,
    EndReason.INTERRUPTED,
    EndReason.BUDGET_SPENT,
    # It was done, or a later run knows.
    EndReason.CREATED_WITH_VALUES,
    EndReason.WAS_THERE,
    EndReason.OTHER_EXTERNAL_ID,
    EndReason.ALREADY_ARCHIVED,
    EndReason.ALREADY_RESTORED,
    EndReason.NOT_VISIBLE,
    EndReason.LOST_DONE,
    EndReason.LOST_NOT_DONE,
    EndReason.LOST_SENT_AGAIN,
    EndReason.READ_DONE,
    EndReason.READ_NOT_DONE,
    EndReason.READ_NOT_DONE_OR_SENT_AGAIN,
    EndReason.EARLIER_RUN_DID_IT,
    # Its cause says what to do.
    EndReason.REFUSED_IN_A_ROW,
}
"""Codes after which nobody has to do anything by their own."""


@pytest.mark.parametrize("code", EndReason)
def test_every_code_has_a_sentence_that_shows_each_of_its_parts(code: EndReason) -> None:
    assert placeholders(ENDINGS[code]) | {"advice"} == {*code.parts, "advice"}


@pytest.mark.parametrize("code", EndReason)
def test_every_code_after_which_the_user_can_act_has_a_next_step(code: EndReason) -> None:
    assert bool(ENDINGS[code].fix) is (code not in NO_STEP)
    assert ENDINGS[code].fix[-1:] in ("", ".")


def test_every_code_is_in_the_docs_and_in_the_schemas() -> None:
    page = (ROOT / "docs" / "reference" / "reasons.md").read_text(encoding="utf-8")
    section = page.partition("## How a change ended")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [*EndReason]
    for name in ("result", "events", "history"):
        schema = (ROOT / "schema" / f"{name}.schema.json").read_text(encoding="utf-8")
        listed = {tuple(one) for one in _enums(json.loads(schema)) if "lost_done" in one}
        assert listed == {(*EndReason, None)}


def _enums(node: object) -> list[list[object]]:
    """Return every list of allowed values below a node of a schema."""
    if isinstance(node, dict):
        own = [node["enum"]] if isinstance(node.get("enum"), list) else []
        return own + [one for below in node.values() for one in _enums(below)]
    return [one for below in node for one in _enums(below)] if isinstance(node, list) else []


CAUSE = Ending(
    EndReason.REJECTED,
    {
        "request": "POST /customers",
        "status": 422,
        "code": "invalid",
        "words": Cited("half \ud800 \x1b[31m"),
        "about": (FieldCited("ein", "taken"),),
        "advice": Cited(""),
    },
)
WHOLE = Ending(EndReason.REFUSED_IN_A_ROW, {"count": 5}, CAUSE)


def test_what_is_stored_is_read_back_whatever_it_cites() -> None:
    assert read_ending(stored_ending(WHOLE)) == WHOLE
    assert stored_ending(WHOLE).isascii()
    values = Ending(EndReason.OTHER_EXTERNAL_ID, {"external_id": FieldValue("external_id", "a")})
    assert read_ending(stored_ending(values)) == values
    assert (stored_ending(None), read_ending("")) == ("", None)


@pytest.mark.parametrize(
    "altered",
    [
        '{"code": "of a later version", "parts": {}, "cause": null}',
        '{"code": "lost_done", "parts": {"ids": []}, "cause": null}',
        '{"code": "lost_several", "parts": {"ids": [null]}, "cause": null}',
        '{"code": "lost_several", "parts": {"ids": [{"cited": 1}]}, "cause": null}',
        '{"code": "lost_done"}',
        "[]",
        "{",
    ],
)
def test_what_was_never_stored_is_refused(altered: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        read_ending(altered)


def test_redaction_masks_what_is_cited_by_its_type_and_keeps_the_rest() -> None:
    masked = masked_ending(WHOLE)
    assert ending_text(masked) == '5 refusals of one kind in a row: POST /customers: 422 invalid: "***": ein: "***"'
    assert ending_json(masked)["cause"]["parts"]["about"] == [{"field": "ein", "cited": "***"}]


def failed(failure: ApiFailed, request: str = "POST /customers/cus_1/users") -> ApiFailed:
    """Return an error as the client raises it."""
    failure.request = request
    return failure


SCOPE = "The API key lacks a scope, such as customers:write: add it (dashboard: Team Preferences, API Keys)."
SAID = {"code": "bad", "detail": "no \x1b[31m", "fields": (("email", "taken"), ("its 'Jane'", "x"))}


@pytest.mark.parametrize(
    ("failure", "code", "text"),
    [
        (
            failed(Rejected("", status=422, **SAID)),  # type: ignore[arg-type]
            "rejected",
            'POST /customers/cus_1/users: 422 bad: "no \\x1b[31m": email: "taken": "its \'Jane\': x"',
        ),
        (
            failed(Forbidden("", status=403)),
            "forbidden",
            f"POST /customers/cus_1/users: 403. {SCOPE}",
        ),
        (
            failed(Unauthorized("", status=401, code="Jane's key"), "GET /customers"),
            "unauthorized",
            'GET /customers: 401 "Jane\'s key". Check that the API key belongs to this environment.',
        ),
        (failed(NotFound("", status=404)), "not_found", "POST /customers/cus_1/users: 404"),
        (failed(Throttled("", status=429)), "throttled", "POST /customers/cus_1/users: 429"),
        (failed(Unanswered("", status=503, code="down")), "server_error", "POST /customers/cus_1/users: 503 down"),
        (
            Unanswered("POST /x: no answer from host (timed out)"),
            "no_answer",
            "no answer that settles it: POST /x: no answer from host (timed out)",
        ),
        (
            failed(Unreachable("POST /x: cannot"), "POST /x"),
            "unreachable",
            "POST /x: the API cannot be reached: cannot. Check the network, the base URL and HTTPS_PROXY.",
        ),
        (NotTheApi("an HTML page"), "not_the_api", "the reply is not from this API: an HTML page. Check the base URL."),
        (
            Forbidden("POST /oauth/token: 401", status=401),
            "credentials_refused",
            "the API refuses the credentials: POST /oauth/token: 401. Check AP_CLIENT_ID and AP_CLIENT_SECRET.",
        ),
        (OverBudget("used up"), "stopped_in_doubt", "The run stopped after it was sent once without an answer."),
        (Stopped("stopped"), "stopped_in_doubt", "The run stopped after it was sent once without an answer."),
        (Incomplete("it cannot be listed yet"), "not_listed", "it cannot be listed yet. Run it again in a minute."),
    ],
)
def test_what_a_request_ended_in_is_a_code_with_the_server_s_own_words(
    failure: ApiFailed | Incomplete, code: str, text: str
) -> None:
    ending = ending_of(failure)
    assert (ending.code, ending_text(ending)) == (code, text)


def test_what_is_in_doubt_says_what_settles_it() -> None:
    lost = ending_of(Unanswered("nothing came"))
    ends = []
    for reason in (Reason.DECLARED, Reason.DIRECT):
        change = Change(Action.ARCHIVE, Address("acme"), CustomerId("cus_1"), reason)
        ends.append(outcome_text(Outcome(change, Status.IN_DOUBT, lost)))
    assert ends == [
        "no answer that settles it: nothing came. The next plan settles it.",
        "no answer that settles it: nothing came. Send it again: that does no harm.",
    ]
