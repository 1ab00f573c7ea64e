#!/bin/sh
# Offer the template's newest release as one pull request on GitHub, or as one issue when it needs a hand.
#
#   template-pull-request.sh prepare FOLDER   works the update out in a clone; what came of it goes into FOLDER. The template's
#                                             code runs here, so this half should hold no token that may write
#   template-pull-request.sh publish FOLDER   pushes the branch, and opens the pull request or the issue, or brings the one
#                                             that is open up to date. Runs no code of FOLDER. Needs gh, logged in (GH_TOKEN)
#   template-pull-request.sh                  both
#
# Run from the project's root, on a branch. Exit status: 0 current, or the pull request is there; 1 it needs a hand, and the
# issue says why; any other: it failed.
set -eu

NAME=template-update # of the branch, and of the issue's label
EMAIL="41898282+github-actions[bot]@users.noreply.github.com" # GitHub's own bot; tells our commits from a person's
GUIDE="docs/how-to/update-from-the-template.md says how to go on."
LONGEST=60000 # bytes; GitHub takes texts of 65536 characters

stop() { echo "$1" >&2 && exit 2; }

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
PATH=$PATH:$PWD/.tools/uv/bin # where `make tools` puts uv; the clone has none
# git asks gh for a password, in this run only: nothing that could log in is left in the checkout.
count=${GIT_CONFIG_COUNT:-0}
export GIT_CONFIG_COUNT=$((count + 1))
export "GIT_CONFIG_KEY_$count=credential.${GITHUB_SERVER_URL:-https://github.com}.helper"
export "GIT_CONFIG_VALUE_$count=!gh auth git-credential"

prepare() ( # folder
  mkdir -p "$1" && rm -f "$1/outcome"
  out=$(cd "$1" && pwd)
  base=$(git rev-parse HEAD)
  export GIT_AUTHOR_NAME="github-actions[bot]" GIT_AUTHOR_EMAIL="$EMAIL"
  export GIT_COMMITTER_NAME="$GIT_AUTHOR_NAME" GIT_COMMITTER_EMAIL="$EMAIL"
  git clone --quiet --config commit.gpgsign=false . "$temporary/project"
  cd "$temporary/project"
  outcome=current status=0
  sh scripts/template.sh check || status=$?
  [ $status -le 1 ] || exit 2
  if [ $status = 1 ]; then
    outcome=clean status=0
    sh scripts/template.sh preview --markdown >"$out/preview.md" || status=$?
    # Not even begun, the command ends with 1, too; then there is no text.
    [ $status -le 1 ] && [ -s "$out/preview.md" ] || exit 2
    [ $status = 0 ] || outcome=conflicts
  fi
  if [ $outcome = clean ]; then
    sh scripts/template.sh update --branch $NAME || exit 2
    git bundle create --quiet "$out/update.bundle" "$base..$NAME"
  fi
  echo $outcome >"$out/outcome"
)

api() { # a path below this repository's, options of gh
  path=$1
  shift
  gh api "repos/{owner}/{repo}/$path" "$@"
}

# The owner before the branch leaves out branches of that name in forks; and outsiders cannot label issues of theirs.
open_pull_request() { api "pulls?state=open&head={owner}:$NAME" --jq '.[0].number // empty'; }
open_issue() { api "issues?state=open&labels=$NAME" --jq '[.[] | select(.pull_request == null)][0].number // empty'; }

close() { # a number, or nothing: then there is none to close; the reason
  [ -n "$1" ] || return 0
  api "issues/$1/comments" --silent --raw-field body="$2"
  api "issues/$1" --silent --method PATCH --raw-field state=closed
  echo "Closed #$1: $2"
}

compose() { # folder, what comes before its preview; prints the name of the file
  text=$temporary/text
  printf '%s\n\n' "$2" >"$text"
  [ "$(wc -c <"$1/preview.md")" -le $LONGEST ] || printf 'It is cut short; all of it: make template-preview\n\n' >>"$text"
  LC_ALL=C awk -v left=$LONGEST '(left -= length($0) + 1) < 0 { exit } { print }' "$1/preview.md" >>"$text"
  echo "$text"
}

needs_a_hand() { # folder, why
  title="The template's update needs a hand"
  text=$(compose "$1" "$2 $GUIDE")
  issue=$(open_issue)
  if [ -n "$issue" ]; then
    api "issues/$issue" --silent --method PATCH --raw-field title="$title" --field body=@"$text"
  else
    gh label create $NAME --force --color 0e8a16 --description "Releases of the template"
    issue=$(api issues --jq .number --raw-field title="$title" --raw-field "labels[]=$NAME" --field body=@"$text")
  fi
  echo "Issue #$issue: $2"
  exit 1
}

offer() { # folder
  base=$(git rev-parse HEAD)
  target=$(git branch --show-current)
  [ -n "$target" ] || stop "No branch is checked out, so a pull request would have no target."
  git fetch --quiet "$1/update.bundle" refs/heads/$NAME
  new=$(git rev-parse FETCH_HEAD)
  [ "$(git rev-parse "$new^")" = "$base" ] || stop "The update in $1 was made for another commit than $base. Prepare it again."
  title=$(git log -1 --format=%s "$new")
  pull_request=$(open_pull_request)
  refused=$(api "pulls?state=closed&head={owner}:$NAME" --jq '.[] | select(.merged_at == null) | .title')
  if [ -z "$pull_request" ] && echo "$refused" | grep -qxF "$title"; then
    echo "Its pull request was closed, so it is not offered again. Reopen that to have it after all."
    return
  fi

  there=$(git ls-remote origin refs/heads/$NAME | cut -f 1)
  [ -z "$there" ] || git fetch --quiet origin refs/heads/$NAME
  if [ -n "$there" ] && git log --format=%ce "$base..$there" | grep -qvxF "$EMAIL"; then
    [ -n "$pull_request" ] || stop "The branch $NAME holds commits of others, and has no pull request. Rename or delete it."
    echo "Pull request #$pull_request holds commits of others, so it stays as it is. Merge or close it."
    return
  fi
  if [ -z "$there" ] || [ "$(git rev-parse "$there^{tree}" "$there^")" != "$(git rev-parse "$new^{tree}" "$base")" ]; then
    push "$1" "$there" "$new"
  fi

  text=$(compose "$1" "$GUIDE")
  if [ -n "$pull_request" ]; then
    api "pulls/$pull_request" --silent --method PATCH --raw-field title="$title" --field body=@"$text"
  else
    pull_request=$(api pulls --jq .number --raw-field title="$title" --field body=@"$text" --raw-field head=$NAME \
      --raw-field base="$target") || stop "The branch $NAME is pushed, but GitHub refused a pull request; gh says why above.
Actions may open them where the repository's settings allow it. $GUIDE"
  fi
  echo "Pull request #$pull_request: $title"
  close "$(open_issue)" "The update is offered by #$pull_request."
}

push() { # folder, the commit that may be replaced (nothing: there is no branch yet), the new one
  workflows=$(git diff --name-only "$3^" "$3" -- .github/workflows | tr '\n' ' ')
  refused="The release changes workflows, which the token of this run may not push: $workflows."
  # The token that Actions give never may.
  if [ -n "$workflows" ] && [ -n "${GITHUB_TOKEN:-}" ] && [ "$GITHUB_TOKEN" = "${GH_TOKEN:-}" ]; then
    needs_a_hand "$1" "$refused"
  fi
  git push --quiet --force-with-lease="refs/heads/$NAME:$2" origin "$3:refs/heads/$NAME" || {
    [ -n "$workflows" ] || stop "The branch $NAME could not be pushed; git says why above."
    needs_a_hand "$1" "$refused"
  }
}

publish() { # folder
  case $(cat "$1/outcome") in
  clean) offer "$1" ;;
  conflicts) needs_a_hand "$1" "The team and the release have changed the same lines." ;;
  *)
    close "$(open_pull_request)" "The project is current."
    close "$(open_issue)" "The project is current."
    ;;
  esac
}

folder=${2:-$temporary/update}
case ${1:-both} in
prepare | both) prepare "$folder" ;;
publish) ;;
*) stop "Unknown: $1. It is prepare or publish with a folder, or nothing." ;;
esac
[ "${1:-}" = prepare ] || publish "$folder"
