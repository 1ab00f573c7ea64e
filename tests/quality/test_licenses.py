"""Each license is complete and names the author, whatever the name holds."""

import hashlib

import pytest
from jinja2 import Environment, FileSystemLoader
from support.rendering import REPOSITORY, questions

AUTHOR = """O'Neil "Søren" & Ünï"""
#: SHA-256 of the texts as their authors publish them (Debian's /usr/share/common-licenses), up to the end of the terms.
PUBLISHED = {
    "Apache-2.0": (
        "                                 Apache License\n",
        "END OF TERMS AND CONDITIONS\n",
        "a6cba85bc92e0cff7a450b1d873c0eaa2e9fc96bf472df0247a26bec77bf3ff9",
    ),
    "GPL-3.0-or-later": (
        "                    GNU GENERAL PUBLIC LICENSE\n",
        "",
        "3972dc9744f6499f0f9b2dbf76696f2ae7ad8af9b23dde66d6af86c9dfb36986",
    ),
}


def license_text(name: str) -> str:
    """Return a project's LICENSE as Copier renders it: templates are found from the repository's root."""
    jinja = Environment(loader=FileSystemLoader(REPOSITORY), keep_trailing_newline=True)  # noqa: S701 - plain text
    return jinja.get_template("template/LICENSE.jinja").render(license=name, author_name=AUTHOR)


@pytest.mark.parametrize("name", questions()["license"]["choices"])
def test_every_license_names_the_author_once(name: str) -> None:
    text = license_text(name)
    assert text.count(f"Copyright (c) {AUTHOR}\n") == 1
    assert "[yyyy]" not in text
    assert text.endswith(".\n")


@pytest.mark.parametrize("name", PUBLISHED)
def test_long_licenses_are_as_published(name: str) -> None:
    start, end, digest = PUBLISHED[name]
    text = license_text(name)
    begin = text.index(start)
    terms = text[begin : text.index(end) + len(end) if end else None]
    assert hashlib.sha256(terms.encode()).hexdigest() == digest
