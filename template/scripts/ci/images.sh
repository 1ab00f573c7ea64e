#!/bin/sh
# The production images, from the Dockerfiles to a registry. Run from the project's root, by make/github_actions.mk.
#
#   images.sh build NAME            NAME is backend or frontend: its image, into images/NAME-ARCHITECTURE.tar
#   images.sh load NAME             that archive, into ENGINE, as PREFIX-NAME:production
#   images.sh publish NAME TAG...   the archives of all architectures, as one image, under each tag of the registry;
#                                   prints NAME=DIGEST
#   images.sh pull NAME FROM        what the registry has under FROM for this architecture, as the archive
#   images.sh retag NAME FROM TAG... what the registry has under FROM, under each TAG, too; prints NAME=DIGEST
#
# Environment: PREFIX (the project's slug), REGISTRY (ghcr.io/owner), SOURCE (address of the repository),
# BUILDER (docker or buildah), ENGINE (docker or podman), BUILDAH, SKOPEO.
set -eu

stop() {
  echo "images.sh: $*" >&2
  exit 1
}

command=${1:?build, load, publish, pull or retag} name=${2:?backend or frontend}
shift 2
[ -f "$name/Dockerfile" ] || stop "there is no $name/Dockerfile."
local_name=$PREFIX-$name:production
architecture=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
archive=images/$name-$architecture.tar

build() {
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
    $SKOPEO copy --quiet "docker-archive:$archive" "$part" >&2
    $BUILDAH manifest add "$list" "$part" >&2
  done
  for tag in "$@"; do
    $BUILDAH manifest push --all --digestfile "images/$name.digest" "$list" "docker://$repository:$tag" >&2
  done
  digest=$(cat "images/$name.digest")
  # As sha256sum writes it: what is attested, or signed.
  echo "${digest#sha256:}  $repository" >>images/checksums.txt
  echo "$name=$digest"
}

pull() {
  mkdir -p images
  rm -f "$archive"
  $SKOPEO copy --quiet --override-arch "$architecture" "docker://$REGISTRY/$PREFIX-$name:${1:?which tag}" "docker-archive:$archive:$local_name" ||
    stop "the registry has no $PREFIX-$name:$1. build.yml makes it of each commit on main: has it run, and gone well?"
}

retag() {
  from=docker://$REGISTRY/$PREFIX-$name:${1:?from which tag}
  shift
  digest=$($SKOPEO inspect --format '{{.Digest}}' "$from") ||
    stop "the registry has no ${from#docker://}."
  for tag in "$@"; do
    $SKOPEO copy --quiet --all --preserve-digests "${from%:*}@$digest" "docker://$REGISTRY/$PREFIX-$name:$tag" >&2
  done
  echo "$name=$digest"
}

case $command in
  build) build ;;
  load) $ENGINE load --input "$archive" ;;
  publish) publish "$@" ;;
  pull) pull "$@" ;;
  retag) retag "$@" ;;
  *) stop "'$command' is none of build, load, publish, pull, retag." ;;
esac
