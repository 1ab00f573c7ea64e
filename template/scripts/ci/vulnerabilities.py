"""Judge a scanner's report: `vulnerabilities.py trivy|pip-audit|npm REPORT.json`, from the root.

HIGH, CRITICAL and what has no severity fail, unless .github/vulnerabilities.toml lets them stay.
Exit status: 0 nothing to do; 1 vulnerabilities, or an exception without a reason or expired; 2 the
scan did not run, or looked at nothing. REPORT.counts.json keeps the counts.
"""
# ruff: noqa: T201

import json
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

EXCEPTIONS = Path(".github/vulnerabilities.toml")
LONGEST = timedelta(days=366)
FAILING = {"critical", "high", "unknown"}
Report = dict[str, Any]


class Finding(NamedTuple):
    """A vulnerability of a package: ids are all the names that it has."""

    package: str
    ids: frozenset[str]
    severity: str
    fixed: str


def trivy(report: Report) -> tuple[int, list[Finding]]:
    """Return how many packages Trivy looked at (--list-all-pkgs), and what it found."""
    results = report.get("Results") or []
    looked_at = sum(len(result.get("Packages") or []) for result in results)
    found = [
        Finding(
            v["PkgName"],
            frozenset({v["VulnerabilityID"], *v.get("VendorIDs", [])}),
            v["Severity"].lower(),
            v.get("FixedVersion") or "-",
        )
        for result in results
        for v in result.get("Vulnerabilities") or []
    ]
    found += [
        Finding(result["Target"], frozenset({m["ID"]}), m["Severity"].lower(), m["Title"])
        for result in results
        for m in result.get("Misconfigurations") or []
        if m.get("Status") == "FAIL"
    ]
    return looked_at, found


def pip_audit(report: Report) -> tuple[int, list[Finding]]:
    """Return how many packages pip-audit looked at, and what it found, without severities."""
    packages = report["dependencies"]
    if skipped := [package["name"] for package in packages if "skip_reason" in package]:
        not_run(f"pip-audit skipped {', '.join(skipped)}")
    found = []
    for package in packages:
        for v in package["vulns"]:
            ids, fixed = frozenset({v["id"], *v.get("aliases", [])}), ", ".join(v["fix_versions"])
            found.append(Finding(package["name"], ids, "unknown", fixed or "-"))
    return len(packages), found


def npm(report: Report) -> tuple[int, list[Finding]]:
    """Return how many packages npm audit looked at, and what it found."""
    if "error" in report or "message" in report:
        error = report.get("error") or {}
        not_run(f"npm says: {error.get('summary') or report.get('message') or error}")
    causes = [v for vulnerable in report["vulnerabilities"].values() for v in vulnerable["via"]]
    found = {
        Finding(
            v["name"],
            frozenset({v["url"].rpartition("/")[2]}),
            {"moderate": "medium"}.get(v["severity"], v["severity"]),
            f"not in {v['range']}",
        )
        for v in causes
        if isinstance(v, dict)  # else the name of a dependency that has one
    }
    return report["metadata"]["dependencies"]["total"], list(found)


def exceptions(today: date) -> tuple[dict[str, str | None], list[str]]:
    """Return the ids that may stay, each with the one package it is limited to, and the faults."""
    try:
        text = EXCEPTIONS.read_text() if EXCEPTIONS.exists() else ""
        entries = tomllib.loads(text).get("exception", [])
    except tomllib.TOMLDecodeError as error:
        return {}, [f"it is not TOML: {error}"]
    return {e["id"]: e.get("package") for e in entries if "id" in e}, list(faults(entries, today))


def faults(entries: list[dict[str, Any]], today: date) -> Iterator[str]:
    """Say what is wrong with exceptions."""
    for entry in entries:
        name = entry.get("id") or f"an exception without an id ({entry})"
        expires = entry.get("expires")
        if "id" not in entry:
            yield f"{name}: say which vulnerability it is"
        if not str(entry.get("reason", "")).strip():
            yield f"{name} has no reason: say why it does no harm here"
        if type(expires) is not date:
            yield f"{name} has no day of expiry: add, say, expires = {today + timedelta(days=90)}"
        elif expires <= today:
            yield f"{name} has expired on {expires}: look again, then set a later day or remove it"
        elif expires > today + LONGEST:
            yield f"{name} expires on {expires}: at most a year from now, that is {today + LONGEST}"


def not_run(why: str) -> NoReturn:
    """End, saying that nothing is known."""
    print(f"NOT RUN: {why}. Nothing is known about vulnerabilities.", file=sys.stderr)
    raise SystemExit(2)


def main(scanner: str, path: Path) -> int:
    """Judge a report."""
    counts = path.with_suffix(".counts.json")
    counts.unlink(missing_ok=True)
    try:
        report = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        not_run(f"{path} is no report of {scanner} ({error})")
    looked_at, found = {"trivy": trivy, "pip-audit": pip_audit, "npm": npm}[scanner](report)
    if not looked_at:
        not_run(f"{scanner} looked at no package. Is there a lock file?")

    allowed, wrong = exceptions(date.today())  # noqa: DTZ011 - the day here
    left = [f for f in found if not any(allowed.get(i, "") in {None, f.package} for i in f.ids)]
    counts.write_text(json.dumps({"looked_at": looked_at, **Counter(f.severity for f in left)}))

    failing = sorted(finding for finding in left if finding.severity in FAILING)
    for package, ids, severity, fixed in failing:
        print(f"{severity.upper():9}{package}: {' '.join(sorted(ids))} (fixed in: {fixed})")
    for fault in wrong:
        print(f"{EXCEPTIONS}: {fault}")
    excepted = len(found) - len(left)
    print(f"{path.stem}: {looked_at} looked at, {len(failing)} to mend, {excepted} excepted.")
    return 1 if failing or wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
