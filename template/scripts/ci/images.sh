#!/bin/sh
# The production images, from the Dockerfiles to a registry. Run from the project's root, by make/github_actions.mk.
#
#   images.sh build NAME            NAME is backend or frontend: its image, into images/NAME-ARCHITECTURE.tar
#   images.sh load NAME             that archive, into ENGINE, as PREFIX-NAME:production
#   images.sh publish NAME TAG...   the archives of all architectures, as one image, under each tag of the registry;
#                                   prints NAME=DIGEST
#   images.sh find NAME FROM        prints NAME=DIGEST of what the registry has under FROM, a tag or a digest
#   images.sh pull NAME FROM        that, for this architecture, as the archive
#   images.sh retag NAME FROM TAG... that, under each TAG, too; prints NAME=DIGEST
#
# Environment: PREFIX (the project's slug), REGISTRY (ghcr.io/owner), SOURCE (address of the repository),
# BUILDER (docker or buildah), ENGINE (docker or podman), BUILDAH, SKOPEO, ARCHITECTURE (amd64 or arm64; only that of this machine
# can be built); ABSENT="not run" if `find` may find nothing.
set -eu

stop() {
  echo "images.sh: $*" >&2
  exit 1
}

command=${1:?build, load, publish, find, pull or retag} name=${2:?backend or frontend}
shift 2
[ -f "$name/Dockerfile" ] || stop "there is no $name/Dockerfile."
local_name=$PREFIX-$name:production
archive=images/$name-$ARCHITECTURE.tar

build() {
  git rev-parse --quiet --verify HEAD >/dev/null || stop "an image's labels name the commit, and there is none yet: commit first."
  # The time of the commit, not of the build: the same commit gives the same labels.
  set -- --file "$name/Dockerfile" --target production --tag "$local_name" \
    --label "org.opencontainers.image.title=$PREFIX-$name" \
    --label "org.opencontainers.image.source=$SOURCE" \
    --label "org.opencontainers.image.revision=$(git rev-parse HEAD)" \
    --label "org.opencontainers.image.created=$(git log -1 --format=%cI)" \
    --label "org.opencontainers.image.version=$(git describe --tags --always --dirty)" "$name"
  rm -f "$archive"
  case ${BUILDER%% *} in
    *docker) $BUILDER buildx build --provenance=false --output "type=docker,dest=$archive" "$@" ;;
    # In Docker's form: OCI's has no health check.
    *buildah) $BUILDER build --format docker "$@" && $BUILDER push --quiet "$local_name" "docker-archive:$archive:$local_name" ;;
    *) stop "BUILDER is '$BUILDER'; it can be docker or buildah, with options." ;;
  esac
}

publish() {
  [ $# -gt 0 ] || stop "say under which tags to publish $name."
  repository=$REGISTRY/$PREFIX-$name list=$PREFIX-$name:publish
  $BUILDAH manifest rm "$list" >/dev/null 2>&1 || true
  $BUILDAH manifest create "$list" >&2
  for archive in images/"$name"-*.tar; do
    [ -f "$archive" ] || stop "there is no images/$name-*.tar: make image IMAGE=$name."
    # By itself first, since its layers are compressed on this way alone.
    part=docker://$repository:$1-$(basename "${archive#images/"$name"-}" .tar)
    file=$(basename "$archive" .tar)
    $SKOPEO copy --quiet --retry-times 2 --digestfile "images/$file.digest" "docker-archive:$archive" "$part" >&2
    checksum "$file" >"images/$file.txt"
    $BUILDAH manifest add "$list" "$part" >&2
  done
  for tag in "$@"; do
    $BUILDAH manifest push --all --digestfile "images/$name.digest" "$list" "docker://$repository:$tag" >&2
  done
  checksum "$name" >>images/checksums.txt
  echo "$name=$(cat "images/$name.digest")"
}

# As sha256sum writes it: what is attested, or signed.
checksum() { echo "$(sed s/^sha256:// "images/$1.digest")  $repository"; }

find_digest() {
  case ${1:?which tag or digest} in
    sha256:*) reference=$REGISTRY/$PREFIX-$name@$1 ;;
    *) reference=$REGISTRY/$PREFIX-$name:$1 ;;
  esac
  if digest=$($SKOPEO inspect --no-tags --retry-times 2 --format '{{.Digest}}' "docker://$reference" 2>images/error); then
    echo "$name=$digest"
  elif [ "${ABSENT:-failed}" = "not run" ] && grep -Eq 'manifest unknown|name unknown|denied' images/error; then
    # GHCR denies what is not there, too. A registry that cannot be reached is a failure whatever ABSENT says.
    echo "NOT RUN: the registry has no $reference, or shows none to whoever asks." >&2
  else
    cat images/error >&2
    stop "the registry has no $reference. build.yml makes it of each commit on main: has it run, and gone well?"
  fi
}

pull() {
  found=$(ABSENT=failed find_digest "$@")
  rm -f "$archive"
  $SKOPEO copy --quiet --retry-times 2 --override-arch "$ARCHITECTURE" "docker://$REGISTRY/$PREFIX-$name@${found#*=}" "docker-archive:$archive:$local_name" >&2
  echo "$found"
}

retag() {
  found=$(ABSENT=failed find_digest "${1:?from which tag or digest}")
  shift
  for tag in "$@"; do
    $SKOPEO copy --quiet --retry-times 2 --all --preserve-digests "docker://$REGISTRY/$PREFIX-$name@${found#*=}" "docker://$REGISTRY/$PREFIX-$name:$tag" >&2
  done
  echo "$found"
}

case $command in
  build) build ;;
  load) [ -f "$archive" ] || stop "there is no $archive: make image IMAGE=$name." && $ENGINE load --input "$archive" ;;
  publish) publish "$@" ;;
  find) find_digest "$@" ;;
  pull) pull "$@" ;;
  retag) retag "$@" ;;
  *) stop "'$command' is none of build, load, publish, find, pull, retag." ;;
esac
