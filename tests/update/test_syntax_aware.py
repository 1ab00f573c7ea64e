"""`--syntax-aware` lets mergiraf merge what git leaves in conflict, and takes its word only where nothing is lost.

Building mergiraf takes minutes, so these tests put a small program in its place on PATH, which shows what the option does with an
answer, good or bad. What mergiraf itself answers is measured by scripts/syntax_merging.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.companion import Template, evergreen, state, tree, update, work

from evergreen.syntax import PROGRAM, doubt

OLD = "import os\n\n\ndef main() -> None:\n    os.abort()\n"
YOURS = OLD.replace("import os\n", "import os\nimport ours\n")
NEW = OLD.replace("import os\n", "import os\nimport theirs\n")
MERGED = OLD.replace("import os\n", "import os\nimport ours\nimport theirs\n")
#: The arguments of `mergiraf merge --path-name NAME BASE YOURS NEW`, from the fourth.
UNION = 'git merge-file -p --union "$5" "$4" "$6"'


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has added an import where the next release adds another. Tests only read it."""
    folder = tmp_path_factory.mktemp("syntax")
    template = Template.start(folder / "template", {"app.py": OLD, "notes.txt": "one\n"})
    project = template.project(folder / "project")
    template.release("1.1.0", {"app.py": NEW})
    work(project, {"app.py": YOURS})
    return project


@pytest.fixture
def project(generated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(generated, tmp_path / "project", symlinks=True))


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a shell script where mergiraf would be."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "git").symlink_to(shutil.which("git") or "git")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def put(script: str) -> None:
        (folder / PROGRAM).write_text(f"#!/bin/sh\n{script}\n")
        (folder / PROGRAM).chmod(0o755)

    return put


def test_what_a_stand_in_for_mergiraf_merges_is_taken_and_named(project: Path, stand_in: Callable[[str], None]) -> None:
    stand_in(UNION)
    before = tree(project)
    evergreen(project, "preview", "--trust", status=1)
    untouched = state(project)
    shown = evergreen(project, "preview", "--trust", "--syntax-aware", status=0)
    assert "Merged by syntax where git had a conflict: look at each (1):\n  app.py\n" in shown.output
    assert state(project) == untouched
    found = update(project, "--syntax-aware", "--json")
    assert found.data["merged_by_syntax"] == ["app.py"]
    assert found.data["conflicts"] == {}
    assert "app.py" not in found.data["changed"]
    assert (project / "app.py").read_text() == MERGED
    evergreen(project, "abort", status=0)
    assert tree(project) == before


@pytest.mark.parametrize(
    "script",
    [
        'cat "$5"',  # the template's edit is lost
        'cat "$6"',  # the team's edit is lost
        f"{UNION}; echo 'import ours'",
        f"{UNION}; echo 'def broken('",
        f"{UNION}; exit 1",
        f"{UNION}; kill -9 $$",
        "exit 255",
    ],
)
def test_a_conflict_stays_as_git_left_it_if_a_stand_in_for_mergiraf_loses_breaks_or_fails(
    project: Path, stand_in: Callable[[str], None], script: str
) -> None:
    stand_in(script)
    found = update(project, "--syntax-aware", "--json", status=1)
    assert list(found.data["conflicts"]) == ["app.py"]
    assert found.data["merged_by_syntax"] == []
    assert "<<<<<<< yours\nimport ours\n||||||| evergreen 1.0.0\n=======\nimport theirs\n" in (project / "app.py").read_text()


def test_a_stand_in_for_mergiraf_is_not_asked_about_what_git_merges_or_it_does_not_know(
    project: Path, stand_in: Callable[[str], None], tmp_path: Path
) -> None:
    stand_in(f"touch {tmp_path}/asked; {UNION}")
    work(project, {"app.py": OLD + "\n\nmain()\n"})
    assert update(project, "--syntax-aware", "--json").data["merged_by_syntax"] == []
    assert not (tmp_path / "asked").exists()


@pytest.mark.usefixtures("stand_in")
def test_without_mergiraf_the_option_is_refused_and_nothing_changes(project: Path) -> None:
    before = state(project)
    for command in ("update", "preview"):
        refused = evergreen(project, command, "--trust", "--syntax-aware", status=2)
        assert "--syntax-aware needs mergiraf, which is not installed, or not on PATH." in refused.errors
    assert state(project) == before


@pytest.mark.parametrize(
    ("path", "base", "yours", "new", "merged"),
    [
        ("a.json", '{"a": 1}', '{"a": 1, "b": 2}', '{"a": 1, "c": 3}', '{\n  "a": 1,\n  "b": 2,\n  "c": 3\n}'),
        ("a.toml", "a = 1\n", "a = 1\nb = 2\n", "a = 5\n", "a = 5\nb = 2\n"),
        ("a.yml", "a: 1\n", "a: 1\nb: 2\n", "a: 1\nb: 2\nc: 3\n", "a: 1\nb: 2\nc: 3\n"),
        ("a.py", "f(1)\n", "f(1, 2)\n", "g(1)\n", "g(1, 2)\n"),
        ("a.yml", "a: {{ x }}\n", "a: {{ x }}\nb: {{ y\n", "a: {{ x }}\nc: 1\n", "a: {{ x }}\nb: {{ y\nc: 1\n"),
    ],
)
def test_a_merge_with_both_edits_is_not_in_doubt(path: str, base: str, yours: str, new: str, merged: str) -> None:
    assert doubt(path, base, yours, new, merged) is None


@pytest.mark.parametrize(
    ("path", "base", "yours", "new", "merged"),
    [
        ("a.json", '{"a": 1}', '{"a": 1, "b": 2}', '{"a": 1, "b": 3}', '{"a": 1, "b": 2, "b": 3}'),
        ("a.toml", "[a]\n", "[a]\n[b]\nx = 1\n", "[a]\n[b]\ny = 1\n", "[a]\n[b]\nx = 1\n[b]\ny = 1\n"),
        ("a.yml", "a: 1\n", "a: 1\nb: 2\n", "a: 1\nb: 3\n", "a: 1\nb: 2\nb: 3\n"),
        ("a.py", "f(1)\n", "f(1, a=2)\n", "f(1, a=3)\n", "f(1, a=2, a=3)\n"),
        ("a.py", "x = 1\n", "# why\nx = 1\n", "x = 2\n", "x = 2\n"),
        ("a.ts", "f(1);\n", "f(1);\nours();\n", "f(1);\ntheirs();\n", "f(1);\nours();\nours();\ntheirs();\n"),
    ],
)
def test_a_merge_that_loses_or_doubles_something_is_in_doubt(path: str, base: str, yours: str, new: str, merged: str) -> None:
    assert doubt(path, base, yours, new, merged)
