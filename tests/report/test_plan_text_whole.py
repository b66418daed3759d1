from __future__ import annotations

from plan_values import WHOLE

from reconciler.report.plan_text import plan_text

AT_80 = """\
Unknown: There is no ledger yet, so we do not know which customers were
  archived, nor which this project managed.
Environment demo (https://api.example), project billing-west

Restore (2)
  ^ initech  cus_9, archived outside Reconciler  customers.yaml:3:3
  ^ lost  cus_8, hidden or gone  customers.yaml:4:3
      if the API returns 404, it is created with:
        name  Lost Inc.

Patch (1)
  ~ acme  cus_1, declared  customers.yaml:7:3
      city         Boston  -> New York  (config)
      sub_premise  Apt 1   -> (empty)   (drift)
      state        (empty) -> NY        (unknown)

Create (1)
  + globex%2Fwest  declared  customers.yaml:12:3
      name            Globex
      street_address  123 Main St, New York, NY 10001, United States of America,
                      Earth
      + jane@globex.example  customers.yaml:15:3
          first_name  Jane

Create users for existing customers (1)
  + initech/zoe@initech.example  cus_9, declared  customers.yaml:16:3
      last_name  Doe
      unless the customer already has it, which the restore will show

Archive (1)
  - hooli  cus_7, removed from the files, 2 payment methods  customers.yaml

In the ledger only (2)
  adopt  umbrella          cus_20
  move   old-acme -> acme  cus_1

Notes (3)
  acme: city is no longer managed and stays 'Boston'.
  2 users are created: each probably gets an email from the vendor
  2 managed customers are left out: from another project, or from a file that
    was not read

Blocked (1)
  ! soylent name  customers.yaml:30:3
      It has no name, and a customer cannot be created without one.
      to fix this: Add `name:`.
      ids: cus_30, cus_31

Over a limit, so nothing is sent (1)
  ! max_archives: 30 planned, 12 allowed; to allow it once: --max-archives 30

Cost: 12 requests, 2.4 s at 5/s; 3 more for the token and planning.
Plan: 1 to create, 2 users to create, 1 to patch, 1 to archive, 2 to restore; 1
  blocked; 40 unchanged.
"""

AT_40 = """\
Unknown: There is no ledger yet, so we
  do not know which customers were
  archived, nor which this project
  managed.
Environment demo (https://api.example),
  project billing-west

Restore (2)
  ^ initech  cus_9, archived outside
    Reconciler  customers.yaml:3:3
  ^ lost  cus_8, hidden or gone
    customers.yaml:4:3
      if the API returns 404, it is
        created with:
        name  Lost Inc.

Patch (1)
  ~ acme  cus_1, declared
    customers.yaml:7:3
      city (config)
        - Boston
        + New York
      sub_premise (drift)
        - Apt 1
        + (empty)
      state (unknown)
        - (empty)
        + NY

Create (1)
  + globex%2Fwest  declared
    customers.yaml:12:3
      name            Globex
      street_address  123 Main St, New
                      York, NY 10001,
                      United States of
                      America, Earth
      + jane@globex.example
        customers.yaml:15:3
          first_name  Jane

Create users for existing customers (1)
  + initech/zoe@initech.example  cus_9,
    declared  customers.yaml:16:3
      last_name  Doe
      unless the customer already has
        it, which the restore will show

Archive (1)
  - hooli  cus_7, removed from the
    files, 2 payment methods
    customers.yaml

In the ledger only (2)
  adopt  umbrella          cus_20
  move   old-acme -> acme  cus_1

Notes (3)
  acme: city is no longer managed and
    stays 'Boston'.
  2 users are created: each probably
    gets an email from the vendor
  2 managed customers are left out: from
    another project, or from a file that
    was not read

Blocked (1)
  ! soylent name  customers.yaml:30:3
      It has no name, and a customer
        cannot be created without one.
      to fix this: Add `name:`.
      ids: cus_30, cus_31

Over a limit, so nothing is sent (1)
  ! max_archives: 30 planned, 12
    allowed; to allow it once:
    --max-archives 30

Cost: 12 requests, 2.4 s at 5/s; 3 more
  for the token and planning.
Plan: 1 to create, 2 users to create, 1
  to patch, 1 to archive, 2 to restore;
  1 blocked; 40 unchanged.
"""


def test_a_plan_with_everything_at_80_columns() -> None:
    assert plan_text(WHOLE, width=80, color=False) == AT_80


def test_a_plan_with_everything_at_40_columns() -> None:
    assert plan_text(WHOLE, width=40, color=False) == AT_40
