"""Builds and runs a project's images with buildah and podman, where no registry can be reached.

Each base image of a Dockerfile is replaced by a stand-in of the same name: Debian by debootstrap, with the machine's Node and uv
where the base brings those. What a stand-in proves is what the Dockerfile adds to it. Images, containers and networks live in a
folder of their own; Debian's files and the downloads of pip and npm are kept in ~/.cache/evergreen/images.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from support.projects import CACHE, clean_environment, run_to_end
from support.tools import keycloak_home, need, program

KEPT: Final = CACHE / "images"
SUITE: Final = "trixie"
BUILD_SECONDS: Final = 900
"""Only there so that a hanging build fails by name, as are the next two."""
RUN_SECONDS: Final = 120
START_SECONDS: Final = 60
HARDENED: Final = (
    *("--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp"),
    *("--cap-drop=all", "--security-opt=no-new-privileges"),
)
"""A read-only root with one writable folder, no capability, and none to be had."""

PYTHON_PACKAGES: Final = ("ca-certificates", "python3", "python3-pip-whl")
SERVER_PACKAGES: Final = ("busybox", "ca-certificates", "gettext-base", "nginx-light", "postgresql", "redis-server")
CERTIFICATES: Final = "/etc/ssl/certs/ca-certificates.crt"
NEEDLESS: Final = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale", "dev")

# As in the real one, pip lies in /usr/local. Debian's Python would look there for packages in dist-packages.
PYTHON: Final = f"""
FROM {{root}}
COPY ca-certificates.crt {CERTIFICATES}
ENV SSL_CERT_FILE={CERTIFICATES}
RUN ln -s /usr/bin/python3 /usr/local/bin/python && rm /usr/lib/python3*/EXTERNALLY-MANAGED && \\
    PYTHONPATH="$(echo /usr/share/python-wheels/pip-*.whl)" python -m pip install --quiet --no-index \\
      --root-user-action=ignore --find-links /usr/share/python-wheels pip
"""
NODE: Final = f"""
FROM {{root}}
COPY ca-certificates.crt {CERTIFICATES}
ENV SSL_CERT_FILE={CERTIFICATES} NODE_EXTRA_CA_CERTS={CERTIFICATES}
RUN useradd --uid 1000 --user-group --create-home node
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && \\
    ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
"""
# The user, the folders, the signal and the entrypoint of nginx-unprivileged. Its scripts fill in every template below
# /etc/nginx/templates; where they may not write, they say so and have nginx start all the same.
NGINX: Final = """
FROM {root}
RUN busybox --install -s /usr/local/bin && \\
    rm -rf /etc/nginx/sites-* /etc/nginx/modules-enabled/* && mkdir -p /etc/nginx/conf.d /usr/share/nginx/html && \\
    echo 'server {{ listen 8080; root /usr/share/nginx/html; }}' > /etc/nginx/conf.d/default.conf && \\
    echo "the base's own page" > /usr/share/nginx/html/index.html && touch /usr/share/nginx/html/50x.html && \\
    chown -R 101:0 /etc/nginx
COPY nginx.conf /etc/nginx/nginx.conf
COPY --chmod=755 nginx-entrypoint.sh /docker-entrypoint.sh
ENTRYPOINT ["/docker-entrypoint.sh"]
CMD ["nginx", "-g", "daemon off;"]
STOPSIGNAL SIGQUIT
USER 101
"""
NGINX_MAIN: Final = """
pid /tmp/nginx.pid;
error_log /dev/stderr notice;
events {}
http {
  include /etc/nginx/mime.types;
  access_log off;
  client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi; uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  include /etc/nginx/conf.d/*.conf;
}
"""
NGINX_ENTRYPOINT: Final = r"""#!/bin/sh
set -e
if [ -n "$NGINX_ENTRYPOINT_LOCAL_RESOLVERS" ]; then
  # The first alone: older Podman adds the machine's own, which know no container, and nginx asks them in turn.
  NGINX_LOCAL_RESOLVERS=$(awk '$1 == "nameserver" { print ($2 ~ ":") ? "[" $2 "]" : $2 }' /etc/resolv.conf | head -n 1)
  export NGINX_LOCAL_RESOLVERS
fi
to=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}
if [ -w "$to" ]; then
  names=$(env | cut -d= -f1 | grep -E "$NGINX_ENVSUBST_FILTER" | sed 's/.*/${&}/' | xargs)
  (cd /etc/nginx/templates && find . -follow -name '*.template') | while read -r template; do
    mkdir -p "$to/$(dirname "$template")"
    envsubst "$names" < "/etc/nginx/templates/$template" > "$to/${template%.template}"
  done
else
  echo "ERROR: /etc/nginx/templates exists, but $to is not writable"
fi
exec "$@"
"""
# What scripts and settings of a project expect of the official images: variables, /docker-entrypoint-initdb.d, where data are.
POSTGRES: Final = """
FROM {root}
RUN ln -s "$(echo /usr/lib/postgresql/*/bin)" /pg && rm -rf /var/lib/postgresql
ENV PATH=/pg:$PATH
COPY --chmod=755 postgres-entrypoint.sh /docker-entrypoint.sh
ENTRYPOINT ["/docker-entrypoint.sh"]
STOPSIGNAL SIGINT
"""
POSTGRES_ENTRYPOINT: Final = r"""#!/bin/sh
set -eu
data=/var/lib/postgresql/data
as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
if [ ! -s "$data/PG_VERSION" ]; then
  mkdir -p "$data" /run/postgresql
  chown -R postgres: /var/lib/postgresql /run/postgresql
  echo "$POSTGRES_PASSWORD" > /tmp/password
  as_postgres initdb -D "$data" -U postgres --auth-local=trust --auth-host=scram-sha-256 --pwfile=/tmp/password \
    ${POSTGRES_INITDB_ARGS:-}
  echo 'host all all all scram-sha-256' >> "$data/pg_hba.conf"
  as_postgres pg_ctl -D "$data" -w -o "-c listen_addresses=''" start
  for script in /docker-entrypoint-initdb.d/*.sql; do
    [ ! -e "$script" ] || psql --username=postgres --set=ON_ERROR_STOP=1 --file="$script"
  done
  as_postgres pg_ctl -D "$data" -w stop
fi
exec setpriv --reuid=postgres --regid=postgres --clear-groups postgres -D "$data" -c listen_addresses='*' "$@"
"""
REDIS: Final = """
FROM {root}
CMD ["setpriv", "--reuid=redis", "--regid=redis", "--clear-groups", "redis-server", "--bind", "*", "--protected-mode", "no"]
"""
# The machine's Java, and the Keycloak that scripts/install-tools has fetched.
KEYCLOAK: Final = """
FROM {root}
COPY java /opt/java
COPY keycloak /opt/keycloak
ENV JAVA_HOME=/opt/java KC_RUN_IN_CONTAINER=true
RUN useradd --uid 1000 --no-create-home keycloak && mkdir -p /opt/keycloak/data/import && chown -R keycloak /opt/keycloak
USER 1000
ENTRYPOINT ["/opt/keycloak/bin/kc.sh"]
"""
UV: Final = "FROM scratch\nCOPY uv /uv\n"
KINDS: Final = (
    (r"(^|/)python:[\d.]+-slim$", PYTHON, PYTHON_PACKAGES),
    (r"(^|/)node:\d+-slim$", NODE, PYTHON_PACKAGES),
    (r"/nginx-unprivileged:[\d.]+-alpine-slim$", NGINX, SERVER_PACKAGES),
    (r"(^|/)postgres:\d+$", POSTGRES, SERVER_PACKAGES),
    (r"(^|/)redis:\d+-alpine$", REDIS, SERVER_PACKAGES),
    (r"/keycloak:[\d.]+$", KEYCLOAK, PYTHON_PACKAGES),
    (r"/uv:[\d.]+$", UV, ()),
)

CONTAINERS_CONF: Final = """
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""
STORAGE_CONF: Final = """
[storage]
driver = "overlay"
graphroot = "{folder}/graph"
runroot = "{folder}/run"
"""


class BuildError(AssertionError):
    """An image was not built; the message holds the end of what was printed."""


@dataclass(frozen=True)
class Layer:
    """What one instruction of a Dockerfile adds to an image."""

    instruction: str
    files: tuple[tarfile.TarInfo, ...]
    size: int
    """Bytes, of files alone."""
    pulled: int
    """Bytes of the compressed archive, which a registry serves; made by gzip's fastest level."""


class Store:
    """Images, containers and networks in one folder."""

    def __init__(self, folder: Path) -> None:
        need(os.geteuid() == 0, "images are built from Debian's packages, which only root may unpack")
        for name in ("buildah", "podman", "runc", "netavark"):
            path = "/usr/lib/podman/netavark" if name == "netavark" else name
            program(path, name)
        program("/usr/lib/podman/aardvark-dns", "aardvark-dns")
        self.folder = folder
        (folder / "networks").mkdir()
        (KEPT / "downloads").mkdir(parents=True, exist_ok=True)
        (folder / "containers.conf").write_text(CONTAINERS_CONF.format(folder=folder))
        (folder / "storage.conf").write_text(STORAGE_CONF.format(folder=folder))
        self.environment = clean_environment() | {
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            # Where buildah keeps what a Dockerfile mounts as a cache.
            "TMPDIR": str(KEPT / "downloads"),
        }

    def run(
        self, *command: str, check: bool = True, timeout: float = RUN_SECONDS, environment: dict[str, str] | None = None
    ) -> str:
        """Run podman, buildah or what uses them, and return what it printed.

        Raises:
            AssertionError: it failed; the message holds what it printed.
        """
        result = run_to_end(command, self.environment | (environment or {}), timeout)
        # Podman's health checks are systemd's timers, and there is no systemd: tests run the checks themselves.
        lines = [line for line in result.stdout.splitlines() if "healthchecks: dial unix" not in line]
        printed = "\n".join(lines).strip()
        assert not check or result.returncode == 0, f"{' '.join(command)} ended with {result.returncode}:\n{printed}"
        return printed

    def build(self, context: Path, name: str, target: str | None = None) -> str:
        """Build a Dockerfile's image (by default its last stage), and return its name.

        Raises:
            BuildError: it could not be built.
        """
        for base in bases(context / "Dockerfile"):
            self.stand_in(base)
        chosen = ("--target", target) if target else ()
        # Health checks are of Docker's format. chroot needs the fewest rights, and --layers is how BuildKit does it.
        options = ("--format=docker", "--isolation=chroot", "--network=host", "--layers", "--pull-never")
        try:
            self.run("buildah", "build", *options, *chosen, "--tag", name, str(context), timeout=BUILD_SECONDS)
        except AssertionError as error:
            raise BuildError("\n".join(str(error).splitlines()[-80:])) from None
        return name

    def has(self, name: str) -> bool:
        """Tell whether there is an image of a name."""
        return name in self.run("podman", "images", "--format", "{{.Repository}}:{{.Tag}}").split()

    def stand_in(self, name: str) -> str:
        """Make the stand-in of a base image, unless it is there, and return its full name."""
        full = name if "." in name.partition("/")[0] else f"docker.io/{name if '/' in name else f'library/{name}'}"
        if self.has(full):
            return full
        text, packages = next((text, packages) for pattern, text, packages in KINDS if re.search(pattern, name))
        root = self._root(packages) if packages else ""
        with tempfile.TemporaryDirectory() as context:
            for file, content in {
                "Dockerfile": text.format(root=root),
                "nginx.conf": NGINX_MAIN,
                "nginx-entrypoint.sh": NGINX_ENTRYPOINT,
                "postgres-entrypoint.sh": POSTGRES_ENTRYPOINT,
            }.items():
                (Path(context) / file).write_text(content)
            if CERTIFICATES in text:  # the machine's, where a company's proxy may have added its own
                shutil.copy(CERTIFICATES, Path(context) / "ca-certificates.crt")
            if text == NODE:
                node = Path(program("node", "nodejs")).resolve()
                shutil.copy(node, Path(context) / "node")
                shutil.copytree(node.parents[1] / "lib/node_modules/npm", Path(context) / "npm", symlinks=True)
            if text == KEYCLOAK:
                java = Path(program("java", "openjdk-17-jre-headless")).resolve().parents[1]
                shutil.copytree(java, Path(context) / "java", ignore_dangling_symlinks=True)  # its settings are links to /etc
                shutil.copytree(keycloak_home(), Path(context) / "keycloak", symlinks=True)
            if text == UV:
                shutil.copy(Path(sys.prefix) / "bin/uv", Path(context) / "uv")
            options = ("--format=docker", "--isolation=chroot", "--network=host", "--pull-never")
            self.run("buildah", "build", *options, "--tag", full, context, timeout=BUILD_SECONDS)
        return full

    def _root(self, packages: tuple[str, ...]) -> str:
        """Import Debian with some packages, and return the image's name."""
        key = hashlib.sha256(" ".join((SUITE, *packages, *NEEDLESS)).encode()).hexdigest()[:12]
        name = f"localhost/{SUITE}:{key}"
        if not self.has(name):
            self.run("podman", "import", str(debian(key, packages)), name)
        return name

    def layers(self, image: str) -> list[Layer]:
        """Return an image's layers, the base's first."""
        with tempfile.TemporaryDirectory() as folder:
            self.run("podman", "save", "--format=docker-dir", "--output", f"{folder}/image", image)
            manifest = json.loads(Path(folder, "image/manifest.json").read_text())
            config = self._blob(folder, manifest["config"]["digest"])
            history = [step for step in json.loads(config.read_text())["history"] if not step.get("empty_layer")]
            layers = []
            for step, described in zip(history, manifest["layers"], strict=True):
                blob = self._blob(folder, described["digest"])
                with tarfile.open(blob) as archive:
                    files = tuple(archive.getmembers())
                pulled = len(subprocess.run(["gzip", "-1", "--stdout", str(blob)], check=True, stdout=subprocess.PIPE).stdout)
                instruction = step.get("created_by", "").removeprefix("/bin/sh -c ").removeprefix("#(nop) ")
                layers.append(Layer(instruction, files, sum(file.size for file in files), pulled))
            return layers

    @staticmethod
    def _blob(folder: str, digest: str) -> Path:
        return Path(folder, "image", digest.partition(":")[2])

    def added(self, image: str, base: str) -> list[Layer]:
        """Return the layers that an image has above its base."""
        base = self.stand_in(base)
        count = len(json.loads(self.run("podman", "image", "inspect", base))[0]["RootFS"]["Layers"])
        return self.layers(image)[count:]

    @contextmanager
    def network(self, name: str) -> Iterator[str]:
        """Have a network, in which containers know each other by name, until the block ends."""
        self.run("podman", "network", "create", name)
        try:
            yield name
        finally:
            self.run("podman", "network", "rm", "--force", name, check=False)

    @contextmanager
    def container(self, image: str, name: str, *options: str, command: tuple[str, ...] = ()) -> Iterator["Container"]:
        """Start a container, and remove it when the block ends."""
        self.run("podman", "run", "--detach", f"--name={name}", *options, image, *command)
        container = Container(self, name)
        try:
            yield container
        except BaseException:
            print(f"--- log of {name}\n{container.log()}")
            raise
        finally:
            self.run("podman", "rm", "--force", "--time=0", name)

    def close(self) -> None:
        """Remove everything."""
        self.run("podman", "rm", "--all", "--force", "--time=0", check=False)
        self.run("podman", "image", "unmount", "--all", "--force", check=False)
        self.run("podman", "network", "prune", "--force", check=False)
        # The storage itself stays mounted, and could not be deleted.
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in reversed([mount for mount in mounts if mount.startswith(f"{self.folder}/")]):
            subprocess.run(["umount", "--lazy", mount], check=True)


@dataclass(frozen=True)
class Container:
    """A container that was started."""

    store: Store
    name: str

    def inspect(self) -> dict[str, Any]:
        """Return what podman knows of it."""
        found: dict[str, Any] = json.loads(self.store.run("podman", "inspect", self.name))[0]
        return found

    def address(self) -> str:
        """Return its IP address, which this machine reaches."""
        networks = self.inspect()["NetworkSettings"]["Networks"]
        return str(next(iter(networks.values()))["IPAddress"])

    def log(self) -> str:
        """Return what it has printed so far."""
        return self.store.run("podman", "logs", self.name, check=False)

    def execute(self, *command: str) -> str:
        """Run a command in it."""
        return self.store.run("podman", "exec", self.name, *command)

    def is_healthy(self) -> bool:
        """Run the health check that its image describes."""
        try:
            self.store.run("podman", "healthcheck", "run", self.name)
        except AssertionError:
            return False
        return True

    def is_running(self) -> bool:
        """Tell whether it runs."""
        return bool(self.inspect()["State"]["Running"])

    def await_health(self) -> None:
        """Wait until its health check succeeds."""
        deadline = time.monotonic() + START_SECONDS
        while not self.is_healthy():
            assert self.is_running(), f"{self.name} ended"
            assert time.monotonic() < deadline, f"{self.name} is not healthy"
            time.sleep(0.2)

    def process_status(self) -> list[dict[str, str]]:
        """Return what the kernel says of each of its processes (proc_pid_status(5))."""
        found = []
        for pid in self.store.run("podman", "top", self.name, "hpid").split()[1:]:
            try:
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            except (FileNotFoundError, ProcessLookupError):
                continue  # It has ended since; podman writes `?` for one that ended while it looked.
            found.append({name: value.strip() for name, _, value in (line.partition(":") for line in lines)})
        return found

    def stop(self, seconds: int) -> int:
        """Stop it as orchestrators do, by its image's signal and a kill after some seconds; return its exit status."""
        self.store.run("podman", "stop", f"--time={seconds}", self.name)
        return int(self.inspect()["State"]["ExitCode"])


def bases(dockerfile: Path) -> list[str]:
    """Return the names of the images that a Dockerfile starts from."""
    text = dockerfile.read_text(encoding="utf-8")
    values = dict(re.findall(r"^ARG (\w+)=(\S+)", text, flags=re.MULTILINE))
    stages = re.findall(r"^FROM \S+ AS (\S+)", text, flags=re.MULTILINE)
    names = [
        re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], name)
        for name in re.findall(r"^FROM (\S+)", text, flags=re.MULTILINE)
    ]
    return [name for name in dict.fromkeys(names) if name not in stages]


@contextmanager
def docker_engine(store: Store, folder: Path) -> Iterator[str]:
    """Have Podman in Docker's place: its API's address. Without systemd nobody runs its health checks, so they are run here."""
    ended = threading.Event()

    def check_health() -> None:
        while not ended.wait(1):
            for name in store.run("podman", "ps", "--quiet").split():
                store.run("podman", "healthcheck", "run", name, check=False)

    socket = folder / "podman.sock"
    service = subprocess.Popen(
        ["podman", "system", "service", "--time=0", f"unix://{socket}"],
        env=store.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    checks = threading.Thread(target=check_health)
    checks.start()
    try:
        deadline = time.monotonic() + START_SECONDS
        while not socket.exists():
            assert time.monotonic() < deadline, "podman's API does not start"
            time.sleep(0.05)
        yield f"unix://{socket}"
    finally:
        ended.set()
        checks.join()
        service.terminate()
        service.wait(START_SECONDS)


def debian(key: str, packages: tuple[str, ...]) -> Path:
    """Return Debian with some packages as an archive, made by debootstrap once."""
    archive = KEPT / f"{SUITE}-{key}.tar"
    if archive.exists():
        return archive
    with tempfile.TemporaryDirectory(dir=KEPT) as folder:
        root = Path(folder, "root")
        command = [
            program("debootstrap", "debootstrap"),
            "--variant=minbase",
            f"--include={','.join(packages)}",
            SUITE,
            str(root),
        ]
        result = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
        assert result.returncode == 0, "\n".join(result.stdout.splitlines()[-20:])
        excluded = [f"--exclude=./{path}/*" for path in NEEDLESS]
        unfinished = Path(folder, "root.tar")
        subprocess.run(["tar", "--create", f"--file={unfinished}", f"--directory={root}", *excluded, "."], check=True)
        unfinished.rename(archive)
    return archive
