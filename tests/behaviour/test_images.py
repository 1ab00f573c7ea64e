"""The images of a generated project, built and run as an operator does. support/images.py says what stands in for a registry."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.images import BUILD_SECONDS, HARDENED, START_SECONDS, BuildError, Container, Layer, Store, bases, docker_engine
from support.ports import free_ports
from support.tools import tool

pytestmark = pytest.mark.verify

STOP_SECONDS = 60
IN_FLIGHT_SECONDS = 3
API = "/api/v1"
BACKEND = "localhost/backend:production"
FRONTEND = "localhost/frontend:production"
OLDER_LIBRARY = "1.3.10"
"""Of Mako, and the next of lit: versions that are no longer the newest, so that only a lock file can have chosen them."""
OLDER_LIT = "3.3.1"
DATABASE = {
    "POSTGRES_PASSWORD": "superuser-of-the-test",
    "POSTGRES_INITDB_ARGS": "--encoding=UTF8 --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C",
    "DATABASE": "app",
    "OWNER": "app_owner",
    "OWNER_PASSWORD": "owner-of-the-test",
    "APP": "app_app",
    "APP_PASSWORD": "app-of-the-test",
}
OWNER = {"POSTGRES_USER": "app_owner", "POSTGRES_PASSWORD": "owner-of-the-test"}
PRODUCTION = {
    "ENV": "production",
    "PUBLIC_URL": "https://app.example.com",
    "POSTGRES_HOST": "postgres",
    "POSTGRES_PORT": "5432",
    "POSTGRES_DB": "app",
    "APP_DB_USER": "app_app",
    "APP_DB_PASSWORD": "app-of-the-test",
    "REDIS_URL": "redis://redis:6379/0",
    "OIDC_ISSUER": "https://login.example.com/realms/app",
    "OIDC_BACKEND_CLIENT_SECRET": "client-of-the-test",
}
NO_CAPABILITY = "0000000000000000"
WHITEOUT = ".wh."


def variables(values: dict[str, str]) -> list[str]:
    return [f"--env={name}={value}" for name, value in values.items()]


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with tempfile.TemporaryDirectory(prefix="images-", ignore_cleanup_errors=True) as folder:
        store = Store(Path(folder))
        try:
            yield store
        finally:
            store.close()


@pytest.fixture(scope="module")
def project(rendered: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in a checkout that nobody but its owner may read, as a umask of 077 leaves it."""
    folder = tmp_path_factory.mktemp("images") / "project"
    shutil.copytree(rendered(), folder)
    subprocess.run(["chmod", "--recursive", "go=", str(folder)], check=True)
    return folder


@pytest.fixture
def copy(project: Path, tmp_path: Path) -> Path:
    """A copy of the project for a test that changes it."""
    return Path(shutil.copytree(project, tmp_path / "project"))


@pytest.fixture(scope="module")
def backend_image(store: Store, project: Path) -> str:
    return store.build(project / "backend", BACKEND)


@pytest.fixture(scope="module")
def frontend_image(store: Store, project: Path) -> str:
    return store.build(project / "frontend", FRONTEND)


@dataclass(frozen=True)
class Surroundings:
    """A network with a PostgreSQL and a Redis, in which the migrations have run from the production image."""

    store: Store
    image: str
    postgres: Container

    def run(self, name: str, *options: str, **environment: str) -> ExitStack:
        """Return a context in which a backend of some name runs."""
        stack = ExitStack()
        settings = variables(PRODUCTION | environment)
        stack.enter_context(self.store.container(self.image, name, "--network=tests", *HARDENED, *settings, *options))
        return stack

    def psql(self, statement: str) -> str:
        """Run a statement as the superuser."""
        return self.postgres.execute("psql", "--username=postgres", "-At", "--dbname=app", f"--command={statement}")


@pytest.fixture(scope="module")
def surroundings(store: Store, project: Path, backend_image: str) -> Iterator[Surroundings]:
    compose = (project / "compose.yml").read_text()
    roles = f"--volume={project}/scripts/create-roles.sql:/docker-entrypoint-initdb.d/create-roles.sql:ro"
    images = {
        name: store.stand_in(match[0])
        for name in ("postgres", "redis")
        if (match := re.search(rf"{name}:[\w.-]+$", compose, re.M))
    }
    with (
        store.network("tests"),
        store.container(images["postgres"], "postgres", "--network=tests", roles, *variables(DATABASE)) as postgres,
        store.container(images["redis"], "redis", "--network=tests"),
    ):
        wait_until(lambda: succeeds(lambda: postgres.execute("pg_isready", "--quiet", "--host=127.0.0.1")))
        settings = variables(PRODUCTION | OWNER)
        migrate = ("python", "-m", "alembic", "upgrade", "heads")
        store.run("podman", "run", "--rm", "--network=tests", *HARDENED, *settings, backend_image, *migrate)
        surroundings = Surroundings(store, backend_image, postgres)
        surroundings.psql("INSERT INTO tenants (slug, name) VALUES ('acme', 'Acme')")
        yield surroundings


@pytest.fixture(scope="module")
def backend(surroundings: Surroundings) -> Iterator[Container]:
    """The API with two workers, as a cluster runs it."""
    with surroundings.run("backend", WEB_CONCURRENCY="2"):
        container = Container(surroundings.store, "backend")
        container.await_health()
        yield container


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def succeeds(action: Callable[[], object]) -> bool:
    try:
        action()
    except AssertionError:
        return False
    return True


def get(container: Container, port: int, path: str) -> tuple[int, str]:
    """Return status and body of an answer."""
    try:
        with urllib.request.urlopen(f"http://{container.address()}:{port}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


# What is built ----------------------------------------------------------------------------------


def test_the_lock_of_the_backend_decides_where_there_is_one(store: Store, backend_image: str, copy: Path) -> None:
    asked = ("python", "-c", "from importlib.metadata import version; print(version('mako'))")
    assert store.run("podman", "run", "--rm", backend_image, *asked) != OLDER_LIBRARY

    lock = [uv(), "lock", "--quiet", "--no-progress", "--upgrade-package", f"mako=={OLDER_LIBRARY}"]
    subprocess.run(lock, cwd=copy / "backend", check=True)
    image = store.build(copy / "backend", "localhost/backend:locked", target="dependencies")

    assert store.run("podman", "run", "--rm", image, *asked) == OLDER_LIBRARY

    described = copy / "backend/pyproject.toml"
    described.write_text(described.read_text().replace('"alembic>=', '"attrs>=25",\n    "alembic>='))
    with pytest.raises(BuildError, match=r"lockfile .* needs to be updated"):
        store.build(copy / "backend", "localhost/backend:unfit", target="dependencies")


def test_the_lock_of_the_frontend_decides_where_there_is_one(store: Store, copy: Path) -> None:
    """With the page's own dependencies alone.

    A mirror of the registry may lack what the tools have for other systems; then npm writes a lock that it refuses itself.
    """
    frontend = copy / "frontend"
    asked = ("node", "--print", "require('/frontend/node_modules/lit/package.json').version")
    image = store.build(frontend, "localhost/frontend:unlocked", target="dependencies")
    assert store.run("podman", "run", "--rm", image, *asked) != OLDER_LIT

    described, lock = frontend / "package.json", frontend / "package-lock.json"

    def depend_on_lit(wanted: str) -> None:
        package = json.loads(described.read_text())
        package["dependencies"]["lit"] = wanted
        package.pop("devDependencies", None)
        described.write_text(json.dumps(package))

    depend_on_lit(OLDER_LIT)
    subprocess.run(["npm", "install", "--package-lock-only", "--silent"], cwd=frontend, check=True)
    depend_on_lit(f"^{OLDER_LIT}")  # what a team has that has not updated for a while
    lock.write_text(lock.read_text().replace(f'"lit": "{OLDER_LIT}"', f'"lit": "^{OLDER_LIT}"'))
    image = store.build(frontend, "localhost/frontend:locked", target="dependencies")

    assert store.run("podman", "run", "--rm", image, *asked) == OLDER_LIT

    depend_on_lit("^2.8.0")
    with pytest.raises(BuildError, match="npm ci"):
        store.build(frontend, "localhost/frontend:unfit", target="dependencies")


def needless(layers: list[Layer], wanted: set[str]) -> list[str]:
    """Return what an image holds above its base that nobody needs when it runs, or that a scanner flags."""
    found = []
    for file in (file for layer in layers for file in layer.files if WHITEOUT not in file.name):
        path = Path("/" + file.name)
        names = set(path.parts)
        faults = {
            "anybody may write it": not file.issym() and bool(file.mode & 0o002) and not file.mode & 0o1000,
            "runs with other rights": file.isfile() and bool(file.mode & 0o6000),
            "is not root's": file.isfile() and file.uid != 0,
            "nobody but root can read it": str(path).startswith(("/backend", "/opt", "/usr/share")) and not file.mode & 0o004,
            "a test": bool(names & {"test", "tests", "e2e"}) or bool(re.search(r"^conftest\.py$|\.test\.|\.spec\.", path.name)),
            "a cache": bool(names & {".cache", ".npm", "_cacache"})
            or str(path).startswith(("/var/cache/", "/var/lib/apt/", "/root/")),
            "a compiler or an installer": path.parent.name in {"bin", "sbin"}
            and bool(
                re.fullmatch(
                    r"(.*-)?(gcc|g\+\+|cc|ld|as|clang|rustc|cargo|make|cmake|pip[\d.]*|uv|uvx|npm|npx|node|apk|curl)", path.name
                )
            ),
            "an installer": bool(re.fullmatch(r"(pip|setuptools|wheel|uv)(-[\d.]+\.dist-info)?", path.name)),
            "what nothing imports": path.suffix == ".dist-info" and canonical(path.name.partition("-")[0]) not in wanted,
            "a secret or history": bool(re.match(r"\.env|\.git$|.*\.pem$|id_rsa", path.name)) and "certifi" not in names,
            "the sources of the page": bool(names & {"node_modules", "src"}) or path.suffix in {".ts", ".map"},
        }
        found += [f"{path} ({fault})" for fault, given in faults.items() if given]
    return found


def test_the_image_of_the_backend_holds_nothing_needless(store: Store, backend_image: str, copy: Path) -> None:
    # Everything that the project asks for when it serves, and what that asks for in turn.
    export = [uv(), "export", "--quiet", "--no-progress", "--no-dev", "--all-extras", "--no-hashes", "--frozen"]
    subprocess.run([uv(), "lock", "--quiet", "--no-progress"], cwd=copy / "backend", check=True)
    exported = subprocess.run(export, cwd=copy / "backend", check=True, capture_output=True, text=True).stdout
    wanted = {canonical(name) for name in re.findall(r"^([\w.-]+)==", exported, re.MULTILINE)}
    layers = store.added(backend_image, base_of(copy / "backend/Dockerfile", "python"))

    assert needless(layers, wanted) == []
    # What of the base could install something is gone, too.
    assert "No module named pip" in store.run("podman", "run", "--rm", backend_image, "python", "-m", "pip", check=False)


def test_the_image_of_the_frontend_holds_the_page_alone(store: Store, project: Path, frontend_image: str) -> None:
    layers = store.added(frontend_image, base_of(project / "frontend/Dockerfile", "nginx"))
    files = [file.name for layer in layers for file in layer.files if file.isfile() and WHITEOUT not in file.name]

    assert needless(layers, set()) == []
    assert {file.rpartition("/")[0] for file in files} == {
        "etc/nginx/conf.d",
        "etc/nginx/templates",
        "usr/share/nginx/html",
        "usr/share/nginx/html/assets",
        "usr/share/nginx/html/auth",
    }


def uv() -> str:
    return str(Path(sys.prefix) / "bin/uv")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def base_of(dockerfile: Path, name: str) -> str:
    return next(base for base in bases(dockerfile) if name in base)


# How the backend runs ---------------------------------------------------------------------------


def test_the_backend_runs_with_no_rights(backend: Container) -> None:
    statuses = backend.process_status()

    assert len(statuses) >= 3  # uvicorn and its two workers
    for status in statuses:
        assert status["Uid"].split() == status["Gid"].split() == ["10001"] * 4
        assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {NO_CAPABILITY}
        assert status["NoNewPrivs"] == "1"
    assert not succeeds(lambda: backend.execute("touch", "/backend/file"))
    assert succeeds(lambda: backend.execute("touch", "/tmp/file"))  # noqa: S108


def test_the_backend_reaches_its_database_and_its_redis(backend: Container) -> None:
    status, answer = get(backend, 8000, f"{API}/health/ready")

    assert status == 200
    assert json.loads(answer).items() >= {"status": "ready", "database": "ok", "redis": "ok"}.items()
    assert json.loads(get(backend, 8000, f"{API}/oauth/providers?tenant=acme")[1]) is not None


def test_the_health_check_of_the_backend_tells_whether_it_serves(backend: Container, surroundings: Surroundings) -> None:
    assert backend.is_healthy()
    options = [*HARDENED, *variables(PRODUCTION)]
    with surroundings.store.container(surroundings.image, "idle", *options, command=("sleep", "600")) as idle:
        assert not idle.is_healthy()


def test_workers_share_their_metrics_below_a_read_only_root(backend: Container) -> None:
    def counted() -> float:
        text = get(backend, 8000, "/metrics")[1]
        return sum(
            float(value)
            for value in re.findall(rf'^http_requests_total{{[^}}]*route="{API}/health/ready"[^}}]*}} (\S+)', text, re.M)
        )

    before = counted()
    with ThreadPoolExecutor(8) as clients:
        list(clients.map(lambda _: get(backend, 8000, f"{API}/health/ready"), range(40)))

    assert counted() - before == 40


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_request_that_runs_gets_its_answer_before_the_backend_ends(surroundings: Surroundings, workers: str) -> None:
    name = f"stopped-{workers}"
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app' AND wait_event_type = 'Lock'"
    locked = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = 'tenants'::regclass"
    release = (
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'tenants'::regclass"
    )
    settings = {"WEB_CONCURRENCY": workers, "DB_STATEMENT_TIMEOUT_MS": "60000"}
    with surroundings.run(name, **settings), ThreadPoolExecutor() as threads:
        container = Container(surroundings.store, name)
        container.await_health()
        threads.submit(surroundings.psql, "BEGIN; LOCK TABLE tenants; SELECT pg_sleep(120)")
        wait_until(lambda: surroundings.psql(locked) != "0")
        request = threads.submit(get, container, 8000, f"{API}/oauth/providers?tenant=acme")
        wait_until(lambda: surroundings.psql(blocked) != "0")
        stop = threads.submit(container.stop, STOP_SECONDS)  # killed after that, its status would be 137
        time.sleep(IN_FLIGHT_SECONDS)
        assert not request.done()
        surroundings.psql(release)

        assert request.result()[0] == 200
        assert stop.result() == 0


def test_the_backend_ends_when_it_is_stopped_before_it_serves(surroundings: Surroundings) -> None:
    """A signal that process 1 of a container does not handle is lost."""
    with surroundings.run("early", WEB_CONCURRENCY="2"):
        container = Container(surroundings.store, "early")
        wait_until(lambda: len(container.process_status()) > 1)  # it tries its settings in a second process

        assert container.stop(STOP_SECONDS) == 0
        assert "Uvicorn running" not in container.log()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_backend_refuses_secrets_of_development(store: Store, backend_image: str, workers: str) -> None:
    settings = variables(PRODUCTION | {"APP_DB_PASSWORD": "app-development", "WEB_CONCURRENCY": workers})
    with pytest.raises(AssertionError) as refused:
        store.run("podman", "run", "--rm", *HARDENED, *settings, backend_image)

    said = str(refused.value).splitlines()[1:]
    assert said == ["APP_DB_PASSWORD: holds a development secret, and ENV is production. Set one of your own."]


# How the frontend runs --------------------------------------------------------------------------


@pytest.fixture
def frontend(store: Store, frontend_image: str, backend: Container) -> Iterator[Container]:
    """The page on Debian's nginx; an entrypoint of ours does what the official image's two scripts for templates do."""
    assert backend.name == "backend"  # the name that the image expects by itself
    with store.container(frontend_image, "frontend", "--network=tests", *HARDENED) as container:
        container.await_health()
        yield container


def test_the_frontend_serves_the_page_and_the_api_with_no_rights(frontend: Container) -> None:
    statuses = frontend.process_status()
    assert statuses
    for status in statuses:
        assert status["Uid"].split() == ["101"] * 4
        assert status["CapEff"] == status["CapBnd"] == NO_CAPABILITY
        assert status["NoNewPrivs"] == "1"
    answered, page = get(frontend, 8080, "/")
    assert answered == 200
    assert "<app-shell" in page
    script = re.findall(r'src="(/assets/[^"]+\.js)"', page)[0]
    assert get(frontend, 8080, script)[0] == 200
    assert get(frontend, 8080, "/healthz") == (200, "ok\n")
    assert json.loads(get(frontend, 8080, f"{API}/health")[1]) == {"status": "healthy"}
    assert get(frontend, 8080, f"{API}/auth/me")[0] == 401
    assert get(frontend, 8080, "/50x.html")[1] == page  # the base's files are gone; the page's router answers
    assert not succeeds(lambda: frontend.execute("touch", "/usr/share/nginx/html/file"))


@pytest.mark.parametrize("number", ["QUIT", "TERM"])
def test_the_frontend_ends_at_a_signal(frontend: Container, store: Store, number: str) -> None:
    if number == "QUIT":
        assert frontend.stop(STOP_SECONDS) == 0  # the base's own signal, at which requests are finished
    else:
        store.run("podman", "kill", "--signal=TERM", frontend.name)
        wait_until(lambda: not frontend.is_running())
        assert frontend.inspect()["State"]["ExitCode"] == 0


# Compose ----------------------------------------------------------------------------------------


@pytest.fixture
def engine(store: Store, tmp_path: Path) -> Iterator[str]:
    """Podman in Docker's place."""
    with docker_engine(store, tmp_path) as address:
        yield address


def test_compose_brings_the_development_stack_up(
    store: Store, engine: str, rendered: Callable[..., Path], tmp_path: Path
) -> None:
    """Docker Compose over Podman, with everything that the page depends on: all of the base but Keycloak."""
    # Its files are mounted as they are, so this checkout is one that others may read.
    project = Path(shutil.copytree(rendered(include_observability=False), tmp_path / "project"))
    for folder in ("backend", "frontend"):
        name = re.findall(rf"image: (\S+-{folder}:development)", (project / "compose.yml").read_text())[0]
        store.build(project / folder, f"docker.io/library/{name}", target="development")
    for name in re.findall(r"image: ((?:postgres|redis):\S+)", (project / "compose.yml").read_text()):
        store.stand_in(name)
    page, api, *others = free_ports(5)
    ports = dict(zip(("POSTGRES_PORT", "REDIS_PORT", "KEYCLOAK_PORT"), others, strict=True))
    settings = {name: str(port) for name, port in ({"FRONTEND_PORT": page, "BACKEND_PORT": api} | ports).items()}

    def compose(*arguments: str) -> str:
        command = [tool("docker-compose"), "--project-directory", str(project), *arguments]
        return store.run(*command, timeout=BUILD_SECONDS, environment={"DOCKER_HOST": engine, **settings})

    try:
        compose("up", "--detach", "--wait", "--no-build", "--pull=never", "frontend")

        assert "<app-shell" in fetch(f"http://127.0.0.1:{page}/")
        for port in (page, api):  # by way of the page's server, and directly
            ready = json.loads(fetch(f"http://127.0.0.1:{port}{API}/health/ready"))
            assert (ready["database"], ready["redis"]) == ("ok", "ok")
        assert json.loads(fetch(f"http://127.0.0.1:{page}{API}/auth/config"))["issuer"].startswith(
            f"http://localhost:{settings['KEYCLOAK_PORT']}/"
        )
    except BaseException:
        print(compose("logs", "--tail=40"))
        raise
    finally:
        compose("down", "--volumes", "--timeout=5")


def fetch(address: str) -> str:
    with urllib.request.urlopen(address, timeout=20) as answer:  # noqa: S310 - our own server
        return str(answer.read().decode())
