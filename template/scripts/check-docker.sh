#!/bin/sh
# Check that Docker with Compose is there and answers. Environment: COMPOSE, the command for Compose.
set -eu

stop() {
  printf '%s\nWithout Docker: make dev\n' "$1" >&2
  exit 1
}

command -v docker >/dev/null || stop "Docker is not installed (https://docs.docker.com/get-started/get-docker/)."
# COMPOSE may be two words.
$COMPOSE version >/dev/null 2>&1 || stop "Docker Compose is not installed: \`$COMPOSE version\` fails."
docker info >/dev/null 2>&1 || stop "Docker is installed, but its daemon does not answer. Start it."
