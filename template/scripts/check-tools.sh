#!/bin/sh
# Check that what the project needs is there. Run from the project's root.
#
#   check-tools.sh          Python, Node.js and npm, new enough; uv is installed into .tools/ if the machine has none.
#                           Environment: PYTHON3 (the interpreter), UV_VERSION (what to install)
#   check-tools.sh docker   Docker with Compose, and an answer of it. Environment: COMPOSE, the command for Compose
set -eu

stop() {
  echo "$1" >&2
  exit 1
}

if [ "${1:-}" = docker ]; then
  without="Without Docker: make dev"
  command -v docker >/dev/null || stop "Docker is not installed (https://docs.docker.com/get-started/get-docker/).
$without"
  # COMPOSE may be two words.
  $COMPOSE version >/dev/null 2>&1 || stop "Docker Compose is not installed: \`$COMPOSE version\` fails.
$without"
  docker info >/dev/null 2>&1 || stop "Docker is installed, but its daemon does not answer. Start it.
$without"
  exit
fi

command -v "$PYTHON3" >/dev/null || stop "Python 3.11 or later is needed; $PYTHON3 is not there.
Install it (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python), or set PYTHON3."
"$PYTHON3" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  stop "Python 3.11 or later is needed; $PYTHON3 says: $("$PYTHON3" -V 2>&1).
Install a newer one, or set PYTHON3 to it."

command -v node >/dev/null || stop "Node.js 20.19 or later is needed; node is not there.
Install it (https://nodejs.org, or a version manager such as nvm)."
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
  stop "Node.js 20.19 or later is needed; node says: $(node --version 2>&1). Install a newer one (https://nodejs.org)."
command -v npm >/dev/null || stop "npm is needed; it comes with Node.js, or as a package of its own (Debian: apt install npm)."

if ! command -v uv >/dev/null && ! [ -x .tools/uv/bin/uv ]; then
  echo "Installing uv into .tools/ ..."
  rm -rf .tools/uv
  "$PYTHON3" -m venv .tools/uv 2>/dev/null ||
    stop "$PYTHON3 cannot make a virtual environment. Debian, Ubuntu: apt install python3-venv"
  .tools/uv/bin/python -m pip install --quiet --disable-pip-version-check "uv~=$UV_VERSION.0"
fi
