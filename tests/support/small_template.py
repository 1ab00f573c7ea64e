"""A template of a few files with the real `migrations/`, and its releases: what whole projects would be too slow for."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml
from copier import run_copy, run_update

from support.releases import commit_all, git, start_repository
from support.rendering import ANSWERS_FILE, REPOSITORY

SETTINGS = {"_subdirectory": "template", "_answers_file": ANSWERS_FILE, "_templates_suffix": ".jinja"}
ENTRY = {
    "when": "{{ _stage in ['before', 'after'] }}",
    "command": [
        "{{ _copier_python }}",
        "{{ _copier_conf.src_path }}/migrations",
        "{{ _stage }}",
        "--version",
        "{{ _version_current }}",
    ],
}
#: The list of the real repository's migrations has its own test; these templates have releases of their own.
OWN = shutil.ignore_patterns("__pycache__", "v*_*_*.py", "registered.yml")


@dataclass
class SmallTemplate:
    """A template whose releases a test makes."""

    folder: Path
    questions: dict[str, object]
    migrations: list[str]

    @classmethod
    def start(cls, folder: Path, files: dict[str, str | None], **questions: object) -> "SmallTemplate":
        """Make the template with its release 1.0.0."""
        template = cls(folder, dict(questions), [])
        shutil.copytree(REPOSITORY / "migrations", folder / "migrations", ignore=OWN)
        template.write({f"{ANSWERS_FILE}.jinja": "{{ _copier_answers | to_nice_yaml }}", **files})
        start_repository(folder)
        template.release("1.0.0")
        return template

    def write(self, files: dict[str, str | None]) -> None:
        """Write template files; None deletes one."""
        for name, content in files.items():
            path = self.folder / "template" / name
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content, encoding="utf-8")

    def release(self, version: str, migration: str = "", files: dict[str, str | None] | None = None, **questions: object) -> None:
        """Commit and tag a release.

        Args:
            version: X.Y.Z.
            migration: the arguments of its `Migration(...)`, with the code before it that they need, if it has one.
            files: what it changes.
            questions: those that it adds or changes; None removes one.

        """
        self.write(files or {})
        self.questions = {name: text for name, text in (self.questions | questions).items() if text is not None}
        if migration:
            code, _, declared = migration.rpartition("---\n")
            module = self.folder / "migrations" / f"v{version.replace('.', '_')}.py"
            module.write_text(f"from migrations.model import Migration\n{code}\nMIGRATION = Migration({declared})\n")
            self.migrations.append(version)
        registered = [{"version": f"v{number}", **ENTRY} for number in self.migrations]
        settings = {**SETTINGS, **self.questions, "_migrations": registered}
        (self.folder / "copier.yml").write_text(yaml.safe_dump(settings, sort_keys=False))
        with (self.folder / "CHANGELOG.md").open("a", encoding="utf-8") as changelog:
            changelog.write(f"## [{version}] - 2026-01-01\n\nText.\n\n")
        commit_all(self.folder, f"Release {version}")
        git(self.folder, "tag", f"v{version}")

    def generate(self, destination: Path, **answers: object) -> Path:
        """Generate a project from the newest release and commit it."""
        self.render(destination, **answers)
        return start_repository(destination)

    def render(self, destination: Path, **answers: object) -> Path:
        """Generate a project from the newest release."""
        run_copy(str(self.folder), destination, data=answers, defaults=True, unsafe=True, quiet=True)
        return destination


def update(project: Path, version: str | None = None) -> None:
    """Update by plain Copier, as `copier update --trust --defaults` would."""
    run_update(project, vcs_ref=version and f"v{version}", defaults=True, unsafe=True, quiet=True, overwrite=True)


def team(project: Path, files: dict[str, str | None]) -> None:
    """Commit a team's work: texts of files; None deletes one."""
    for name, content in files.items():
        if content is None:
            (project / name).unlink()
        else:
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(content, encoding="utf-8")
    commit_all(project, "Work")
