"""The status of a fleet as Markdown, HTML and Prometheus text: the worst first, and nobody but accounts named."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from fleet_values import EVERY, NOW, account, many
from prometheus_client.parser import text_string_to_metric_families

from reconciler.documents.schema import Shape
from reconciler.model.fleet import AccountState, Day
from reconciler.report.fleet_page import (
    FleetStatus,
    status_html,
    status_json,
    status_markdown,
    status_text,
)
from reconciler.report.metrics import status_metrics
from reconciler.resources import schema

WORST_FIRST = ["hooli", "initech", "wayne", "globex", "umbrella", "soylent", "acme", "stark"]


def test_the_worst_state_comes_first_and_of_one_state_the_longest_in_it() -> None:
    assert [one.account for one in EVERY.worst_first()] == WORST_FIRST


def test_the_summary_counts_each_state_that_an_account_is_in() -> None:
    assert EVERY.summary() == (
        "8 accounts: 1 failed, 1 blocked, 2 drifted, 1 edits not applied, 1 not checked yet, 1 in sync, 1 suspended"
    )
    assert replace(EVERY, accounts=()).summary() == "No accounts"


def test_markdown_names_who_needs_eyes_and_only_counts_who_is_in_sync() -> None:
    text = status_markdown(EVERY)
    assert re.findall(r"^- `(\w+)`", text, re.MULTILINE) == [name for name in WORST_FIRST if name != "acme"]
    assert "- `wayne`: 1 drifted, checked 10 min ago\n" in text
    assert "- `hooli`: checked 10 min ago\n  - the key may not list customers\n" in text
    assert "- `soylent`: no check yet\n" in text


@pytest.mark.parametrize("most", [1500, 60_000])
def test_markdown_of_ten_thousand_accounts_fits(most: int) -> None:
    text = status_markdown(many(10_000), max_bytes=most)
    assert len(text.encode()) <= most
    assert "10000 accounts: 2500 failed, 2500 drifted, 5000 in sync" in text
    assert "`a00003`" in text


def _rows(page: str) -> list[list[object]]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    rows: list[list[object]] = json.loads(found[1])["rows"]
    return rows


def test_the_page_has_every_account_and_draws_each_day() -> None:
    page = status_html(EVERY)
    assert [row[0] for row in _rows(page)] == WORST_FIRST
    assert [row[11] for row in _rows(page) if row[0] == "acme"] == [["region=west", "wave=canary"]]
    assert "2026-09-21: 2 drifted, 1 failing of 8" in page
    assert page.count('<rect class="behind"') == 2
    # The higher day fills the chart; of the other the bars are as high as their part of that.
    assert '<rect class="drifted" x="0" y="0.0" width="9" height="100.0"/>' in page
    assert '<rect class="failing" x="10" y="75.0" width="9" height="25.0"/>' in page
    assert '<rect class="drifted" x="10" y="25.0" width="9" height="50.0"/>' in page


def test_without_a_day_there_is_no_chart() -> None:
    assert "<svg" not in status_html(replace(EVERY, days=()))


def test_the_chart_keeps_to_the_last_days() -> None:
    days = [Day(f"2026-{month:02}-{day:02}", "production", 5, 1, 0) for month in (7, 8, 9) for day in range(1, 29)]
    page = status_html(replace(EVERY, days=days[::-1]))
    assert page.count('<rect class="behind"') == 60
    assert "2026-09-28: 1 drifted" in page
    assert "2026-07-24: " not in page


def test_the_page_of_ten_thousand_accounts_is_no_larger_than_five_megabytes() -> None:
    assert len(status_html(many(10_000)).encode()) < 5 * 1024**2


@pytest.mark.parametrize("name", ["</script><b>", "{{ 7*7 }}", "a\x1b[31m"])
def test_hostile_names_and_messages_stay_text(name: str) -> None:
    status = FleetStatus("prod", name, [account(name, AccountState.FAILED, message=name)], NOW, {name: {name: name}})
    page = status_html(status)
    assert "</script><b>" not in page
    assert "49" not in page.split("<style>")[0]
    assert "\x1b" not in page + status_markdown(status)


def _samples(text: str) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(text)
    return {
        (one.name, one.labels.get("account", one.labels.get("state", ""))): one.value
        for family in families
        for one in family.samples
    }


def test_prometheus_text_has_counts_and_ages_and_no_account() -> None:
    samples = _samples(status_metrics(EVERY))
    assert samples["reconciler_fleet_accounts", "drifted"] == 2
    assert samples["reconciler_fleet_accounts", "failed"] == 1
    assert samples["reconciler_fleet_customers", ""] == 1316
    assert samples["reconciler_fleet_drifted_customers", ""] == 4
    assert samples["reconciler_fleet_pending_customers", ""] == 3
    assert samples["reconciler_fleet_blocked_customers", ""] == 1
    assert samples["reconciler_fleet_oldest_check_seconds", ""] == 600
    assert samples["reconciler_fleet_unchecked_accounts", ""] == 1
    # Who is suspended is not waited for.
    assert samples["reconciler_fleet_due_accounts", ""] == 2
    assert samples["reconciler_fleet_oldest_due_seconds", ""] == 90
    assert "hooli" not in status_metrics(EVERY)


def test_an_account_is_a_label_only_where_that_is_asked_for() -> None:
    samples = _samples(status_metrics(EVERY, per_account=True))
    assert samples["reconciler_fleet_account_state", "hooli"] == 1


def test_the_text_lists_who_needs_eyes_and_counts_the_rest() -> None:
    lines = status_text(EVERY, width=120, color=False).splitlines()
    assert [line.split()[0] for line in lines[1:8]] == [name for name in WORST_FIRST if name != "acme"]
    assert lines[1].split("  ")[0] == "hooli"
    assert "hooli: the key may not list customers" in lines
    assert lines[-1].startswith("8 accounts: 1 failed, 1 blocked")


def test_the_text_of_ten_thousand_accounts_says_how_many_it_left_out() -> None:
    text = status_text(many(10_000), width=120, color=False)
    assert "and 4800 more: --format json has all of them" in text
    assert len(text.splitlines()) < 250


def test_the_json_fits_its_schema_and_has_every_account() -> None:
    document = status_json(EVERY)
    assert Shape(schema("fleet-status")).misfits(document) == ()
    assert [one["account"] for one in document["accounts"]] == WORST_FIRST
    assert document["accounts"][5]["checked_at"] is None
    assert document["counts"]["drifted"] == 2
