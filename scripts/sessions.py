"""Runs the console sessions of a Markdown page in one shell, and writes what they print today back into the page.

A fence with the word `console` holds commands after `$ `, continued after `> `, each followed by its output. `first=N last=M`
after that word keeps so many lines of each output. A comment that opens with `<!-- run` holds commands that the reader is not
shown. A command has to end with status 0, unless the next one is `echo $?`, which shows the reader another.

Of the libraries that do the like, byexample compares and does not rewrite, cog wants each command in a comment beside its output,
and mdoctest was half a year old and one author's when this was written (November 2026).
"""

import hashlib
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt

HIDDEN = "<!-- run\n"
SHOWS_STATUS = "echo $?"
END = "=== end of a command:"
COMMIT = re.compile(r"\b[0-9a-f]{7,40}\b")
LIMITS = re.compile(r"first=(\d+) last=(\d+)")


@dataclass
class Command:
    """A command as the page has it, and what it printed."""

    shown: list[str]
    text: str
    separator: list[str] = field(default_factory=list)
    """The empty lines between its output and the next command."""
    output: list[str] = field(default_factory=list)
    status: int = 0


@dataclass
class Block:
    """A fence or a comment of the page. The lines are those of its content; those of the fence are not among them."""

    first: int
    last: int
    commands: list[Command]
    limits: tuple[int, int] | None = None
    hidden: bool = False

    def rendered(self) -> Iterator[str]:
        """Yield the content with the output of today."""
        for command in self.commands:
            yield from command.shown
            yield from shortened(command.output, self.limits)
            yield from command.separator


class SessionError(Exception):
    """A command of the page failed, or the page holds what cannot be run. The message names it."""


def shortened(lines: list[str], limits: tuple[int, int] | None) -> list[str]:
    """Return so many lines from the beginning and from the end, with `...` in the place of the others."""
    if limits is None or len(lines) <= sum(limits) + 1:
        return lines
    first, last = limits
    return [*lines[:first], "...", *lines[len(lines) - last :]]


def blocks(page: str) -> list[Block]:
    """Return what is to be run, in the order of the page."""
    found = []
    lines = page.splitlines()
    for token in MarkdownIt("commonmark").parse(page):
        if token.map is None:
            continue
        first, last = token.map
        if token.type == "fence" and token.info.split()[:1] == ["console"]:
            limits = LIMITS.search(token.info)
            inside = commands(lines[first + 1 : last - 1])
            found.append(Block(first + 1, last - 1, inside, (int(limits[1]), int(limits[2])) if limits else None))
        elif token.type == "html_block" and token.content.startswith(HIDDEN):
            text = token.content.removeprefix(HIDDEN).rpartition("-->")[0]
            found.append(Block(first, last, [Command([], text)], hidden=True))
    return found


def commands(lines: list[str]) -> list[Command]:
    """Split a fence's content into its commands. What they printed earlier is dropped."""
    found: list[Command] = []
    for line in lines:
        if line.startswith("$ "):
            found.append(Command([line], line[2:]))
        elif not found:
            raise SessionError(f"A console block starts with {line!r} instead of a command after '$ '.")
        elif line.startswith("> ") and not found[-1].output:
            found[-1].shown.append(line)
            found[-1].text += f"\n{line[2:]}"
        elif line:
            found[-1].output.append(line)
            found[-1].separator.clear()
        else:
            found[-1].separator.append(line)
    for command in found:
        command.output.clear()
    return found


def run(chosen: list[Command], folder: Path, environment: Mapping[str, str]) -> None:
    """Run commands in one bash and note what each prints and how it ends.

    Raises:
        SessionError: one ended with another status than 0, and the next does not show it.
    """
    script = "".join(
        f"{{\n{command.text}\n}} 2>&1 </dev/null\nstatus=$?; printf '\\n%s%s\\n' {shlex.quote(END)} $status; (exit $status)\n"
        for command in chosen
    )
    file = folder / ".session.sh"
    file.write_text(script, encoding="utf-8")
    result = subprocess.run(["bash", str(file)], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    parts = re.split(rf"\n{re.escape(END)}(\d+)\n", result.stdout)
    if len(parts) != 2 * len(chosen) + 1:
        raise SessionError(f"The shell ended after {len(parts) // 2} of {len(chosen)} commands:\n{result.stdout}{result.stderr}")
    for command, output, status in zip(chosen, parts[::2], parts[1::2], strict=False):
        command.output = [line.rstrip() for line in output.splitlines()]
        command.status = int(status)
    for command, following in pairwise([*chosen, Command([], "")]):
        if command.status and following.text != SHOWS_STATUS:
            said = "\n".join(command.output)
            raise SessionError(f"This ended with {command.status}, and no {SHOWS_STATUS!r} follows:\n{command.text}\n{said}")


def rewritten(page: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Return a page with what its commands print today.

    Args:
        page: the page's text.
        folder: where the session starts. The page calls it `~`.
        environment: the whole environment of the session.
    """
    found = blocks(page)
    every = [command for block in found for command in block.commands]
    run(every, folder, environment)
    known: dict[str, str] = {}
    for command in every:
        command.output = [with_made_up_commits(line.replace(str(folder), "~"), known) for line in command.output]
    lines = page.splitlines()
    for block in reversed(found):
        if not block.hidden:
            lines[block.first : block.last] = block.rendered()
    return "\n".join(lines) + "\n"


def with_made_up_commits(line: str, known: dict[str, str]) -> str:
    """Replace commits' ids, which change with every byte of a file, by ones that stay. `known` has those met so far."""

    def made_up(found: re.Match[str]) -> str:
        last = hashlib.sha1(str(len(known)).encode(), usedforsecurity=False).hexdigest()
        return known.setdefault(found[0][:7], last)[: len(found[0])]

    return COMMIT.sub(made_up, line)
