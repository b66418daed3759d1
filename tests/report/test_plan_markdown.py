"""A plan as Markdown: what stands where, and that it fits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from markdown_blocks import read
from plan_values import NOTHING, WHOLE, at

from reconciler.escape import LEAST_BYTES, MAX_BYTES
from reconciler.model.core import Action, Address, CustomerId, Reason
from reconciler.model.plan import Blocked, Change, FieldChange, Plan, Unknown
from reconciler.model.reasons import BlockedReason, UnknownKind
from reconciler.report.plan_markdown import plan_markdown

HEAD = """\
> **Unknown:** There is no ledger yet, so we do not know which customers were archived, nor which this project managed.

### Plan: 1 to create, 2 users to create, 1 to patch, 1 to archive, 2 to restore; 1 blocked; 40 unchanged.

Cost: 12 requests, 2.4 s at 5/s; 3 more for the token and planning.
Environment `demo` at `https://api.example`, project `billing-west`.

<details open>
<summary>Over a limit, so nothing is sent (1)</summary>

- `max_archives`: 30 planned, 12 allowed; to allow it once: `--max-archives 30`

</details>

<details open>
<summary>Blocked (1)</summary>

- `soylent` `name` (`customers.yaml:30:3`): It has no name, and a customer cannot be created without one.
  - to fix this: Add `name:`.
  - ids: `cus_30`, `cus_31`

</details>

<details>
<summary>Archive (1)</summary>

```diff
- hooli  cus_7, removed from the files, 2 payment methods  customers.yaml
```

</details>
"""
PATCH = """
<details>
<summary>Patch (1)</summary>

```diff
  acme  cus_1, declared  customers.yaml:7:3
-   city: Boston
+   city: New York  (config)
-   sub_premise: Apt 1
+   sub_premise: (empty)  (drift)
-   state: (empty)
+   state: NY  (unknown)
```

</details>
"""
CREATE = """
<details>
<summary>Create (1)</summary>

```diff
+ globex%2Fwest  declared  customers.yaml:12:3
+   name: Globex
+   street_address: 123 Main St, New York, NY 10001, United States of America, Earth
+     jane@globex.example  customers.yaml:15:3
+       first_name: Jane
```

</details>
"""
LAST = """
<details>
<summary>In the ledger only (2)</summary>

- adopt `umbrella`, id `cus_20`
- move `old-acme` to `acme`, id `cus_1`

</details>

<details>
<summary>Notes (3)</summary>

- `acme`: city is no longer managed and stays `'Boston'`.
- 2 users are created: each probably gets an email from the vendor
- 2 managed customers are left out: from another project, or from a file that was not read

</details>
"""


def patches(number: int, value: str = "x" * 80) -> Plan:
    changes = tuple(
        Change(
            Action.PATCH,
            Address(f"c{one}"),
            CustomerId(f"cus_{one}"),
            Reason.DECLARED,
            (FieldChange("city", "", value),),
            at(one + 1),
        )
        for one in range(number)
    )
    return replace(NOTHING, changes=changes)


def archive(key: str) -> Change:
    return Change(Action.ARCHIVE, Address(key), CustomerId("cus_x"), Reason.ENTRY_GONE)


def test_a_whole_plan_says_first_what_is_not_known_and_last_its_notes() -> None:
    shown = plan_markdown(WHOLE)
    assert (shown.startswith(HEAD), shown.endswith(LAST), PATCH in shown, CREATE in shown) == (True,) * 4


def test_a_plan_of_nothing_has_a_head_alone() -> None:
    assert plan_markdown(NOTHING) == (
        "### No changes. 40 customers are as declared.\n\n"
        "Cost: nothing to send.\nEnvironment `demo` at `https://api.example`, project `default`.\n"
    )


def test_redacted_it_holds_no_personal_value() -> None:
    shown = plan_markdown(WHOLE, redact=True)
    values = ("Boston", "Globex", "jane@", "Jane", "Main St", "Apt 1")
    assert ([one for one in values if one in shown], "city: ***" in shown, "soylent" in shown) == ([], True, True)


def test_a_plan_too_long_is_cut_by_whole_entries_and_says_how_many_it_left_out() -> None:
    shown = plan_markdown(patches(2000))
    (block,) = read(shown).code[-1:]
    rows = block.splitlines()
    kept = len(rows) // 3
    assert len(shown.encode()) <= MAX_BYTES
    assert len(shown.encode()) > MAX_BYTES - 1000
    assert "**Cut to fit:** not every entry is shown here" in shown
    assert f"<summary>Patch (2000, of which {2000 - kept} do not fit here)</summary>" in shown
    assert rows[-3:] == [
        f"  c{kept - 1}  cus_{kept - 1}, declared  customers.yaml:{kept}:3",
        "-   city: (empty)",
        f"+   city: {'x' * 80}  (config)",
    ]


def test_a_plan_that_fits_is_not_cut() -> None:
    assert "Cut to fit" not in plan_markdown(patches(300))


def test_many_patches_push_no_archive_out() -> None:
    plan = patches(2000)
    shown = plan_markdown(replace(plan, changes=(*plan.changes, archive("hooli"))))
    assert "- hooli  cus_x, removed from the files" in shown


def test_one_entry_that_is_too_long_hides_no_other() -> None:
    plan = replace(NOTHING, changes=(archive("x" * 70_000), archive("hooli")))
    shown = plan_markdown(plan)
    assert ("<summary>Archive (2, of which 1 does not fit here)</summary>" in shown, "- hooli" in shown) == (True, True)


@pytest.mark.parametrize("value", ["x" * 60, "é" * 60, "`" * 60, "\U0001f600" * 60])
@pytest.mark.parametrize("most", [LEAST_BYTES, 9_000, 65_535])
def test_the_size_counts_bytes_whatever_the_letters(value: str, most: int) -> None:
    plan = patches(900, value)
    blocked = tuple(
        Blocked(Address(f"{value}{one}"), BlockedReason.ID_UNKNOWN, parts={"id": value}) for one in range(300)
    )
    shown = plan_markdown(replace(plan, blocked=blocked), max_bytes=most)
    assert len(shown.encode()) <= most
    assert shown.count("<details") == shown.count("</details>") == 2


def test_the_head_fits_into_the_least_size() -> None:
    long = "\U0001f600" * 5000
    environment = replace(NOTHING.environment, name=long, base_url=long)
    plan = replace(
        WHOLE,
        environment=environment,
        project=long,
        unknown=tuple(Unknown(UnknownKind.RESTORES_UNCERTAIN, {"customers": long}) for _ in "ab"),
    )
    assert len(plan_markdown(plan, max_bytes=LEAST_BYTES).encode()) <= LEAST_BYTES
