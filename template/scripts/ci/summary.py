"""Print what a run of CI found, in Markdown, from the files in a folder: `summary.py reports`.

What left no file is shown as not run: a part that was not looked at is never shown as clean.
"""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

NOT_RUN = "not run"
DEPENDENCIES = ("pip-audit", "npm-audit-frontend", "npm-audit-keycloak", "trivy-tree")


def tests(junit: Path, coverage: str | None) -> str:
    """Return a line on a suite, from a JUnit file."""
    if not junit.exists():
        return NOT_RUN
    cases = list(ElementTree.parse(junit).iter("testcase"))  # noqa: S314
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
    return line + (f" ({', '.join(missing)}: {NOT_RUN})" if missing else "")


def secrets(reports: Path) -> str:
    """Return how many secrets gitleaks found in the history."""
    path = reports / "gitleaks.sarif"
    if not path.exists():
        return NOT_RUN
    return str(sum(len(run.get("results") or []) for run in json.loads(path.read_text())["runs"]))


def images(reports: Path) -> list[str]:
    """Return a line on each image that was built, from its SBOMs."""
    lines = []
    for path in sorted(reports.glob("sbom-*.json")):
        packages = len(json.loads(path.read_text()).get("packages", []))
        name = path.stem.removeprefix("sbom-")
        lines.append(f"- {name} image: built, {packages} packages in its SBOM")
    return lines or [f"- Images: {NOT_RUN}"]


def summary(reports: Path) -> str:
    """Return the whole text. Its first line is how the comment of an earlier run is found."""
    counts = reports.glob("trivy-image-*.counts.json")
    scanned = {path.name.removesuffix(".counts.json") for path in counts}
    built = {path.stem.replace("sbom-", "trivy-image-", 1) for path in reports.glob("sbom-*.json")}
    return "\n".join(
        [
            "## CI/CD Summary",
            "",
            "### Test Results",
            f"- Backend: {tests(reports / 'backend-tests.xml', backend_coverage(reports))}",
            f"- Frontend: {tests(reports / 'frontend-tests.xml', frontend_coverage(reports))}",
            "",
            "### Security Scan",
            f"- Container vulnerabilities: {vulnerabilities(reports, *sorted(scanned | built))}",
            f"- Dependency vulnerabilities: {vulnerabilities(reports, *DEPENDENCIES)}",
            f"- Secrets detected: {secrets(reports)}",
            "",
            "### Build Artifacts",
            *images(reports),
            "",
        ]
    )


if __name__ == "__main__":
    print(summary(Path(sys.argv[1])))  # noqa: T201
