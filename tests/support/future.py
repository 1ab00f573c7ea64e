"""Two releases after the present state, made of the real template: whatever a release can do that costs teams something.

Their migrations are modules as a release brings them.
"""

from dataclasses import dataclass
from pathlib import Path

import yaml
from packaging.version import Version

from support.companion import Files, numbered, write
from support.releases import History, git, release
from support.small_template import ENTRY

SPLIT = "backend/app/core/context.py"
PARTS = ("backend/app/core/request_state.py", "backend/app/core/request_context.py")
CUT = "_state: ContextVar"
#: Where the last of these releases has a file of the first.
PLACES = {
    "backend/app/core/settings.py": "backend/app/core/configuration/settings.py",
    "frontend/nginx/default.conf.template": "frontend/server/default.conf.template",
}
REMOVED = ("frontend/src/components/health-check.ts", "docs/decisions/001-fastapi.md")
SEAM = "frontend/src/modules/theme.css"
FIRST = '''\
"""Moves, splits, removes, renames a question, takes a choice away, changes a file of the team's, adds a dependency."""

from pathlib import Path

from migrations.model import Migration


def add_dependency(project: Path) -> None:
    from migrations import edit_toml

    path = project / "backend/pyproject.toml"
    path.write_text(edit_toml.add_dependency(path.read_text(), "orjson>=3"))


MIGRATION = Migration(
    moved={
        "backend/app/core/settings.py": "backend/app/core/configuration.py",
        "backend/app/core/context.py": ("backend/app/core/request_state.py", "backend/app/core/request_context.py"),
        "frontend/nginx/": "frontend/server/",
    },
    removed=("frontend/src/components/health-check.ts", "docs/decisions/001-fastapi.md"),
    answers={"author_email": "contact_email"},
    choices={"license": {"BSD-3-Clause": "MIT"}},
    seams=("frontend/src/modules/theme.css",),
    needs=("tomlkit",),
    after=add_dependency,
)
'''
SECOND = '''\
"""Moves once more what the release before had moved."""

from migrations.model import Migration

MIGRATION = Migration(moved={"backend/app/core/configuration.py": "backend/app/core/configuration/settings.py"})
'''
FEATURE = """\
include_{name}:
  type: bool
  help: {name}?
  default: {default}

_exclude:
  - "{{% if not (include_{name} | default({default})) %}}backend/app/features/{name}{{% endif %}}"
"""


@dataclass(frozen=True)
class Future:
    """A clone of the template that has two more releases than the working tree."""

    folder: Path
    present: str
    first: str
    last: str

    @property
    def template(self) -> Path:
        """The folder of the project's files."""
        return self.folder / "template"

    def change(self, path: str, old: str, new: str) -> None:
        """Replace a text that stands in a file, by its first place."""
        text = (self.folder / path).read_text(encoding="utf-8")
        assert old in text, f"{path} has no {old!r} any more: change another place of it in {__name__}"
        (self.folder / path).write_text(text.replace(old, new, 1), encoding="utf-8")

    def move(self, old: str, new: str) -> None:
        """Rename a file or folder of the template."""
        (self.template / new).parent.mkdir(parents=True, exist_ok=True)
        (self.template / old).rename(self.template / new)

    def publish(self, version: str, migration: str) -> None:
        """Commit and tag a release with its migration."""
        write(self.folder, {f"migrations/v{version.replace('.', '_')}.py": migration})
        path = self.folder / "migrations/registered.yml"
        entries = yaml.safe_load(path.read_text())["_migrations"] or []
        path.write_text(yaml.safe_dump({"_migrations": [*entries, {"version": f"v{version}", **ENTRY}]}, sort_keys=False))
        self.change("CHANGELOG.md", "## [Unreleased]\n", f"## [Unreleased]\n\n## [{version}] - 2027-01-01\n\nText.\n")
        release(self.folder, version)


def future(released: History, folder: Path) -> Future:
    """Build the two releases."""
    present = Version(released.next)
    first, last = (f"{present.major}.{present.minor + step}.0" for step in (1, 2))
    git(folder.parent, "clone", "--quiet", str(released.folder), str(folder))
    made = Future(folder, released.next, first, last)
    _change(made)
    made.publish(first, FIRST)
    _change_again(made)
    made.publish(last, SECOND)
    return made


def _change(made: Future) -> None:
    made.move("backend/app/core/settings.py", "backend/app/core/configuration.py")
    made.change("template/backend/app/core/configuration.py", '"""Settings: ', '"""Every setting: ')
    made.move("frontend/nginx", "frontend/server")
    for path in REMOVED:
        (made.template / path).unlink()
    _split(made)
    _ask_otherwise(made)
    _add_features(made)
    made.change(f"template/{SEAM}", "--on-accent: var(--color-white);", "--on-accent: white;")
    made.change("template/CLAUDE.md", "@AGENTS.md", "@AGENTS.md\n@docs/README.md")
    made.change("template/backend/tests/integration/test_serving.py", '"""', '"""Of the release: ')
    made.change(
        "template/docs/how-to/create-a-migration.md", "# Create a migration\n", "# Create a migration\n\nOf the release.\n"
    )
    made.change("template/frontend/public/favicon.svg", "#047857", "#065f46")
    # Two services in front, of which one looks like another that the team has edited.
    text = (made.template / "observability/compose.yml").read_text()
    loki = text[text.index("  loki:\n") : text.index("  tempo:\n")]
    made.change("template/observability/compose.yml", "services:\n", f"services:\n{loki.replace('loki:', 'mimir:', 1)}")
    made.change("template/Makefile.jinja", "COMPOSE ?= docker compose\n", "COMPOSE ?= docker-compose\n")
    write(made.template, {"local/notes.txt": "by the template\n"})  # the team has made git ignore that folder


def _split(made: Future) -> None:
    text = (made.template / SPLIT).read_text()
    head, tail = text[: text.index(CUT)], text[text.index(CUT) :]
    (made.template / SPLIT).unlink()
    write(made.template, {PARTS[0]: head, PARTS[1]: tail})


def _ask_otherwise(made: Future) -> None:
    made.change("questions/project.yml", "author_email:", "contact_email:")
    made.change("questions/project.yml", "{{ author_email | email_error }}", "{{ contact_email | email_error }}")
    made.change("template/backend/pyproject.toml.jinja", "author_email", "contact_email")
    made.change("questions/project.yml", "    - BSD-3-Clause\n", "")


def _add_features(made: Future) -> None:
    for name, default in {"search": "true", "reports": "false"}.items():
        files: Files = {
            f"questions/{name}.yml": FEATURE.format(name=name, default=default),
            f"template/backend/app/features/{name}/install.py": numbered(f"# {name}"),
        }
        write(made.folder, files)
        made.change(
            "copier.yml",
            "!include questions/messages.yml",
            f"!include questions/{name}.yml\n---\n!include questions/messages.yml",
        )


def _change_again(made: Future) -> None:
    made.move("backend/app/core/configuration.py", "backend/app/core/configuration/settings.py")
    made.change("template/frontend/server/default.conf.template", "    charset utf-8;\n", "    charset UTF-8;\n")
