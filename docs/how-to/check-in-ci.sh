#!/bin/sh
# Runs the doctor against your handler: starts a local service that signs, starts the handler, checks, stops both.
# The exit code is that of the check. BELLHOP, HANDLER, HANDLER_URL and BELLHOP_PORT may say otherwise.
set -eu
service=http://127.0.0.1:${BELLHOP_PORT:-8080}
export BELLHOP_DATA_DIR="${BELLHOP_DATA_DIR:-.bellhop-ci}"
export BELLHOP_DEV_JSON="$BELLHOP_DATA_DIR/dev.json"

${BELLHOP:-node_modules/.bin/bellhop} dev --no-demo --port "${BELLHOP_PORT:-8080}" &
pids=$!
trap 'kill $pids' EXIT
until curl --silent --fail --output /dev/null "$service/readyz"; do sleep 1; done

${HANDLER:-node handler.mjs} &
pids="$pids $!"
${BELLHOP:-node_modules/.bin/bellhop} check "${HANDLER_URL:-http://127.0.0.1:3000/webhooks}" --wait 30s --junit doctor.xml
