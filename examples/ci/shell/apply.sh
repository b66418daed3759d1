#!/bin/sh
# Any CI, on merge: make the changes of the plan that plan.sh kept (reconciler.plan) that are still planned identically.
# Exit code 2: something is left that nobody approved. 3: something is blocked, or the plan was refused and nothing was
# sent. In both cases left.md shows what is left. To approve it, run `apply.sh left.plan`.
# Needs AP_ENVIRONMENT, AP_CLIENT_ID, AP_CLIENT_SECRET (a key that can write, which no other job needs),
# RECONCILER_STATE (and the credentials of its store), and the RECONCILER_PLAN_KEY of plan.sh.
set -eu
umask 077
: "${RECONCILER_PLAN_KEY:?it must open the plan}"
code=0
reconciler apply "${1:-reconciler.plan}" --partial --auto-approve --redact --lock-timeout 10m || code=$?
if [ "$code" = 2 ] || [ "$code" = 3 ]; then
  reconciler plan --redact --format markdown --out left.plan > left.md
  echo "Read left.md: it shows what is left. To approve that, run 'apply.sh left.plan'." >&2
fi
exit "$code"
