"""Judge a scanner's report: `vulnerabilities.py trivy|pip-audit|npm REPORT.json [FILE ...]`.

From the project's root; FILEs are those that Trivy must have looked at.
`vulnerabilities.py allowed` prints `advisories=GHSA-..., GHSA-...`, for GitHub's own review.

HIGH, CRITICAL and what has no severity fail, unless .github/vulnerabilities.toml lets them stay.
Exit status: 0 nothing to do; 1 vulnerabilities, or an exception without a reason or expired; 2 the
scan did not run, or looked at nothing. REPORT.counts.json keeps the counts; days are UTC's.
"""
# ruff: noqa: T201

import json
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

EXCEPTIONS = Path(".github/vulnerabilities.toml")
LONGEST = timedelta(days=366)
FAILING = {"critical", "high", "unknown"}
KNOWN = FAILING | {"medium", "low", "info", "none"}
KEYS = {"id", "package", "reason", "expires"}
Report = dict[str, Any]


class Finding(NamedTuple):
    """A vulnerability of a package: ids are all the names that it has, and note is what helps."""

    package: str
    ids: frozenset[str]
    severity: str
    note: str


def trivy(report: Report) -> tuple[int, list[Finding]]:
    """Return how many packages Trivy looked at (--list-all-pkgs), and what it found."""
    if report.get("SchemaVersion", 2) != 2:
        not_run(f"Trivy's reports have the form {report['SchemaVersion']} now; it was 2")
    results = report.get("Results") or []
    found = [
        Finding(
            v["PkgName"],
            frozenset({v["VulnerabilityID"], *v.get("VendorIDs", [])}),
            v["Severity"].lower(),
            f"fixed in {v.get('FixedVersion') or '-'}",
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
    return sum(map(packages, results)), found


def packages(result: Report) -> int:
    """Return how many packages Trivy has found in one of the files that it looked at."""
    return len(result.get("Packages") or [])


def pip_audit(report: Report) -> tuple[int, list[Finding]]:
    """Return how many packages pip-audit looked at, and what it found, without severities."""
    dependencies = report["dependencies"]
    if skipped := [one["name"] for one in dependencies if "skip_reason" in one]:
        not_run(f"pip-audit skipped {', '.join(skipped)}")
    found = []
    for package in dependencies:
        for v in package["vulns"]:
            ids, fixed = frozenset({v["id"], *v.get("aliases", [])}), ", ".join(v["fix_versions"])
            found.append(Finding(package["name"], ids, "unknown", f"fixed in {fixed or '-'}"))
    return len(dependencies), found


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
            "medium" if v["severity"] == "moderate" else str(v["severity"]),
            f"not in {v['range']}",
        )
        for v in causes
        if isinstance(v, dict)  # else the name of a dependency that has one
    }
    return report["metadata"]["dependencies"]["total"], list(found)


def exceptions(today: date) -> tuple[list[dict[str, Any]], list[str]]:
    """Return what may stay, and what is wrong with the file."""
    try:
        text = EXCEPTIONS.read_text(encoding="utf-8") if EXCEPTIONS.exists() else ""
        content = tomllib.loads(text)
    except ValueError as error:
        return [], [f"it is not TOML: {error}"]
    entries = content.get("exception", [])
    tables = isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
    if not tables or content.keys() - {"exception"}:
        return [], ["each begins with [[exception]], and there is nothing else in the file"]
    wrong = list(faults(entries, today))
    return [entry for entry in entries if isinstance(entry.get("id"), str)], wrong


def faults(entries: list[dict[str, Any]], today: date) -> Iterator[str]:
    """Say what is wrong with exceptions."""
    for entry in entries:
        name = entry.get("id") or f"an exception without an id ({entry})"
        expires = entry.get("expires")
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", str(entry.get("id", ""))):
            yield f"{name}: say which vulnerability it is"
        if not isinstance(entry.get("package", ""), str) or entry.get("package") == "":
            yield f"{name}: say which package, or leave the line out for all of them"
        # A misspelt `package` would let it stay in every package.
        for key in sorted(entry.keys() - KEYS):
            yield f"{name}: '{key}' is none of {', '.join(sorted(KEYS))}"
        if not isinstance(entry.get("reason"), str) or not entry["reason"].strip():
            yield f"{name} has no reason: say why it does no harm here"
        if type(expires) is not date:
            yield f"{name} has no day of expiry: add, say, expires = {today + timedelta(days=90)}"
        elif expires <= today:
            yield f"{name} has expired on {expires}: look again, then set a later day or remove it"
        elif expires > today + LONGEST:
            yield f"{name} expires on {expires}: at most a year from now, that is {today + LONGEST}"


def may_stay(finding: Finding, allowed: list[dict[str, Any]]) -> bool:
    """Tell whether an exception names a finding, however it is spelt, and its package."""
    ids, package = {name.casefold() for name in finding.ids}, normalized(finding.package)
    return any(
        entry["id"].casefold() in ids
        and normalized(str(entry.get("package", finding.package))) == package
        for entry in allowed
    )


def normalized(package: str) -> str:
    """Return a package's name as Python's packages are compared."""
    return re.sub(r"[-_.]+", "-", package).casefold()


def advisories(day: date) -> str:
    """Return GitHub's advisories that may stay: none while the file has a fault."""
    allowed, wrong = exceptions(day)
    names = {entry["id"] for entry in allowed if entry["id"].startswith("GHSA-")}
    return "" if wrong else ", ".join(sorted(names))


def not_run(why: str) -> NoReturn:
    """End, saying that nothing is known."""
    print(f"NOT RUN: {why}. Nothing is known about vulnerabilities.", file=sys.stderr)
    raise SystemExit(2)


def read(scanner: str, path: Path, files: list[str]) -> tuple[int, list[Finding]]:
    """Return how many packages a scanner looked at, and what it found; end if nobody can tell."""
    if not path.exists():
        not_run(f"{scanner} wrote no report; its own message should be above")
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        looked_at, found = {"trivy": trivy, "pip-audit": pip_audit, "npm": npm}[scanner](report)
        read_files = {
            result["Target"] for result in report.get("Results") or [] if packages(result)
        }
    except ValueError as error:
        not_run(f"{path} is damaged ({error})")
    except (AttributeError, KeyError, TypeError) as error:
        not_run(f"{path} has not the form of {scanner}'s reports ({error!r})")
    if not looked_at:
        not_run(f"{scanner} looked at no package. Is there a lock file?")
    if missing := [file for file in files if file not in read_files]:
        not_run(f"{scanner} found no package in {', '.join(missing)}")
    return looked_at, [f if f.severity in KNOWN else f._replace(severity="unknown") for f in found]


def main(scanner: str, path: Path, *files: str) -> int:
    """Judge a report."""
    counts = path.with_suffix(".counts.json")
    counts.unlink(missing_ok=True)
    looked_at, found = read(scanner, path, list(files))
    allowed, wrong = exceptions(utc_today())
    left = [finding for finding in found if not may_stay(finding, allowed)]
    severities = Counter(finding.severity for finding in left)
    counts.write_text(json.dumps({"looked_at": looked_at, "wrong": len(wrong), **severities}))

    failing = sorted(
        (f for f in left if f.severity in FAILING), key=lambda f: (f.package, sorted(f.ids))
    )
    for package, ids, severity, note in failing:
        print(f"{severity.upper():9}{package}: {' '.join(sorted(ids))} ({note})")
    for fault in wrong:
        print(f"{EXCEPTIONS}: {fault}")
    excepted = len(found) - len(left)
    print(f"{path.stem}: {looked_at} looked at, {len(failing)} to mend, {excepted} excepted.")
    return 1 if failing or wrong else 0


def utc_today() -> date:
    """Return the day, the same on every machine."""
    return datetime.now(UTC).date()


if __name__ == "__main__":
    if sys.argv[1:] == ["allowed"]:
        print(f"advisories={advisories(utc_today())}")
        sys.exit()
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]))
