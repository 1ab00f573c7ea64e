"""Renders the template by Copier, as `copier update` would, into folders of our own.

Copier's functions hide three things that an update needs: the template's checkout (for migrations and the changelog), the
operation's name (which a template's `_exclude` may ask for), and the running of migrations. So the companion reaches for Copier's
inner names. tests/update/test_copiers_inner_names.py lists each, and pyproject.toml holds Copier below its next major version.
"""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from copier._main import Worker, as_operation
from copier._settings import SettingsModel, is_trusted_repository
from copier.errors import CopierError, UnsafeTemplateError
from jinja2 import TemplateError
from plumbum import ProcessExecutionError

from evergreen.errors import RefusedError
from evergreen.template import Source


class Rendering(Worker):
    """Copier's worker without one look at git's configuration per file: it only matters inside a project's own repository."""

    def _sync_git_index_executable_bit(self, *_: object) -> None:
        """Do nothing: the rendering lies in a temporary folder outside any repository."""


def worker(source: Source, ref: str | None, folder: Path, **options: Any) -> Rendering:
    """Return a worker that renders one version into a folder, without a word on standard output."""
    settings: dict[str, Any] = {"defaults": True, "overwrite": True, "quiet": True, "unsafe": True}
    return Rendering(src_path=source.location, dst_path=folder, vcs_ref=ref, **(settings | options))


def trusted(source: Source) -> bool:
    """Tell whether Copier's own settings trust the template's address."""
    return bool(is_trusted_repository(SettingsModel.from_file().trust, source.location))


@contextlib.contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn what Copier raises into a refusal that says what was being done."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ProcessExecutionError as error:
        raise RefusedError(f"{doing}: git failed.\n{(error.stderr or '').strip()}") from error
    except UnsafeTemplateError as error:
        raise RefusedError(f"{doing}: {error}") from error
    except (CopierError, TemplateError, ValueError, TypeError, OSError) as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        reason = str(error).strip() or type(error).__name__
        if "Unknown revision" in reason:
            reason += (
                ". The template does not hold it any more. Put the nearest release into _commit of the answers file; commit it."
            )
        raise RefusedError(f"{doing}: {reason}") from error


@contextlib.contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Work in a folder: a relative template address is relative to the process' folder, for Copier and for its git."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def output_to_stderr() -> Iterator[None]:
    """Send what child processes print to standard error: standard output belongs to the report."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


@as_operation("update")
def render(chosen: Worker) -> None:
    """Render as part of an update. Questions that are asked are asked on the terminal."""
    chosen.run_copy()
