"""Whatever a team does between updates, in any order: no edit is lost, and without edits the project is a fresh render.

Every edit writes a line that is nowhere else. A line is lost when neither a file of the project, nor what an update has kept
aside, nor a ref of an update that was taken back holds it.
"""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.companion import Template, evergreen, fsck, numbered, tree
from support.releases import commit_all, git

MARKERS = tuple(sign * 7 for sign in "<|=>")
FILES = ("a.txt", "b.txt", "sub/c.txt", "extra/d.txt", "e.txt")
RELEASES = ("1.1.0", "1.2.0", "1.3.0")
Step = tuple[str, int, int]
Renders = dict[tuple[str, bool], Path]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A template whose releases change, rename, add and delete files."""
    extra = "{% if include_extra %}extra{% endif %}/d.txt"
    made = Template.start(
        tmp_path_factory.mktemp("random") / "template",
        {
            ".gitignore": "/.cache/\n",
            "a.txt": numbered("a"),
            "b.txt": numbered("b"),
            "sub/c.txt": numbered("c"),
            extra: numbered("d"),
        },
        include_extra={"type": "bool", "default": True},
    )
    made.release("1.1.0", {"a.txt": numbered("a").replace("a 5\n", "a five\n"), "e.txt": numbered("e")})
    made.release("1.2.0", {"b.txt": None, "moved/b.txt": numbered("b"), extra: numbered("d").replace("d 9\n", "d nine\n")})
    made.release("1.3.0", {"sub/c.txt": None, "a.txt": numbered("a").replace("a 5\n", "a V\n"), "f.txt": numbered("f")})
    return made


@pytest.fixture(scope="module")
def renders(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Renders:
    """A fresh project of each version with and without the feature. Tests only read them."""
    folder = tmp_path_factory.mktemp("renders")
    return {
        (version, extra): template.project(folder / f"{version}-{extra}", "--to", version, "--data", f"include_extra={extra}")
        for version in ("1.0.0", *RELEASES)
        for extra in (True, False)
    }


WITHOUT_EDITS = ("update", "toggle", "abort", "finish")
steps = st.lists(
    st.tuples(
        st.sampled_from(["edit", "edit", "delete", "rename", "update", "update", "toggle", "abort", "finish", "ignored"]),
        st.integers(0, len(FILES) - 1),
        st.integers(0, 29),
    ),
    min_size=2,
    max_size=9,
)


class Team:
    """A project, and what its team knows of it."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.extra = True
        self.touched = False
        self.written: set[str] = set()
        self.waiting = False

    def do(self, step: Step, number: int) -> None:
        """Do one step, if it is possible now."""
        kind, file, line = step
        path = self.project / FILES[file]
        if kind in {"update", "toggle"}:
            self.update(RELEASES[line % 3], toggle=kind == "toggle")
        elif kind == "abort":
            evergreen(self.project, "abort", status=0 if self.waiting else 2)
            self.waiting = False
        elif kind == "finish":
            self.resolve()
        elif kind == "ignored":
            (self.project / ".cache").mkdir(exist_ok=True)
            with (self.project / ".cache/file").open("a") as stream:
                stream.write(self.new_line(number))
        elif path.is_file():
            self.work(kind, path, line, number)

    def work(self, kind: str, path: Path, line: int, number: int) -> None:
        """Edit, delete or rename a file, and commit it unless an update waits: then it is part of the resolution."""
        self.touched = True
        if kind == "edit":
            lines = path.read_text().splitlines(keepends=True)
            lines.insert(min(line, len(lines)), self.new_line(number))
            path.write_text("".join(lines))
        elif self.waiting or any(text in path.read_text() for text in self.written):
            return  # what the team itself takes away is not lost
        elif kind == "delete":
            path.unlink()
        else:
            path.rename(path.with_name(f"renamed-{number}-{path.name}"))
        if not self.waiting:
            commit_all(self.project, f"Work {number}")

    def new_line(self, number: int) -> str:
        """Return a line that is nowhere else."""
        text = f"ours {len(self.written)} of step {number}\n"
        self.written.add(text)
        return text

    def update(self, version: str, *, toggle: bool) -> None:
        """Update, or be refused because an update waits or would go back."""
        before = tree(self.project)
        extra = self.extra != toggle
        found = evergreen(self.project, "update", "--trust", "--to", version, "--set", f"include_extra={extra}")
        if found.status == 2:
            assert tree(self.project) == before
            return
        assert not self.waiting
        self.waiting, self.pending = True, extra

    def resolve(self) -> None:
        """Take both sides of every conflict, and finish."""
        if not self.waiting:
            return
        for name in git(self.project, "diff", "--name-only", "--diff-filter=U").splitlines():
            path = self.project / name
            if path.exists():
                kept = [line for line in path.read_text().splitlines(keepends=True) if not line.startswith(MARKERS)]
                path.write_text("".join(kept))
        commit_all_staged(self.project)
        evergreen(self.project, "finish", status=0)
        self.waiting, self.extra = False, self.pending

    def everything(self) -> str:
        """Return all text that the team can still reach without searching git's history."""
        files = [path for path in self.project.rglob("*") if path.is_file() and ".git" not in path.parts]
        found = [path.read_text(errors="replace") for path in files]
        refs = git(self.project, "for-each-ref", "--format=%(refname)", "refs/evergreen/abandoned").split()
        return "".join(found) + "".join(git(self.project, "grep", "-h", "ours", ref) for ref in refs)


def commit_all_staged(project: Path) -> None:
    """Stage everything, as a team does that has resolved its conflicts."""
    git(project, "add", "--all")


def run(renders: Renders, folder: Path, beginning: set[int], plan: list[Step]) -> None:
    """Do a sequence of steps in a new project, after an edit of some files; look after each that nothing is lost."""
    project = Path(shutil.copytree(renders["1.0.0", True], folder / "project"))
    team = Team(project)
    edits: list[Step] = [("edit", file, 7 * file) for file in sorted(beginning)]
    for number, step in enumerate([*edits, *plan]):
        team.do(step, number)
        reachable = team.everything()
        assert not {text for text in team.written if text.strip() not in reachable}, step
    team.resolve()
    fsck(project)
    if not team.touched:
        version = (project / ".copier-answers.yml").read_text().splitlines()[0].removeprefix("_commit: v")
        mine = {name: found for name, found in tree(project).items() if not name.startswith(".cache/")}
        assert mine == tree(renders[version, team.extra])


@settings(max_examples=16, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sets(st.integers(0, len(FILES) - 1), min_size=2), steps)
def test_no_edit_is_ever_lost(renders: Renders, beginning: set[int], plan: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run(renders, Path(folder), beginning, plan)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(WITHOUT_EDITS), st.just(0), st.integers(0, 2)), min_size=3, max_size=8))
def test_without_edits_it_is_always_a_fresh_render(renders: Renders, plan: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run(renders, Path(folder), set(), plan)
