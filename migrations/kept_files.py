"""Files that a team has by names that a release brings: written down in the answers, so that no render has them."""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

import yaml

from migrations.base import ANSWERS_FILE
from migrations.repository import stage

QUESTION = "kept_files"
#: The entry as a team, Copier or this module may have written it: in one line, or as a list below.
ENTRY = re.compile(rf"^{QUESTION}:.*\n(?:[ \t-].*\n)*", re.MULTILINE)


def keep_own(project: Path, paths: Iterable[str]) -> list[str]:
    """Write those of the paths that are there into the answers, and return those that were not in it.

    Whatever stands at such a place counts: a link that leads nowhere and a folder are the team's, too.
    """
    file = project / ANSWERS_FILE
    text = file.read_text(encoding="utf-8")
    known = (yaml.safe_load(text) or {}).get(QUESTION) or []
    found = [path for path in paths if path not in known and os.path.lexists(project / path)]
    if found:
        rest = ENTRY.sub("", text if text.endswith("\n") else f"{text}\n")
        file.write_text(f"{rest}{QUESTION}: {json.dumps(sorted([*known, *found]))}\n", encoding="utf-8")
        stage(project, ANSWERS_FILE)
    return found
