#!/bin/sh
# Start the production images with PostgreSQL, Redis and Keycloak, and test them in a browser. Run from the project's root,
# by `make e2e-images`. Environment: COMPOSE, the command for Compose.
set -eu

stack="$COMPOSE --file compose.images.yml"
trap '$stack down --volumes --timeout 5 >/dev/null 2>&1' EXIT
$stack up --detach --wait --no-build || {
  $stack logs --tail 50
  exit 1
}
npm --prefix frontend run --silent e2e || {
  status=$?
  $stack logs --tail 50
  exit $status
}
