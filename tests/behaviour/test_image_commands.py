"""The images of a generated project by its own commands, which the workflows run: built, described, published, named anew.

buildah stands for Docker, with the base images of support/images.py, and a registry of this machine for GitHub's.
"""

import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.images import BUILD_SECONDS, Store, bases, docker_engine
from support.ports import free_ports
from support.projects import Project
from support.releases import commit_all, git
from support.tools import program, tool

pytestmark = pytest.mark.verify

OPTIONS = "--format=docker --isolation=chroot --network=host --layers --pull-never"
INSTALLED = """
from importlib.metadata import distributions
print(*sorted(f"{one.name.lower().replace('_', '-')}=={one.version}" for one in distributions()))
"""


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with tempfile.TemporaryDirectory(prefix="images-", ignore_cleanup_errors=True) as folder:
        store = Store(Path(folder))
        # What takes options at each build, where Docker needs none.
        wrapper = store.folder / "buildah"
        wrapper.write_text(
            f'#!/bin/sh\n[ "$1" != build ] || {{ shift; set -- build {OPTIONS} "$@"; }}\n'
            f'exec {program("buildah", "buildah")} "$@"\n'
        )
        wrapper.chmod(0o755)
        try:
            yield store
        finally:
            store.close()


@pytest.fixture(scope="module")
def project(rendered: Callable[..., Path], store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images") / "project"
    shutil.copytree(rendered(), folder)
    git(folder, "init", "--quiet")
    commit_all(folder, "Start")
    git(folder, "tag", "v1.2.3")
    for name in ("backend", "frontend"):
        for base in bases(folder / name / "Dockerfile"):
            store.stand_in(base)
    return folder


@pytest.fixture(scope="module")
def registry(store: Store) -> Iterator[str]:
    """A registry on this machine, and the address below which images are."""
    (port,) = free_ports(1)
    process = subprocess.Popen([tool("registry"), f"localhost:{port}"], stderr=subprocess.DEVNULL)
    (store.folder / "registries.conf").write_text(f'[[registry]]\nlocation = "localhost:{port}"\ninsecure = true\n')
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://localhost:{port}/v2/")
                break
            except OSError:
                time.sleep(0.1)
        yield f"localhost:{port}/acme"
    finally:
        process.kill()
        process.wait()


def make(store: Store, project: Path, *arguments: str, registry: str = "localhost:1/acme") -> str:
    settings = store.folder / "registries.conf"
    variables = {
        "BUILDER": f"{store.folder}/buildah",
        "BUILDAH": f"buildah --registries-conf {settings}",
        "SKOPEO": f"{program('skopeo', 'skopeo')} --registries-conf {settings}",
        "ENGINE": "podman",
        "REGISTRY": registry,
        "SYFT": tool("syft"),
        "GITHUB_REPOSITORY": "acme/my-saas",
    }
    return store.run("make", "--silent", "-C", str(project), *arguments, timeout=BUILD_SECONDS, environment=variables)


@pytest.fixture(scope="module")
def built(store: Store, project: Path) -> Path:
    """The project with both images in images/, made by the workflow's own command."""
    for name in ("backend", "frontend"):
        make(store, project, "image", f"IMAGE={name}")
    make(store, project, "load-images")
    return project


@pytest.mark.requirement("FR-CI-007")
@pytest.mark.parametrize(("name", "user"), [("backend", "10001:10001"), ("frontend", "101")])
def test_labels_and_user_are_right(store: Store, built: Path, name: str, user: str) -> None:
    config = json.loads(store.run("podman", "image", "inspect", f"localhost/my-saas-{name}:production"))[0]
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    assert (
        labels.items()
        >= {
            "title": f"my-saas-{name}",
            "source": "https://github.com/acme/my-saas",
            "revision": git(built, "rev-parse", "HEAD"),
            "version": "v1.2.3",
            "created": git(built, "log", "-1", "--format=%cI"),
        }.items()
    )
    assert config["User"] == user
    assert config.get("Healthcheck") or config["Config"].get("Healthcheck")


@pytest.mark.requirement("FR-CI-011")
@pytest.mark.parametrize(("name", "kinds"), [("backend", {"deb", "pypi"}), ("frontend", {"deb"})])
def test_the_sbom_lists_every_package_that_is_installed(store: Store, built: Path, name: str, kinds: set[str]) -> None:
    """As dpkg and Python themselves see them; the frontend's libraries are compiled into its files and so are no packages."""
    make(store, built, "sbom", f"IMAGE={name}")
    (path,) = (built / "reports").glob(f"sbom-{name}-*.json")
    listed: dict[str, set[str]] = {}
    for package in json.loads(path.read_text())["packages"]:
        for reference in package.get("externalRefs", []):
            if found := re.match(r"pkg:(\w+)/", reference["referenceLocator"]):
                listed.setdefault(found[1], set()).add(f"{package['name'].lower().replace('_', '-')}=={package['versionInfo']}")
    image = f"localhost/my-saas-{name}:production"
    asked = {"deb": ("dpkg-query", "--show", "--showformat=${Package}==${Version}\n"), "pypi": ("python", "-c", INSTALLED)}
    for kind in kinds:
        program_name, *arguments = asked[kind]
        installed = set(store.run("podman", "run", "--rm", "--entrypoint", program_name, image, *arguments).lower().split())
        assert len(installed) > 30
        assert installed - listed[kind] == set()


def test_the_built_images_work_together_in_a_browser(
    store: Store, built: Path, workshop: Callable[..., Project], tmp_path: Path
) -> None:
    """The project's own browser tests, against both images with PostgreSQL, Redis and Keycloak, as CI runs them."""
    compose = (built / "compose.yml").read_text()
    for name in re.findall(r"image: ((?:postgres|redis|quay\.io/keycloak/keycloak):\S+)", compose):
        store.stand_in(name)
    for name in ("backend", "frontend"):  # by the name that Docker's API gives a short one
        image = f"my-saas-{name}:production"
        store.run("podman", "tag", f"localhost/{image}", f"docker.io/library/{image}")
    packages = workshop().path / "frontend/node_modules"
    store.run("cp", "--archive", "--link", str(packages), str(built / "frontend/node_modules"))
    names = ("FRONTEND_PORT", "KEYCLOAK_PORT", "POSTGRES_PORT", "REDIS_PORT", "BACKEND_PORT")
    ports = {name: str(port) for name, port in zip(names, free_ports(len(names)), strict=True)}
    with docker_engine(store, tmp_path) as engine:
        wrapper = tmp_path / "compose"
        wrapper.write_text(COMPOSE.format(compose=tool("docker-compose")))
        wrapper.chmod(0o755)
        settings = {"ENGINE": "podman", "COMPOSE": str(wrapper), "DOCKER_HOST": engine, **ports}
        output = store.run("make", "-C", str(built), "e2e-images", timeout=BUILD_SECONDS, environment=settings)
    assert re.search(r"^\s+\d+ passed", output, re.MULTILINE), output


@pytest.mark.requirement("FR-CI-008", "FR-CI-009", "FR-CI-010")
def test_what_was_built_is_pushed_for_every_architecture_under_every_tag(store: Store, built: Path, registry: str) -> None:
    (archive,) = (built / "images").glob("frontend-*.tar")
    (another,) = (built / "images").glob("backend-*.tar")
    other = archive.with_name("frontend-other.tar")  # in place of what a machine of a second architecture has built
    shutil.copy2(another, other)
    pushed = make(store, built, "publish-images", "TAGS=sha-abc latest", registry=registry).splitlines()
    digests = dict(line.split("=") for line in pushed if re.fullmatch(r"(backend|frontend)=sha256:[0-9a-f]{64}", line))
    assert set(digests) == {"backend", "frontend"}
    renamed = make(store, built, "retag-images", "FROM=sha-abc", "TAGS=1.2.3", registry=registry).splitlines()
    assert set(pushed) & set(renamed) >= {f"{name}={digest}" for name, digest in digests.items()}

    skopeo = ["skopeo", "--registries-conf", str(store.folder / "registries.conf"), "inspect"]
    for name, digest in digests.items():
        for tag in ("sha-abc", "latest", "1.2.3"):
            address = f"docker://{registry}/my-saas-{name}:{tag}"
            assert store.run(*skopeo, "--format", "{{.Digest}}", address) == digest
    index = json.loads(store.run(*skopeo, "--raw", f"docker://{registry}/my-saas-frontend:1.2.3"))
    assert len(index["manifests"]) == 2
    # What SBOMs are attested of: each architecture's own image.
    parts = [(built / "images" / f"{path.stem}.txt").read_text().split() for path in (archive, other)]
    assert {f"sha256:{digest}" for digest, _ in parts} == {manifest["digest"] for manifest in index["manifests"]}
    assert {address for _, address in parts} == {f"{registry}/my-saas-frontend"}
    checksums = (built / "images/checksums.txt").read_text().splitlines()
    assert checksums == [
        f"{digests[name].removeprefix('sha256:')}  {registry}/my-saas-{name}" for name in ("backend", "frontend")
    ]

    signed = store.folder / "signed"
    (store.folder / "cosign").write_text(f'#!/bin/sh\necho "$@" >>{signed}\n')
    (store.folder / "cosign").chmod(0o755)
    make(store, built, "sign-images", f"COSIGN={store.folder}/cosign")
    assert signed.read_text().splitlines() == [
        f"sign --yes {registry}/my-saas-{name}@{digest}" for name, digest in digests.items()
    ]

    archive.unlink()
    other.unlink()
    make(store, built, "pull-images", "IMAGES=frontend", f"FROM={digests['frontend']}", registry=registry)
    assert archive.is_file()


def test_a_commit_that_was_not_built_cannot_be_released(store: Store, built: Path, registry: str) -> None:
    with pytest.raises(AssertionError, match=r"build\.yml makes it of each commit on main"):
        make(store, built, "pull-images", "FROM=sha-unknown", registry=registry)
    assert "sha256" not in make(store, built, "find-images", "FROM=sha-unknown", "ABSENT=not run", registry=registry)
    with pytest.raises(AssertionError, match="refused"):
        make(store, built, "find-images", "FROM=sha-unknown", "ABSENT=not run", registry="localhost:1/acme")


# Older Podman splits the arguments of a health check, so that Keycloak's succeeds at once: its port is waited for instead.
COMPOSE = """\
#!/bin/sh
{compose} "$@" || exit
case " $* " in
*" up "*)
  for _ in $(seq 300); do
    python3 -c "import urllib.request as u; u.urlopen('http://localhost:$KEYCLOAK_PORT/realms/my-saas')" 2>/dev/null && exit
    sleep 1
  done
  exit 1 ;;
esac
"""
FAKE_DOCKER = '#!/bin/sh\nprintf \'%s\\n\' "$@" >"$DOCKER_LOG"\n'


def test_docker_is_asked_for_the_same(built: Path, tmp_path: Path) -> None:
    """The one line that buildah does not show: Docker's own, as the workflow runs it."""
    (tmp_path / "docker").write_text(FAKE_DOCKER)
    (tmp_path / "docker").chmod(0o755)
    log = tmp_path / "log"
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "DOCKER_LOG": str(log), "GITHUB_REPOSITORY": "acme/my-saas"}
    subprocess.run(["make", "image", "IMAGE=backend"], cwd=built, env=environment, check=True, capture_output=True)
    asked = log.read_text().splitlines()
    assert asked[:5] == ["buildx", "build", "--provenance=false", "--output", asked[4]]
    assert re.fullmatch(r"type=docker,dest=images/backend-(amd64|arm64)\.tar", asked[4])
    assert asked[asked.index("--target") + 1] == "production"
    assert "org.opencontainers.image.version=v1.2.3" in asked
    assert asked[-1] == "backend"
