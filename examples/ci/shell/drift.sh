#!/bin/sh
# Any CI or cron, each night: what others changed since the last apply. Exit code 0: nothing, 2: drift.
# Needs AP_ENVIRONMENT, AP_CLIENT_ID, AP_CLIENT_SECRET (reading rights will do), RECONCILER_STATE (and
# the credentials of its store).
set -eu
exec reconciler drift --redact
