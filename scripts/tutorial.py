"""Runs the commands of docs/tutorials/first-update.md and writes what they print into the page. Usage: make tutorial.

The page tells of the update from 1.0.0 to 1.1.0. So the template is a clone in which 1.1.0 is the newest release: that of the
history, or the working tree as long as the history has none. Its address, the people and the dates are made up and fixed. The
session has a home of its own, git, uv, and this repository's `evergreen`; it needs no network.
"""

import json
import sys
import tempfile
from pathlib import Path

from packaging.version import Version
from sessions import SessionError, rewritten
from support.releases import git, history
from support.rendering import REPOSITORY

PAGE = REPOSITORY / "docs" / "tutorials" / "first-update.md"
NEWEST = Version("1.1.0")
ADDRESS = "https://git.example.com/evergreen.git"
CONFIGURATION = f"""[user]
    name = Kim
    email = kim@example.com
[init]
    defaultBranch = main
[commit]
    gpgSign = false
[url "{{template}}"]
    insteadOf = {ADDRESS}
"""
DATE = "2026-12-01T09:00:00+0000"


def prepare_template(folder: Path) -> Path:
    """Clone this repository, with its releases up to the one that the page tells of."""
    made = history(folder)
    for tag in git(folder, "tag").splitlines():
        if Version(tag) > NEWEST:
            git(folder, "tag", "--delete", tag)
    if Version(made.next) < NEWEST:
        raise SessionError(f"The page tells of {NEWEST}, and the working tree would be {made.next}. Was a version changed?")
    git(folder, "reset", "--quiet", "--hard", f"v{NEWEST}")
    return folder


def prepare_home(home: Path, template: Path) -> dict[str, str]:
    """Write the settings of a home and return a session's environment."""
    (home / ".gitconfig").write_text(CONFIGURATION.format(template=template), encoding="utf-8")
    installed = home / ".installed"  # says that `evergreen` was installed from the address, as a reader's is
    metadata = installed / "evergreen_template-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: evergreen-template\nVersion: 1\n", encoding="utf-8")
    (metadata / "direct_url.json").write_text(json.dumps({"url": ADDRESS, "vcs_info": {"vcs": "git"}}), encoding="utf-8")
    return {
        "HOME": str(home),
        "PATH": f"{REPOSITORY / '.venv' / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "PYTHONPATH": str(installed),
        "TEMPLATE": str(template),
        "COPIER_CACHE_DIR": str(home / ".cache" / "copier"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_DATE": DATE,
        "GIT_COMMITTER_DATE": DATE,
        "GIT_PAGER": "cat",
        "UV_OFFLINE": "1",
        "UV_PYTHON": sys.executable,
    }


def today() -> str:
    """Return the page as its commands make it today."""
    with tempfile.TemporaryDirectory(prefix="evergreen-") as folder:
        home = Path(folder).resolve() / "home"
        home.mkdir()
        environment = prepare_home(home, prepare_template(Path(folder).resolve() / "template"))
        return rewritten(PAGE.read_text(encoding="utf-8"), home, environment)


def main() -> int:
    """Rewrite the page."""
    try:
        page = today()
    except SessionError as error:
        print(error, file=sys.stderr)
        return 1
    changed = page != PAGE.read_text(encoding="utf-8")
    PAGE.write_text(page, encoding="utf-8")
    print(f"{PAGE.relative_to(REPOSITORY)}: {'rewritten; see git diff' if changed else 'as its commands print it'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
