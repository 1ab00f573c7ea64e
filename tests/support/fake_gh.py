"""Stands in for gh where GitHub cannot run: the requests that template-pull-request.sh makes, on a file instead of a server.

`python fake_gh.py …` is run as `gh …`; GH_STATE names the file. jq is the real one, so the expressions are tried. What the
script should never send ends with status 64.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

OWNER = "acme"
Item = dict[str, Any]


def empty() -> dict[str, Any]:
    """Return the state of a repository without issues."""
    return {"items": [], "labels": [], "calls": []}


def item(number: int, **more: Any) -> Item:
    """Return an issue, or with `head` a pull request, as GitHub's API describes it."""
    return {"number": number, "state": "open", "labels": [], "comments": [], "merged_at": None, "title": "", "body": "", **more}


def answer(state: dict[str, Any], method: str, path: str, fields: dict[str, Any]) -> Any:
    """Do what GitHub would, and return what it would answer."""
    url = urlsplit(path.replace("{owner}", OWNER).replace("{repo}", "shop"))
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    match = re.fullmatch(f"repos/{OWNER}/shop/(pulls|issues)(?:/([0-9]+)(/comments)?)?", url.path)
    if not match:
        sys.exit(64)
    kind, number, comments = match.groups()
    if method == "GET" and not number:
        found = [one for one in state["items"] if one["state"] == query["state"]]
        if kind == "pulls":
            return [one for one in found if one.get("head") == query["head"]]
        return [{**one, "pull_request": one.get("head")} for one in found if query["labels"] in one["labels"]]
    if method == "POST" and not number:
        more = {"head": f"{OWNER}:{fields['head']}"} if kind == "pulls" else {}
        created = item(len(state["items"]) + 1, **(fields | {"labels": fields.pop("labels[]", "").split()} | more))
        state["items"].append(created)
        return created
    (one,) = [one for one in state["items"] if one["number"] == int(number)]
    if method == "POST" and comments:
        one["comments"].append(fields["body"])
    elif method == "PATCH":
        one.update(fields)
    else:
        sys.exit(64)
    return one


def main(arguments: list[str]) -> int:
    """Run one command of gh."""
    file = Path(os.environ["GH_STATE"])
    state = json.loads(file.read_text())
    state["calls"].append(" ".join(arguments[:4]))
    if arguments[:2] == ["label", "create"]:
        state["labels"].append(arguments[2])
    else:
        parser = argparse.ArgumentParser(allow_abbrev=False)
        parser.add_argument("api", choices=["api"])
        parser.add_argument("path")
        parser.add_argument("--silent", action="store_true")
        parser.add_argument("--jq", default=".")
        parser.add_argument("--method")
        for option in ("--raw-field", "--field"):
            parser.add_argument(option, action="append", default=[])
        asked = parser.parse_args(arguments)
        fields = dict(pair.split("=", 1) for pair in asked.raw_field)
        for name, value in (pair.split("=@", 1) for pair in asked.field):
            fields[name] = Path(value).read_text()
        unknown = set(fields.get("labels[]", "").split()) - set(state["labels"])
        method = asked.method or ("POST" if fields else "GET")
        if unknown or (method == "POST" and asked.path.endswith("/pulls") and os.environ.get("GH_REFUSES")):
            print("gh: GitHub refuses this", file=sys.stderr)
            return 1
        answered = json.dumps(answer(state, method, asked.path, fields))
        if not asked.silent:
            sys.stdout.flush()
            subprocess.run(["jq", "--raw-output", asked.jq], input=answered, text=True, check=True)
    file.write_text(json.dumps(state))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
