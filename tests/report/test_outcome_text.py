from __future__ import annotations

from reconciler.model.core import Action, Address, CustomerId, Reason, Status
from reconciler.model.ledger import Run
from reconciler.model.plan import Change, FieldChange, Outcome
from reconciler.model.reasons import Cited, Ending, EndReason, ending_json
from reconciler.report.outcome import outcomes_json, outcomes_text


def change(action: Action, address: Address, id_: str | None = None, *fields: FieldChange) -> Change:
    return Change(action, address, None if id_ is None else CustomerId(id_), Reason.DECLARED, fields)


PATCH = change(Action.PATCH, Address("acme"), "cus_1")
CREATE = change(Action.CREATE, Address("globex"), None, FieldChange("name", "", "Globex"))
USER = change(Action.CREATE_USER, Address("globex", "jane@globex.example"))


def refused(words: str) -> Ending:
    parts = {"code": "invalid", "words": Cited(words), "about": (), "advice": Cited("")}
    return Ending(EndReason.REJECTED, {"request": "POST /customers", "status": 422, **parts})


LOST = Ending(EndReason.NO_ANSWER, {"request": "", "words": Cited("nothing came"), "advice": Cited("")})
OUTCOMES = (
    Outcome(PATCH, Status.DONE),
    Outcome(change(Action.CREATE, Address("new")), Status.DONE, id=CustomerId("cus_2")),
    Outcome(CREATE, Status.FAILED, refused("Globex is\nnot a name")),
    Outcome(USER, Status.SKIPPED, Ending(EndReason.PREREQUISITE_FAILED, {"action": "create"})),
    Outcome(change(Action.ARCHIVE, Address("hooli"), "cus_7"), Status.IN_DOUBT, LOST),
)


def text(width: int, *outcomes: Outcome, remaining: int = 0, interrupted: bool = False, redact: bool = False) -> str:
    return outcomes_text(
        outcomes,
        requests=14,
        seconds=3.21,
        width=width,
        color=False,
        remaining=remaining,
        interrupted=interrupted,
        redact=redact,
    )


def test_outcomes_at_80_columns_with_what_needs_an_eye_last() -> None:
    assert text(80, *OUTCOMES, remaining=3) == (
        "Done (2)\n"
        "  patch acme  cus_1\n"
        "  create new  cus_2\n"
        "\n"
        "Skipped (1)\n"
        "  create user globex/jane@globex.example\n"
        "      Not sent, because its create failed.\n"
        "\n"
        "Failed (1)\n"
        "  create globex\n"
        '      POST /customers: 422 invalid: "Globex is\\nnot a name"\n'
        "\n"
        "In doubt: it may have happened; the next run finds out (1)\n"
        "  archive hooli  cus_7\n"
        "      no answer that settles it: nothing came. The next plan settles it.\n"
        "\n"
        "Apply: 2 done, 1 failed, 1 skipped, 1 in doubt, 3 not started; 14 requests, 3.2\n"
        "  s.\n"
    )


def test_of_an_interrupted_run_what_needs_an_eye_is_listed_and_the_last_line_says_how_to_resume() -> None:
    assert text(80, *OUTCOMES, remaining=3, interrupted=True) == (
        "Failed (1)\n"
        "  create globex\n"
        '      POST /customers: 422 invalid: "Globex is\\nnot a name"\n'
        "\n"
        "In doubt: it may have happened; the next run finds out (1)\n"
        "  archive hooli  cus_7\n"
        "      no answer that settles it: nothing came. The next plan settles it.\n"
        "\n"
        "Interrupted: 2 of 5 changes done, 3 not sent.\n"
        "To resume, run the same command again: what is done is not repeated.\n"
    )


def test_an_interrupted_run_ends_with_two_lines_whatever_its_size() -> None:
    assert text(80, *OUTCOMES[:2], remaining=70, interrupted=True).count("\n") == 2


def test_outcomes_at_40_columns() -> None:
    assert text(40, OUTCOMES[4]) == (
        "In doubt: it may have happened; the next\n"
        "  run finds out (1)\n"
        "  archive hooli  cus_7\n"
        "      no answer that settles it: nothing\n"
        "        came. The next plan settles it.\n"
        "\n"
        "Apply: 1 in doubt; 14 requests, 3.2 s.\n"
    )


def test_without_outcomes_only_the_summary_stands() -> None:
    assert text(80) == "Apply: nothing done; 14 requests, 3.2 s.\n"


def test_redacted_outcomes_hide_e_mails_and_all_that_the_server_said() -> None:
    assert text(80, OUTCOMES[2], OUTCOMES[3], redact=True) == (
        "Skipped (1)\n"
        "  create user globex/***\n"
        "      Not sent, because its create failed.\n"
        "\n"
        "Failed (1)\n"
        "  create globex\n"
        '      POST /customers: 422 invalid: "***"\n'
        "\n"
        "Apply: 1 failed, 1 skipped; 14 requests, 3.2 s.\n"
    )


def test_hostile_messages_and_ids_never_get_through_raw() -> None:
    hostile = "\x1b[31m\u202e\r\n[bold]x"
    shown = text(80, Outcome(change(Action.PATCH, Address(hostile), hostile), Status.FAILED, refused(hostile)))
    assert set(shown) & set("\x1b\u202e\r") == set()
    assert shown.count("\\x1b[31m\\u202e\\r\\n[bold]x") == 3


def test_outcomes_as_json_keep_the_order_of_the_changes() -> None:
    run = Run("run_1", "2026-01-01T00:00:00.000000Z", "apply", "stopped", "2026-01-01T00:00:01.000000Z", 2, 3)
    needed = [OUTCOMES[2].change]
    made = outcomes_json(
        OUTCOMES[1:3], run=run, halt=LOST, blocked=2, requests=2, seconds=0.4, remaining=1, needed=needed
    )
    assert made == {
        "format_version": "1",
        "run": "run_1",
        "command": "apply",
        "started_at": "2026-01-01T00:00:00.000000Z",
        "finished_at": "2026-01-01T00:00:01.000000Z",
        "outcome": "stopped",
        "halt": "no answer that settles it: nothing came",
        "halted": ending_json(LOST),
        "outcomes": [
            {
                "action": "create",
                "address": "new",
                "external_id": "new",
                "id": "cus_2",
                "status": "done",
                "message": "",
                "code": None,
                "parts": {},
                "cause": None,
            },
            {
                "action": "create",
                "address": "globex",
                "external_id": "globex",
                "id": None,
                "status": "failed",
                "message": 'POST /customers: 422 invalid: "Globex is\nnot a name"',
                **ending_json(refused("Globex is\nnot a name")),
            },
        ],
        "needed_since": [
            {"action": "create", "address": "globex", "external_id": "globex", "id": None, "reason": "declared"}
        ],
        "stale": [],
        "summary": {
            "done": 1,
            "failed": 1,
            "skipped": 0,
            "in_doubt": 0,
            "blocked": 2,
            "remaining": 1,
            "requests": 2,
            "seconds": 0.4,
        },
    }
