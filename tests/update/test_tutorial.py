"""The page about the first update shows what its commands print today, and its runner notices when one does not."""

import os
from pathlib import Path

import pytest
import tutorial
from sessions import SessionError, rewritten

PAGE = """# Page

```console
$ printf '%s\\n' one two \\
>     three
old

$ false
$ echo $?
0
```

<!-- run
cd .. && cd "$OLDPWD" && count=3
-->

```console first=1 last=1
$ printf '%s\\n' "$count" 4 5 6
$ echo "$PWD and 356a192b7913 and 356a192"
```

```sh
$ not run
```
"""
TODAY = """# Page

```console
$ printf '%s\\n' one two \\
>     three
one
two
three

$ false
$ echo $?
1
```

<!-- run
cd .. && cd "$OLDPWD" && count=3
-->

```console first=1 last=1
$ printf '%s\\n' "$count" 4 5 6
3
...
6
$ echo "$PWD and 356a192b7913 and 356a192"
~ and b6589fc6ab0d and b6589fc
```

```sh
$ not run
```
"""


def today(page: str, folder: Path) -> str:
    return rewritten(page, folder, {"PATH": os.environ["PATH"], "HOME": str(folder)})


@pytest.mark.verify
def test_the_page_shows_what_its_commands_print() -> None:
    assert tutorial.PAGE.read_text(encoding="utf-8") == tutorial.today(), "make tutorial writes it anew"


def test_old_output_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    assert today(PAGE, tmp_path) == TODAY
    assert today(TODAY, tmp_path) == TODAY


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ("$ true\n$ echo no; (exit 3)\n$ true\n", "ended with 3, and no 'echo \\$\\?' follows:\necho no"),
        ("$ true\n$ exit 1\n", "ended after 1 of 2 commands"),
        ("output\n$ true\n", "starts with 'output'"),
    ],
)
def test_a_page_that_does_not_run_is_refused(block: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(SessionError, match=reason):
        today(f"```console\n{block}```\n", tmp_path)
