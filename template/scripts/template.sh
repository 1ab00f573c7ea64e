#!/bin/sh
# Run evergreen, the template's companion, on this project. Run from the project's root; the arguments are evergreen's.
#
#   template.sh check | preview | update | finish | abort | doctor [option ...]
#
# It is the installed one. Where there is none, uv runs that of the template's newest release, from the address in
# .copier-answers.yml. Environment, for a machine without uv: PYTHON3 and UV_VERSION, as check-tools.sh has them.
# The exit status is evergreen's; 2 as well when it could not be run.
set -eu

stop() {
  echo "$1" >&2
  exit 2
}

# Print a template's address, in a form of Copier's, as one that git and uv understand; nothing where there is none.
url() {
  address=${1#git+}
  case $address in
  gh:*) address=https://github.com/${address#gh:} ;;
  gl:*) address=https://gitlab.com/${address#gl:} ;;
  \~/*) address=$HOME/${address#\~/} ;;
  esac
  case $address in
  *://*) echo "$address" ;;
  /*) printf 'file://%s\n' "$address" | sed 's/%/%25/g; s/ /%20/g; s/#/%23/g; s/@/%40/g' ;;
  *@*:*) echo "ssh://${address%%:*}/$(echo "${address#*:}" | sed 's,^/*,,')" ;;
  esac
}

# Print the tag of a repository's newest release; pre-releases do not count.
newest() {
  git ls-remote --tags --refs --sort=-version:refname "$1" 'v*' | sed -n 's,.*refs/tags/\(v[0-9][0-9.]*\)$,\1,p' | head -n 1
}

# What make was told is for evergreen alone: `evergreen update --verify` runs make, which would obey it once more.
unset ARGS MAKEFLAGS MAKELEVEL MFLAGS SET TO

if command -v evergreen >/dev/null; then
  exec evergreen "$@"
fi

if command -v uv >/dev/null; then
  uv=uv
else
  uv=.tools/uv/bin/uv
  if ! [ -x $uv ]; then
    [ -n "${UV_VERSION:-}" ] || stop "Neither evergreen nor uv is installed. This installs uv into .tools/: make tools"
    sh scripts/check-tools.sh >&2 || exit 2
  fi
fi

[ -f .copier-answers.yml ] || stop "There is no .copier-answers.yml here. Run this from the root of the project.
If the file was deleted: git checkout <commit> -- .copier-answers.yml"
# YAML breaks a long address at its spaces: what belongs to it is indented.
written=$(awk '/^_src_path:/ { on = 1; sub(/^_src_path: */, ""); print; next } on && /^ / { sub(/^ +/, ""); print; next } { on = 0 }' \
  .copier-answers.yml | paste -s -d ' ' - | sed "s/^[\"']//; s/[\"']\$//")
url=$(url "$written")
[ -n "$url" ] || stop "The template's address, '$written' (_src_path of .copier-answers.yml), is neither a URL nor a full path.
Put one there, and commit it."
tag=$(newest "$url")
if [ -z "$tag" ]; then
  git ls-remote --exit-code "$url" HEAD >/dev/null 2>&1 && stop "The template at $url has no release: no tag such as v1.0.0."
  stop "The template at $url cannot be reached; git says why above.
Is _src_path of .copier-answers.yml still right, and may you read it?"
fi

export UV_PYTHON="${UV_PYTHON:-${PYTHON3:-python3}}" UV_PYTHON_DOWNLOADS="${UV_PYTHON_DOWNLOADS:-never}"
from="git+$url@$tag"
echo "Using evergreen of the template's $tag ..." >&2
# On its own, so that a failure of uv does not pass for a status of evergreen's.
"$uv" --quiet tool run --from "$from" evergreen --version >/dev/null ||
  stop "uv could not install the template's command, evergreen, from $from; it says why above."

# It is the template's own code that has just been run, so the word that evergreen asks for adds nothing.
case ${1:-} in
preview | update) set -- "$@" --trust ;;
esac
exec "$uv" --quiet tool run --offline --from "$from" evergreen "$@"
