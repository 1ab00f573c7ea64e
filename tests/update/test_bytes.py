"""What git may do to bytes, modes and names on their way in and out: an update sees files as the team's `git add` stores them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.companion import Template, evergreen, numbered, tree, update, work, write
from support.releases import git

CRLF = numbered("line").replace("\n", "\r\n")


def test_line_endings_are_kept_as_they_are_without_attributes(template_of: Callable[..., Template], tmp_path: Path) -> None:
    template = template_of({"dos.bat": CRLF, "unix.txt": numbered("line"), "mixed.txt": "a\r\nb\n"})
    project = template.project(tmp_path / "project")
    work(project, {"dos.bat": CRLF.replace("line 3\r\n", "ours\r\n")})
    template.release("1.1.0", {"dos.bat": CRLF.replace("line 25\r\n", "theirs\r\n"), "mixed.txt": "a\r\nb\nc\r\n"})
    update(project)
    assert (project / "dos.bat").read_bytes() == CRLF.replace("line 3\r\n", "ours\r\n").replace(
        "line 25\r\n", "theirs\r\n"
    ).encode()
    assert (project / "mixed.txt").read_bytes() == b"a\r\nb\nc\r\n"


def test_a_conflict_in_a_file_with_crlf_has_markers_with_crlf(template_of: Callable[..., Template], tmp_path: Path) -> None:
    template = template_of({"dos.bat": CRLF})
    project = template.project(tmp_path / "project")
    work(project, {"dos.bat": CRLF.replace("line 3\r\n", "ours\r\n")})
    template.release("1.1.0", {"dos.bat": CRLF.replace("line 3\r\n", "theirs\r\n")})
    update(project, status=1)
    content = (project / "dos.bat").read_bytes()
    assert (
        b"<<<<<<< yours\r\nours\r\n||||||| evergreen 1.0.0\r\nline 3\r\n=======\r\ntheirs\r\n>>>>>>> evergreen 1.1.0\r\n"
        in content
    )


@pytest.mark.parametrize("edited", ["settings.bat text eol=crlf\n", ""])
def test_the_teams_attributes_decide_for_both_renderings(
    template_of: Callable[..., Template], tmp_path: Path, edited: str
) -> None:
    """The rendering has CRLF, the repository LF: without the same rules for both sides every line would be in conflict."""
    attributes = "* text=auto eol=lf\n*.bat text eol=crlf\n"
    template = template_of({".gitattributes": attributes, "dos.bat": CRLF, "settings.bat": CRLF})
    project = template.project(tmp_path / "project")
    assert b"\r" not in git(project, "cat-file", "blob", "HEAD:dos.bat").encode()
    work(project, {"dos.bat": CRLF.replace("line 3\r\n", "ours\r\n"), ".gitattributes": attributes + edited})
    template.release("1.1.0", {"dos.bat": CRLF.replace("line 25\r\n", "theirs\r\n"), ".gitattributes": "# New.\n" + attributes})
    update(project)
    assert (project / "dos.bat").read_bytes() == CRLF.replace("line 3\r\n", "ours\r\n").replace(
        "line 25\r\n", "theirs\r\n"
    ).encode()
    assert (project / ".gitattributes").read_text() == "# New.\n" + attributes + edited
    assert git(project, "diff", "--name-only") == ""


def test_attributes_that_only_the_team_has(template_of: Callable[..., Template], tmp_path: Path) -> None:
    """The template ships CRLF without a word about it; the team stores LF."""
    template = template_of({"file.txt": CRLF})
    project = template.project(tmp_path / "project")
    work(project, {".gitattributes": "* text=auto eol=lf\n"})
    git(project, "add", "--renormalize", ".")
    work(project, {"file.txt": numbered("line").replace("line 3\n", "ours\n")})
    template.release("1.1.0", {"file.txt": CRLF.replace("line 25\r\n", "theirs\r\n")})
    update(project)
    assert (project / "file.txt").read_bytes() == numbered("line").replace("line 3\n", "ours\n").replace(
        "line 25", "theirs"
    ).encode()
    assert (project / ".gitattributes").read_text() == "* text=auto eol=lf\n"
    assert git(project, "diff", "--name-only") == ""


def test_autocrlf_of_the_team(template_of: Callable[..., Template], tmp_path: Path) -> None:
    template = template_of({"file.txt": numbered("line"), "other.txt": numbered("other")})
    project = template.project(tmp_path / "project")
    git(project, "config", "core.autocrlf", "true")
    (project / "file.txt").unlink()
    git(project, "checkout", "file.txt")
    assert b"\r\n" in (project / "file.txt").read_bytes()
    work(project, {"file.txt": CRLF.replace("line 3\r\n", "ours\r\n")})
    template.release("1.1.0", {"file.txt": numbered("line").replace("line 25\n", "theirs\n")})
    before = tree(project)
    update(project)
    assert (project / "file.txt").read_bytes() == CRLF.replace("line 3\r\n", "ours\r\n").replace(
        "line 25\r\n", "theirs\r\n"
    ).encode()
    assert git(project, "diff", "--name-only") == ""
    evergreen(project, "abort", status=0)
    assert tree(project) == before


def test_abort_restores_bytes_that_a_checkout_would_not(template_of: Callable[..., Template], tmp_path: Path) -> None:
    """`git status` is clean although the file has other bytes than git would write; they come back all the same."""
    template = template_of({".gitattributes": "* text=auto eol=lf\n", "file.txt": CRLF})
    project = template.project(tmp_path / "project")
    (project / "file.txt").write_bytes(CRLF.encode())
    git(project, "add", "file.txt")
    assert git(project, "status", "--porcelain") == ""
    (project / "file.txt").chmod(0o600)
    template.release("1.1.0", {"file.txt": CRLF + "more\r\n"})
    before = tree(project)
    update(project)
    assert b"\r" not in (project / "file.txt").read_bytes()
    evergreen(project, "abort", status=0)
    assert tree(project) == before


def test_modes_links_and_odd_names(template_of: Callable[..., Template], tmp_path: Path) -> None:
    odd = 'a "b" \\ ü\tc.txt'
    template = template_of(
        {"run.sh": "#!/bin/sh\n", odd: numbered("odd"), "-dash.txt": "dash\n", "target.txt": "x\n"}, _preserve_symlinks=True
    )
    (template.folder / "template/link").symlink_to("target.txt")
    template.release("1.0.1")
    project = template.project(tmp_path / "project")
    work(project, {odd: numbered("odd").replace("odd 3\n", "ours\n")})
    (template.folder / "template/run.sh").chmod(0o755)
    (template.folder / "template/link").unlink()
    (template.folder / "template/link").symlink_to("run.sh")
    template.release("1.1.0", {odd: numbered("odd").replace("odd 25\n", "theirs\n"), "-dash.txt": "dash, changed\n"})
    before = tree(project)
    update(project)
    assert (project / "run.sh").stat().st_mode & 0o111
    assert (project / "link").readlink() == Path("run.sh")
    assert (project / odd).read_text() == numbered("odd").replace("odd 3\n", "ours\n").replace("odd 25\n", "theirs\n")
    assert (project / "-dash.txt").read_text() == "dash, changed\n"
    evergreen(project, "abort", status=0)
    assert tree(project) == before


def test_files_and_folders_that_take_each_others_place(template_of: Callable[..., Template], tmp_path: Path) -> None:
    template = template_of({"one": "a file\n", "two/in.txt": "in a folder\n"})
    project = template.project(tmp_path / "project")
    write(template.folder / "template", {"one": None, "two/in.txt": None})
    (template.folder / "template/two").rmdir()
    template.release("1.1.0", {"one/in.txt": "now a folder\n", "two": "now a file\n"})
    before = tree(project)
    update(project)
    assert (project / "one/in.txt").read_text() == "now a folder\n"
    assert (project / "two").read_text() == "now a file\n"
    evergreen(project, "abort", status=0)
    assert tree(project) == before


def test_a_filter_of_the_teams_is_applied(template_of: Callable[..., Template], tmp_path: Path) -> None:
    """As Git LFS has it: the repository holds something else than the working tree, by the team's own settings."""
    template = template_of({"data.big": numbered("big")})
    project = template.project(tmp_path / "project")
    git(project, "config", "filter.swap.clean", "tr a-z b-za")
    git(project, "config", "filter.swap.smudge", "tr b-za a-z")
    work(project, {".gitattributes": "*.big filter=swap\n"})
    git(project, "add", "--renormalize", ".")
    work(project, {})
    template.release("1.1.0", {"data.big": numbered("big") + "more\n", "new.big": "new\n"})
    update(project)
    assert (project / "data.big").read_text() == numbered("big") + "more\n"
    assert (project / "new.big").read_text() == "new\n"
    assert git(project, "show", ":new.big") == "ofx"
    assert git(project, "diff", "--name-only") == ""
