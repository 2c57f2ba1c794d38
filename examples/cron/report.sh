#!/bin/sh
# For cron: mails the output of a command, once a day however often it is run.
#   5 6 * * *  report.sh ops@app.test df -h
set -eu

to=$1
shift
"$@" 2>&1 | mailsvc send --from cron@app.test --to "$to" --subject "$(hostname): $*" \
    --idempotency-key "$(hostname) $(date +%F) $to $*"
