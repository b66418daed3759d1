#!/bin/sh
# Any CI, on merge: apply the plan that plan.sh kept (reconciler.plan). Exit code 3: nothing was sent, as the plan is
# not sealed with the key, is for another account, or holds a change that is not needed now exactly as it was reviewed.
# 2: all of it is done, and more is needed that nobody reviewed.
# Needs AP_ENVIRONMENT, AP_CLIENT_ID, AP_CLIENT_SECRET (a key that can write, which no other job needs),
# RECONCILER_STATE (and the credentials of its store), and the RECONCILER_PLAN_KEY of plan.sh.
set -eu
: "${RECONCILER_PLAN_KEY:?it must open the plan}"
exec reconciler apply reconciler.plan --auto-approve --redact --lock-timeout 10m
