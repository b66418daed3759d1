#!/bin/sh
# Any CI, on merge: apply the plan that plan.sh kept (reconciler.plan.enc). Exit code 3: nothing was sent, as a change
# is not needed now exactly as it was reviewed. 2: all of it is done, and more is needed that nobody reviewed.
# Needs AP_ENVIRONMENT, AP_CLIENT_ID, AP_CLIENT_SECRET, RECONCILER_STATE (and the credentials of its store), and PLAN_KEY.
set -eu
umask 077
trap 'rm -f reconciler.plan' EXIT
openssl enc -d -aes-256-cbc -pbkdf2 -pass env:PLAN_KEY -in reconciler.plan.enc -out reconciler.plan
reconciler apply reconciler.plan --auto-approve --redact --lock-timeout 10m
