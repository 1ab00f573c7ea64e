"""A real Keycloak with a generated project's realm, told what the project's compose.yml tells it, and its administration."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from support.ports import free_ports
from support.projects import CommandFailedError, Project, clean_environment
from support.tools import keycloak_home, program

START_SECONDS = 180
STOP_SECONDS = 30
SHARED = ("conf", "lib", "providers", "themes")
"""Folders of the distribution that a running server only reads."""

KEY_PROVIDER = "org.keycloak.keys.KeyProvider"


@dataclass
class Keycloak:
    """A running server. Its administration speaks as the administrator that compose.yml sets up."""

    address: str
    realm: str
    page: str
    password: str
    _token: tuple[str, float] = field(default=("", 0.0))

    @property
    def issuer(self) -> str:
        """The issuer that tokens name."""
        return f"{self.address}/realms/{self.realm}"

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """Call the administration of the realm, e.g. `GET`, `/users?email=...`; return what it answers."""
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.address}/admin/realms/{self.realm}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._administrator()}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            text = response.read()
        return json.loads(text) if text else None

    def user(self, email: str) -> dict[str, Any]:
        """Return a user of the realm."""
        found: list[dict[str, Any]] = self.admin("GET", f"/users?exact=true&email={urllib.parse.quote(email)}")
        return found[0]

    @contextmanager
    def disabled(self, email: str) -> Iterator[None]:
        """Disable a user until the block ends."""
        user = self.user(email)
        self.admin("PUT", f"/users/{user['id']}", user | {"enabled": False})
        try:
            yield
        finally:
            self.admin("PUT", f"/users/{user['id']}", user)

    def end_sessions(self, email: str) -> None:
        """End every session of a user, as the button in the administration does."""
        self.admin("POST", f"/users/{self.user(email)['id']}/logout")

    @contextmanager
    def changed_role(self, email: str, name: str, *, given: bool) -> Iterator[None]:
        """Give a user a realm role, or take it away, until the block ends."""
        path = f"/users/{self.user(email)['id']}/role-mappings/realm"
        role = [self.admin("GET", f"/roles/{name}")]
        self.admin("POST" if given else "DELETE", path, role)
        try:
            yield
        finally:
            self.admin("DELETE" if given else "POST", path, role)

    def add_key(self, priority: int) -> str:
        """Make a new key that signs from now on, if no other has a higher priority; return its name for `remove_key`."""
        name = f"key-{priority}"
        config = {"priority": [str(priority)], "enabled": ["true"], "active": ["true"], "algorithm": ["RS256"]}
        component = {"name": name, "providerId": "rsa-generated", "providerType": KEY_PROVIDER, "config": config}
        self.admin("POST", "/components", component)
        return name

    def signing_key(self) -> str:
        """Return the name of the key that signs at this moment."""
        keys = self.admin("GET", "/keys")
        active = keys["active"]["RS256"]
        component = next(key["providerId"] for key in keys["keys"] if key["kid"] == active)
        return str(self.admin("GET", f"/components/{component}")["name"])

    def remove_key(self, name: str) -> None:
        """Remove a key: it signs no longer, and is no longer published."""
        for component in self.admin("GET", f"/components?type={KEY_PROVIDER}"):
            if component["name"] == name:
                self.admin("DELETE", f"/components/{component['id']}")

    def _administrator(self) -> str:
        token, until = self._token
        if time.monotonic() > until:
            form = {"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": self.password}
            url = f"{self.address}/realms/master/protocol/openid-connect/token"
            with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode(), timeout=30) as response:  # noqa: S310
                answer = json.loads(response.read())
            token = answer["access_token"]
            self._token = (token, time.monotonic() + answer["expires_in"] / 2)
        return token


@contextmanager
def running(project: Project, folder: Path, *, page: int) -> Iterator[Keycloak]:
    """Run a Keycloak that has imported the project's realm for a page at a port of this machine, until the block ends.

    Its database is in memory. It runs from a build made beforehand, which is the one difference to `start-dev`.

    Args:
        project: whose keycloak/realm.json and compose.yml are used.
        folder: an empty one, for what the server writes.
        page: the page's port.

    Raises:
        CommandFailedError: it ended, or was not ready in time.
    """
    program("java", "default-jre-headless")
    port, management = free_ports(2)
    told = _environment(project, {"KEYCLOAK_PORT": str(port), "FRONTEND_PORT": str(page)})
    home = _home(folder / "keycloak", project)
    listens = ["--http-host=127.0.0.1", "--http-enabled=true", f"--http-port={port}", f"--http-management-port={management}"]
    log = folder / "keycloak.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(home / "bin" / "kc.sh"), "start", "--optimized", "--import-realm", *listens],
            env=clean_environment() | told | {"JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(process, f"http://127.0.0.1:{management}/health/ready", log)
        yield Keycloak(told["KC_HOSTNAME"], told["REALM"], told["FRONTEND_URL"], told["KC_BOOTSTRAP_ADMIN_PASSWORD"])
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # kc.sh is a shell, and the server its child
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _environment(project: Project, given: dict[str, str]) -> dict[str, str]:
    """Return what compose.yml tells Keycloak, with `${NAME:-default}` filled in as Compose does."""
    compose = yaml.safe_load((project.path / "compose.yml").read_text(encoding="utf-8"))
    told: dict[str, str] = compose["services"]["keycloak"]["environment"]
    return {
        name: re.sub(r"\$\{(\w+):-([^}]*)\}", lambda match: given.get(match[1], match[2]), value) for name, value in told.items()
    }


def _home(home: Path, project: Project) -> Path:
    """Make a folder that looks like the distribution's, with data of its own."""
    distribution = keycloak_home()
    (home / "bin").mkdir(parents=True)
    shutil.copy2(distribution / "bin" / "kc.sh", home / "bin")
    for name in SHARED:
        (home / name).symlink_to(distribution / name)
    (home / "data" / "import").mkdir(parents=True)
    shutil.copy2(project.path / "keycloak" / "realm.json", home / "data" / "import")
    return home


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own server
                return
        except OSError:
            time.sleep(0.2)
    lines = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:])
    raise CommandFailedError(f"Keycloak is not ready (status {process.poll()}):\n{lines}")
