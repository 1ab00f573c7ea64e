#!/bin/sh
# Say what a run of CI has to check, as `plan={"backend":true,...}`. Run from the project's root.
#
#   plan.sh pull_request   what the merge commit HEAD changes
#   plan.sh push           everything but the images, which build.yml builds
#   plan.sh ANYTHING       everything
#
# The versions are those of the Dockerfiles, so that tests run on what is shipped.
set -eu

version() { # file, pattern with one group
  found=$(sed -nE "s/$2/\1/p" "$1" | head -n 1)
  [ -n "$found" ] || {
    echo "plan.sh: no line of $1 matches $2, so the version to test with is unknown." >&2
    exit 1
  }
  printf %s "$found"
}

backend=true frontend=true images=true
case ${1:?Say for which event: pull_request, push, ...} in
  push) images=false ;;
  pull_request)
    # git quotes names with special characters, so that they begin with a quote and count as others. Where there is nothing to
    # compare with, as in a shallow clone, everything is checked.
    changed=$(git diff --name-only --no-renames HEAD^1 HEAD 2>/dev/null) || changed=unknown
    changes() { printf '%s\n' "$changed" | grep -Eq "$@"; }
    if ! changes -v '^(backend/|frontend/|docs/|[^/]*\.md$|LICENSE$)'; then
      changes '^backend/' || backend=false
      changes '^frontend/' || frontend=false
      [ $backend = true ] || [ $frontend = true ] || images=false
    fi
    ;;
esac
secrets=false
[ ! -f make/secret_detection.mk ] || secrets=true

python=$(version backend/Dockerfile '^FROM python:([0-9.]+).*')
node=$(version frontend/Dockerfile '^ARG NODE_VERSION=([0-9.]+).*')
printf 'plan={"backend":%s,"frontend":%s,"images":%s,"secrets":%s,' $backend $frontend $images $secrets
printf '"python":"%s","node":"%s"}\n' "$python" "$node"
