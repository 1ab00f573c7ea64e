"""Reads Markdown with a real parser: links, anchors, tables."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

PARSER = MarkdownIt("commonmark").enable("table")


class _HtmlLinks(HTMLParser):
    """Collects what raw HTML in a page points to, and the anchors that it sets."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        for name, value in attrs:
            if value and name in ("href", "src"):
                self.targets.append(value)
            elif value and name in ("id", "name"):
                self.anchors.append(value)


def tokens(page: Path) -> Iterator[Token]:
    """Yield the tokens of a page, those inside of paragraphs and headings included."""
    for token in PARSER.parse(page.read_text(encoding="utf-8")):
        yield token
        yield from token.children or ()


def targets(page: Path) -> list[str]:
    """Return what the links and images of a page point to, as written."""
    found: list[str] = []
    for token in tokens(page):
        if token.type == "link_open":
            found.append(str(token.attrs["href"]))
        elif token.type == "image":
            found.append(str(token.attrs["src"]))
        elif token.type in ("html_block", "html_inline"):
            found += _HtmlLinks(token.content).targets
    return found


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page as GitHub makes them: from its headings, and from `id` in raw HTML."""
    found: set[str] = set()
    stream = list(tokens(page))
    for token, following in zip(stream, [*stream[1:], None], strict=True):
        if token.type == "heading_open" and following is not None:
            slug = base = heading_slug(text_of(following))
            repeated = 0
            while slug in found:
                repeated += 1
                slug = f"{base}-{repeated}"
            found.add(slug)
        elif token.type in ("html_block", "html_inline"):
            found.update(_HtmlLinks(token.content).anchors)
    return found


def text_of(inline: Token) -> str:
    """Return the visible text of an inline token."""
    return "".join(child.content for child in inline.children or () if child.type in ("text", "code_inline"))


def heading_slug(text: str) -> str:
    """Return GitHub's anchor of a heading: lower case, punctuation dropped, spaces as hyphens."""
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


def broken_links(root: Path, pages: list[Path]) -> list[str]:
    """Return a line for each relative link that leads nowhere.

    A target must be inside of `root`, spelled as on disk, and hold the anchor if the link names one. Addresses with a
    scheme are not visited.
    """
    known = {path.relative_to(root).as_posix() for path in root.rglob("*")} | {"."}
    faults = []
    for page in pages:
        for target in targets(page):
            link = urlsplit(target)
            if link.scheme or link.netloc:
                continue
            path = page if not link.path else page.parent / unquote(link.path)
            resolved = path.resolve()
            where = f"{page.relative_to(root)}: '{target}'"
            if not resolved.is_relative_to(root.resolve()):
                faults.append(f"{where} leads out of the repository")
            elif resolved.relative_to(root.resolve()).as_posix() not in known:
                faults.append(f"{where} does not exist")
            elif link.fragment and (resolved.suffix != ".md" or unquote(link.fragment) not in anchors(resolved)):
                faults.append(f"{where} has no such heading")
    return faults


def table_rows(page: Path) -> list[tuple[str, list[str]]]:
    """Return every row of every table of a page with the heading above it; of each cell its text."""
    rows: list[tuple[str, list[str]]] = []
    cells: list[str] = []
    heading, in_body = "", False
    stream = PARSER.parse(page.read_text(encoding="utf-8"))
    for token, following in zip(stream, [*stream[1:], None], strict=True):
        if token.type == "heading_open" and following is not None:
            heading = text_of(following)
        elif token.type in ("tbody_open", "tbody_close"):
            in_body = token.type == "tbody_open"
        elif token.type == "tr_open":
            cells = []
        elif token.type == "td_open" and following is not None:
            cells.append(text_of(following))
        elif token.type == "tr_close" and in_body:
            rows.append((heading, cells))
    return rows
