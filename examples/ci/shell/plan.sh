#!/bin/sh
# Any CI, on a pull request: check the files, show what a merge would do, keep the plan. Exit code 3: the plan is over a
# limit, needs approval, or has something blocked; plan.md says what to do.
# Needs AP_ENVIRONMENT, AP_CLIENT_ID, AP_CLIENT_SECRET (a key that can only read will do), RECONCILER_STATE (and the
# credentials of its store), and RECONCILER_PLAN_KEY (what `openssl rand -base64 32` prints: it seals the plan).
# Run it on the merge of the branch with main. Leaves plan.md for the reviewer, and reconciler.plan for apply.sh.
set -eu
umask 077
: "${RECONCILER_PLAN_KEY:?it must seal the plan}"
reconciler fmt --check
reconciler validate --strict
code=0
reconciler plan --redact --detailed-exitcode --format markdown --out reconciler.plan > plan.md || code=$?
if [ "$code" = 2 ]; then code=0; fi # changes
exit "$code"
