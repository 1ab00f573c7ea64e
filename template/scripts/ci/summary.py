"""Print what a run of CI found, in Markdown, from a folder's files: `summary.py reports IMAGE ...`.

What left no file, or a damaged one, is shown as not run: a part that was not looked at is never
shown as clean.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

NOT_RUN = "not run"
DEPENDENCIES = ("pip-audit", "npm-audit-frontend", "npm-audit-keycloak", "trivy-tree")


def say(part: Callable[..., str], *arguments: object) -> str:
    """Return what a part says, or that its report cannot be read."""
    try:
        return part(*arguments)
    except (ElementTree.ParseError, ValueError, AttributeError, KeyError, TypeError) as error:
        return f"{NOT_RUN}, or not to the end: a report is damaged ({type(error).__name__})"


def tests(junit: Path, read_coverage: Callable[[Path], str | None]) -> str:
    """Return a line on a suite, from a JUnit file."""
    cases = list(ElementTree.parse(junit).iter("testcase")) if junit.exists() else []  # noqa: S314
    if not cases:
        return NOT_RUN
    coverage = read_coverage(junit.parent)
    failed = sum(
        case.find("failure") is not None or case.find("error") is not None for case in cases
    )
    skipped = sum(case.find("skipped") is not None for case in cases)
    line = f"{len(cases) - failed - skipped} tests passed, {failed} failed"
    line += f", {skipped} skipped" if skipped else ""
    return line + (f" ({coverage}% coverage)" if coverage else " (coverage not measured)")


def backend_coverage(reports: Path) -> str | None:
    """Return the share of the API's code that tests ran, in percent."""
    path = reports / "backend-coverage.json"
    if not path.exists():
        return None
    return f"{json.loads(path.read_text())['totals']['percent_covered']:.1f}"


def frontend_coverage(reports: Path) -> str | None:
    """Return the share of the page's lines that tests ran, in percent."""
    path = reports / "frontend-coverage" / "coverage-summary.json"
    return f"{json.loads(path.read_text())['total']['lines']['pct']:.1f}" if path.exists() else None


def vulnerabilities(reports: Path, *names: str) -> str:
    """Return a line on scans, from what vulnerabilities.py kept."""
    paths = {name: reports / f"{name}.counts.json" for name in names}
    missing = [name for name, path in paths.items() if not path.exists()]
    done = [json.loads(path.read_text()) for path in paths.values() if path.exists()]
    if not done:
        return NOT_RUN
    totals = {
        kind: sum(count.get(kind, 0) for count in done) for kind in ("critical", "high", "unknown")
    }
    line = f"{totals['critical']} critical, {totals['high']} high"
    line += f", {totals['unknown']} of unknown severity" if totals["unknown"] else ""
    wrong = max(count.get("wrong", 0) for count in done)  # there is one file of exceptions
    line += f", {wrong} exceptions expired or not valid" if wrong else ""
    return line + (f" ({', '.join(missing)}: {NOT_RUN})" if missing else "")


def secrets(reports: Path) -> str:
    """Return how many secrets gitleaks found in the history, and detect-secrets in files."""
    sarif, said = reports / "gitleaks.sarif", reports / "secrets.txt"
    if not sarif.exists() or not said.exists():
        return NOT_RUN
    runs, lines = json.loads(sarif.read_text())["runs"], said.read_text().splitlines()
    history = sum(len(run.get("results") or []) for run in runs)
    files = sum(line.startswith("Location:") for line in lines)
    if not history and not files:
        failed = any(line.endswith("Failed") for line in lines)
        return f"{NOT_RUN}, or not to the end" if failed or not lines else "0"
    return f"{history} in the history by gitleaks, {files} in files by detect-secrets"


def sbom(path: Path) -> str:
    """Return a line on an image that was built, from its SBOM."""
    return f"built, {len(json.loads(path.read_text())['packages'])} packages in its SBOM"


def run_page() -> list[str]:
    """Return where the logs and the reports are, at GitHub."""
    if "GITHUB_RUN_ID" not in os.environ:
        return []
    address = "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}"
    return [f"[Logs and coverage reports]({address.format(**os.environ)})", ""]


def summary(reports: Path, images: list[str]) -> str:
    """Return the whole text. Its first line is how the comment of an earlier run is found."""
    sboms = {path.stem.removeprefix("sbom-"): path for path in sorted(reports.glob("sbom-*.json"))}
    scans = {
        path.name.removeprefix("trivy-image-").removesuffix(".counts.json")
        for path in reports.glob("trivy-image-*.counts.json")
    }
    # Of an image that could not be built there is neither.
    absent = [name for name in images if not any(f"{name}-" in one for one in scans | sboms.keys())]
    some = [*sorted(scans | sboms.keys()), *absent] if scans or sboms else []
    container = [f"trivy-image-{name}" for name in some]
    return "\n".join(
        [
            "## CI/CD Summary",
            "",
            "### Test Results",
            f"- Backend: {say(tests, reports / 'backend-tests.xml', backend_coverage)}",
            f"- Frontend: {say(tests, reports / 'frontend-tests.xml', frontend_coverage)}",
            "",
            "### Security Scan",
            f"- Container vulnerabilities: {say(vulnerabilities, reports, *container)}",
            f"- Dependency vulnerabilities: {say(vulnerabilities, reports, *DEPENDENCIES)}",
            f"- Secrets detected: {say(secrets, reports)}",
            "",
            "### Build Artifacts",
            *(f"- {name} image: {say(sbom, path)}" for name, path in sboms.items()),
            *(f"- {name} image: {NOT_RUN}" for name in absent),
            "",
            *run_page(),
        ]
    )


if __name__ == "__main__":
    print(summary(Path(sys.argv[1]), sys.argv[2:]))  # noqa: T201
