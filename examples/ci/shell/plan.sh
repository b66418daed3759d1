#!/bin/sh
# Any CI, on a pull request: check the files, show what a merge would do, keep the plan.
# Needs AP_ENVIRONMENT, AP_CLIENT_ID, AP_CLIENT_SECRET (a key that can only read will do), RECONCILER_STATE (and the
# credentials of its store), and RECONCILER_PLAN_KEY (what `openssl rand -base64 32` prints: it seals the plan).
# Leaves plan.md for the reviewer, and reconciler.plan for apply.sh.
set -eu
umask 077
: "${RECONCILER_PLAN_KEY:?it must seal the plan}"
reconciler fmt --check
reconciler validate --strict
reconciler plan --redact --format markdown --out reconciler.plan > plan.md
