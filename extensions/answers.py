"""Jinja filters that check an answer.

Each takes the answer and returns what is wrong with it, with an example of a good one, or an empty string, which is
how Copier's `validator` wants it. They judge form only: nothing here reads a file or asks a server. The module imports no
other of ours: Copier's loader knows each extension by its file alone.
"""

import keyword
import re
import unicodedata
from collections.abc import Mapping

from jinja2 import Environment
from jinja2.ext import Extension

SLUG_LENGTH = 40
NAME_LENGTH = 60
DESCRIPTION_LENGTH = 160
#: Not in the answers because some file format that they are rendered into reads them as syntax: Jinja, shell, Make and
#: Compose interpolation, HTML and XML tags, escapes.
SYNTAX = "{}$`\\<>"
RESERVED_SLUGS = frozenset(
    {
        "app",
        "backend",
        "frontend",
        "keycloak",
        "master",
        "postgres",
        "public",
        "redis",
        "template",
        "test",
        *keyword.kwlist,
    }
)
FIRST_USER_PORT = 1024
LAST_PORT = 65535
#: Unicode categories that a reader cannot see or that break lines: controls, formats (bidirectional overrides among
#: them), surrogates, private use, unassigned, line and paragraph separators, spaces other than U+0020.
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})


def text_error(text: str, what: str, longest: int, example: str) -> str:
    """Check one line of human text: not empty, no outer spaces, visible characters, nothing that is syntax elsewhere."""
    hint = f'Example: "{example}".'
    if not text.strip():
        return f"The {what} is empty. {hint}"
    if text != text.strip():
        return f"The {what} starts or ends with a space. {hint}"
    if len(text) > longest:
        return f"The {what} has {len(text)} characters; at most {longest} fit. {hint}"
    for character in text:
        if character in SYNTAX:
            return f"The {what} contains '{character}', which templates, shells or HTML would interpret. {hint}"
        if character != " " and unicodedata.category(character) in INVISIBLE:
            name = unicodedata.name(character, "control character")
            return f"The {what} contains an invisible character (U+{ord(character):04X}, {name}). {hint}"
    if not any(character.isalnum() for character in text):
        return f"The {what} has no letter or digit. {hint}"
    return ""


def project_name_error(name: str) -> str:
    """Check the project's name."""
    return text_error(name, "project name", NAME_LENGTH, "Acme Orders")


def project_description_error(description: str) -> str:
    """Check the one-sentence description."""
    return text_error(description, "description", DESCRIPTION_LENGTH, "Order tracking for small shops")


def author_name_error(name: str) -> str:
    """Check the name that the license and the package metadata carry."""
    return text_error(name, "author name", NAME_LENGTH, "Ada Lovelace")


def project_slug_error(slug: str) -> str:
    """Check the slug: it names folders, containers, database roles (63 bytes in PostgreSQL) and the realm."""
    hint = "Example: acme-orders."
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", slug):
        return (
            f"The slug '{slug}' must start with a lower-case letter and hold only lower-case letters, digits and "
            f"single hyphens between them. {hint}"
        )
    if not 2 <= len(slug) <= SLUG_LENGTH:
        return f"The slug '{slug}' has {len(slug)} characters; 2 to {SLUG_LENGTH} are allowed. {hint}"
    if slug in RESERVED_SLUGS:
        return f"The slug '{slug}' is taken by a part of the project or by a language. {hint}"
    return ""


def email_error(address: str) -> str:
    """Check an email address: the common subset of RFC 5322 that every package index and license reader takes."""
    local = r"[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}"
    label = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    well_formed = re.fullmatch(rf"{local}@({label}\.)+[A-Za-z]{{2,63}}", address)
    if well_formed and ".." not in address and ".@" not in address and len(address) <= 254:
        return ""
    return f"'{address}' is not an email address. Example: ada@example.com."


def github_owner_error(owner: str) -> str:
    """Check a GitHub login: up to 39 letters, digits and single hyphens, none of them outermost (GitHub's own rule)."""
    if re.fullmatch(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*", owner) and len(owner) <= 39:
        return ""
    return f"'{owner}' is not a GitHub user or organisation: letters, digits and single hyphens, at most 39. Example: acme-inc."


def api_prefix_error(prefix: str) -> str:
    """Check the path under which the API is served: it stands in routes, in nginx and in the page's requests."""
    if (
        re.fullmatch(r"(/[a-z0-9]+(-[a-z0-9]+)*){1,4}", prefix)
        and len(prefix) <= 60
        and prefix.split("/")[1] not in ("auth", "assets")
    ):
        return ""
    return (
        f"'{prefix}' is not a usable path prefix: it starts with a slash, has no slash at its end, holds lower-case "
        "letters, digits and hyphens, and its first part is neither 'auth' nor 'assets', which the page uses. Example: /api/v1."
    )


def port_error(port: int, others: Mapping[str, int]) -> str:
    """Check a TCP port.

    Args:
        port: the answer.
        others: the ports answered before, by the name of their question.

    """
    hint = "Example: 8000."
    if not FIRST_USER_PORT <= port <= LAST_PORT:
        return f"Port {port} is outside of {FIRST_USER_PORT} to {LAST_PORT} (lower ones need root). {hint}"
    for question, other in others.items():
        if other == port:
            return f"Port {port} is taken by {question}; give each service its own. {hint}"
    return ""


FILTERS = (
    project_name_error,
    project_slug_error,
    project_description_error,
    author_name_error,
    email_error,
    github_owner_error,
    api_prefix_error,
    port_error,
)


class AnswerChecks(Extension):
    """Registers the filters of this module under their own names."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters.update({function.__name__: function for function in FILTERS})
