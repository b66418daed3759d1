"""The tables of every SQL ledger: their columns, and what is done to one row. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import LiteralString

BINDING_COLUMNS: LiteralString = (
    "external_id, id, live_external_id, created_at, state, project, source, protected, via, written_at, "
    "applied_hash, applied_json, observed_json, trouble_json, place, reversals_json, recent_json"
)
INTENT_COLUMNS: LiteralString = (
    "run, seq, action, external_id, email, id, opened_at, payload_hash, before_json, after_json, status, "
    "message, closed_at, reason, source_file, source_line"
)
LEARNED_COLUMNS: LiteralString = (
    "lists_archived, gets_archived, longest_page, empties, how, listed, told, page_limit, narrows, cuts, lag_s, "
    "answers, asked_at"
)
RUN_COLUMNS: LiteralString = (
    "id, started_at, command, outcome, finished_at, requests, changes, who, git_commit, ci_url, actor, key_name, "
    "plan_digest, pruned_at"
)

TABLES: tuple[LiteralString, ...] = ("bindings", "users", "taken", "lacked", "learned", "intents", "runs")
"""What `overwrite` empties first."""


class Statement(StrEnum):
    """What is done to one row; each SQL database says it in its own words."""

    PUT_BINDING = "put binding"
    PUT_USERS = "put users"
    PUT_TAKEN = "put taken"
    PUT_LACKED = "put lacked"
    PUT_LEARNED = "put learned"
    PUT_INTENT = "put intent"
    PUT_RUN = "put run"
    PUT_ACCOUNT = "put account"
    DROP_TAKEN = "drop taken"
    DROP_LACKED = "drop lacked"
    DROP_OLD_LACKED = "drop old lacked"
    DROP_USERS = "drop users"
    DROP_BINDING = "drop binding"


@dataclass(frozen=True, slots=True)
class Put:
    """
    A row that is written whether or not its key is there; `key` "" where the table has one row.

    Not by INSERT OR REPLACE: that would silently delete the row of another key that has the same id.
    """

    table: str
    columns: str
    key: str

    def changed(self) -> str:
        """
        Return what an upsert sets where the key is there.

        >>> Put("taken", "external_id, words", "external_id").changed()
        'words = excluded.words'
        """
        keys = self.key.split(", ")
        return ", ".join(f"{name} = excluded.{name}" for name in self.columns.split(", ") if name not in keys)


PUTS: Mapping[Statement, Put] = {
    Statement.PUT_BINDING: Put("bindings", BINDING_COLUMNS, "external_id"),
    Statement.PUT_USERS: Put("users", "id, users_json", "id"),
    Statement.PUT_TAKEN: Put("taken", "external_id, words", "external_id"),
    Statement.PUT_LACKED: Put("lacked", "external_id, at, held", "external_id"),
    Statement.PUT_LEARNED: Put("learned", LEARNED_COLUMNS, ""),
    Statement.PUT_INTENT: Put("intents", INTENT_COLUMNS, "run, seq"),
    Statement.PUT_RUN: Put("runs", RUN_COLUMNS, "id"),
}
