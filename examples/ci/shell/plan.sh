#!/bin/sh
# Any CI, on a pull request: check the files, show what a merge would do, keep the plan.
# Needs AP_ENVIRONMENT, AP_CLIENT_ID, AP_CLIENT_SECRET (the key of apply.sh), RECONCILER_STATE (and the
# credentials of its store), and PLAN_KEY.
# Leaves plan.md for the reviewer, and reconciler.plan.enc for apply.sh.
set -eu
umask 077
reconciler fmt --check
reconciler validate --strict
reconciler plan --redact --format markdown --out reconciler.plan > plan.md
openssl enc -aes-256-cbc -pbkdf2 -salt -pass env:PLAN_KEY -in reconciler.plan -out reconciler.plan.enc
rm reconciler.plan
