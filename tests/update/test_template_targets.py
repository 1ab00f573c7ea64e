"""`make template-…` in a project: what is run, with which address, which wishes, and which exit status."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.companion import environment
from support.releases import History, start_repository
from support.rendering import ANSWERS_FILE, REPOSITORY, TEMPLATE

TARGETS = ["check", "preview", "update", "finish", "abort", "doctor"]
#: Says how it was called, and what make has left in the environment; ends as it is told to.
STAND_IN = """\
#!/bin/sh
printf '<%s>' "$@"
env | grep -E '^(ARGS|MAKEFLAGS|MFLAGS|MAKELEVEL|SET|TO)='
exit ${STATUS:-0}
"""
TAGS = """\
#!/bin/sh
case $* in
*/gone*) echo 'fatal: not found' >&2; exit 128 ;;
*exit-code* | */empty*) exit 0 ;;
esac
printf '%s\\trefs/tags/%s\\n' 1 v2.0.0rc1 2 v1.10.0 3 v1.9.0
"""
MAKEFILE = "PYTHON3 ?= python3\nUV_VERSION := 0.13\ninclude make/template.mk\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a space in its name that has the targets and nothing else of a project."""
    folder = tmp_path / "a project"
    for name in ("scripts", "make"):
        shutil.copytree(TEMPLATE / name, folder / name)
    (folder / "Makefile").write_text(MAKEFILE)
    return folder


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run something in the folder, with stand-ins (name: text) for programs; of the machine's own, only the basic ones."""

    def call(*command: str, programs: dict[str, str], **more: str) -> subprocess.CompletedProcess[str]:
        tools = tmp_path / "bin"
        tools.mkdir(exist_ok=True)
        for name, text in programs.items():
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        path = f"{tools}:/usr/bin:/bin"
        return subprocess.run(
            command, cwd=folder, env=environment(PATH=path, **more), capture_output=True, text=True, check=False
        )

    return call


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_a_command_of_evergreen(target: str, run: Run) -> None:
    assert run("make", f"template-{target}", programs={"evergreen": STAND_IN}).stdout == f"<{target}>"


def test_wishes_are_handed_on_once(run: Run) -> None:
    """`evergreen update --verify` runs make: it must not find there what was meant for evergreen."""
    wishes = ["TO=1.2.0", "SET=include_x=no project_name=A", "ARGS=--verify --branch 'a b'"]
    found = run("make", "template-update", *wishes, programs={"evergreen": STAND_IN})
    options = "<--to><1.2.0><--set><include_x=no><--set><project_name=A><--verify><--branch><a b>"
    assert found.stdout == f"<update>{options}"


def test_the_exit_status_is_evergreens_but_make_has_its_own(run: Run) -> None:
    for status in (0, 1, 2):
        assert (
            run("sh", "scripts/template.sh", "check", programs={"evergreen": STAND_IN}, STATUS=f"{status}").returncode == status
        )
        assert run("make", "template-check", programs={}, STATUS=f"{status}").returncode == min(2 * status, 2)


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("https://github.com/acme/template.git", "https://github.com/acme/template.git"),
        ("'git+https://example.com/acme/template'", "https://example.com/acme/template"),
        ("gh:acme/template", "https://github.com/acme/template"),
        ("gl:acme/group/template.git", "https://gitlab.com/acme/group/template.git"),
        ("git@github.com:acme/template.git", "ssh://git@github.com/acme/template.git"),
        ("git+ssh://git@example.com/acme/template", "ssh://git@example.com/acme/template"),
        ("/srv/my templates/a#1@100%", "file:///srv/my%20templates/a%231%40100%25"),
        ("~/template", "file:///home/me/template"),
        # As Copier writes an address of over 80 characters.
        ("/srv/our\n  long template", "file:///srv/our%20long%20template"),
        ("'/srv/our\n  long #1\n  template'", "file:///srv/our%20long%20%231%20template"),
    ],
)
def test_each_form_of_an_address_becomes_one_that_uv_understands(written: str, url: str, run: Run, folder: Path) -> None:
    (folder / ANSWERS_FILE).write_text(f"_commit: v1.0.0\n_src_path: {written}\nlicense: MIT\n")
    found = run("sh", "scripts/template.sh", "update", programs={"uv": STAND_IN, "git": TAGS}, HOME="/home/me")
    run_from = f"<tool><run><--offline><--from><git+{url}@v1.10.0>"
    assert found.stdout == f"<--quiet>{run_from}<evergreen><update><--trust>"


@pytest.mark.parametrize(
    ("written", "programs", "said"),
    [
        ("_src_path: ../template", {"uv": STAND_IN}, "'../template' (_src_path of .copier-answers.yml), is neither a URL"),
        ("_commit: v1.0.0", {"uv": STAND_IN}, "is neither a URL"),
        ("_src_path: https://example.com/gone", {"uv": STAND_IN}, "https://example.com/gone cannot be reached"),
        ("_src_path: https://example.com/empty", {"uv": STAND_IN}, "has no release"),
        ("_src_path: gh:acme/template", {"uv": "#!/bin/sh\necho no network >&2\nexit 1\n"}, "could not install"),
        (None, {"uv": STAND_IN}, "There is no .copier-answers.yml here"),
        ("_src_path: gh:acme/template", {}, "Neither evergreen nor uv is installed"),
    ],
)
def test_what_is_missing_is_said(written: str | None, programs: dict[str, str], said: str, run: Run, folder: Path) -> None:
    if written:
        (folder / ANSWERS_FILE).write_text(f"{written}\n")
    found = run("sh", "scripts/template.sh", "check", programs={"git": TAGS} | programs)
    assert said in found.stderr
    assert (found.returncode, found.stdout) == (2, "")


def test_uv_is_put_into_the_project_where_there_is_none(run: Run, folder: Path) -> None:
    (folder / ANSWERS_FILE).write_text("_src_path: gh:acme/template\n")
    install = (
        f"mkdir -p .tools/uv/bin && cat >.tools/uv/bin/uv <<'EOF'\n{STAND_IN}EOF\nchmod +x .tools/uv/bin/uv; echo Installing\n"
    )
    (folder / "scripts/check-tools.sh").write_text(install)
    found = run("make", "template-doctor", programs={"git": TAGS})
    assert found.stdout.endswith("@v1.10.0><evergreen><doctor>")
    assert "Installing" in found.stderr


@pytest.mark.verify
def test_a_project_without_the_command_updates_by_uv(released: History, tmp_path: Path) -> None:
    """The real thing: uv builds the command of the newest release from the template's repository."""
    template = Path(shutil.copytree(released.folder, tmp_path / "the template"))
    project = tmp_path / "a project"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/uv").symlink_to(REPOSITORY / ".venv/bin/uv")  # alone: beside it there may be an installed evergreen
    variables = environment(PATH=f"{tmp_path / 'bin'}:/usr/bin:/bin")
    copier = [f"{REPOSITORY}/.venv/bin/copier", "copy", "--quiet", "--trust", "--defaults", str(template), str(project)]
    subprocess.run([*copier, f"--vcs-ref=v{released.next}"], env=variables, check=True, capture_output=True)
    start_repository(project)

    def make(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["make", *arguments, f"PYTHON3={sys.executable}"]
        return subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True, check=False)

    check = make("template-check")
    assert f"{released.next} is current" in check.stdout, check.stderr
    preview = make("template-preview", "SET=include_observability=no")
    assert preview.returncode == 0, preview.stderr
    assert "include_observability: True -> False" in preview.stdout
    update = make("template-update", "SET=include_observability=no")
    assert update.returncode == 0, update.stderr
    assert not (project / "observability").exists()
    assert "is taken back" in make("template-abort").stderr
    assert (project / "observability").exists()
