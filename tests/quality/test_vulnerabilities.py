"""The judge of scanners' reports in a generated project: what fails, what may stay, and what is not known."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

TODAY = datetime.now(UTC).date()
NEXT_MONTH = TODAY + timedelta(days=30)
TRIVY = {
    "Results": [
        {
            "Target": "backend/uv.lock",
            "Packages": [{"Name": "example"}, {"Name": "other"}],
            "Vulnerabilities": [
                {"VulnerabilityID": "CVE-2026-0001", "PkgName": "example", "Severity": "HIGH", "FixedVersion": "2.0"},
                {"VulnerabilityID": "CVE-2026-0002", "PkgName": "other", "Severity": "MEDIUM"},
            ],
        }
    ]
}
PIP_AUDIT = {
    "dependencies": [
        {
            "name": "example",
            "version": "1.0",
            "vulns": [{"id": "PYSEC-2026-1", "aliases": ["CVE-2026-0001"], "fix_versions": ["2.0"]}],
        },
        {"name": "other", "version": "1.0", "vulns": []},
    ]
}
ADVISORY = {"name": "example", "url": "https://github.com/advisories/GHSA-aaaa-bbbb-cccc", "severity": "critical", "range": "<2"}
NPM = {
    "vulnerabilities": {"example": {"via": [ADVISORY]}, "dependent": {"via": ["example"]}},
    "metadata": {"dependencies": {"total": 12}},
}
CLEAN: dict[str, dict[str, Any]] = {
    "trivy": {"Results": [{"Target": "backend/uv.lock", "Packages": [{"Name": "example"}]}]},
    "pip-audit": {"dependencies": [{"name": "example", "version": "1.0", "vulns": []}]},
    "npm": {"vulnerabilities": {}, "metadata": {"dependencies": {"total": 12}}},
}
FOUND = {"trivy": TRIVY, "pip-audit": PIP_AUDIT, "npm": NPM}
Judge = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def judge(rendered: Callable[..., Path], tmp_path: Path) -> Judge:
    """Return a function that judges a report, with the project's exceptions or others."""
    script = rendered() / "scripts/ci/vulnerabilities.py"

    def run(scanner: str, report: Any, exceptions: str | None = None, *files: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / ".github").mkdir(exist_ok=True)
        given = (rendered() / ".github/vulnerabilities.toml").read_text() if exceptions is None else exceptions
        (tmp_path / ".github/vulnerabilities.toml").write_text(given)
        (tmp_path / "report.json").write_text(report if isinstance(report, str) else json.dumps(report))
        return subprocess.run(
            [sys.executable, script, scanner, "report.json", *files], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return run


def exception(**changes: str | None) -> str:
    """Return an exception in TOML; a value of None leaves a line out."""
    values = {
        "id": '"CVE-2026-0001"',
        "reason": '"Only its command line tool is affected."',
        "expires": str(NEXT_MONTH),
    } | changes
    return "[[exception]]\n" + "".join(f"{key} = {value}\n" for key, value in values.items() if value is not None)


@pytest.mark.requirement("FR-SEC-007", "FR-SEC-008", "FR-SEC-009", "FR-SEC-010")
@pytest.mark.parametrize("scanner", FOUND)
def test_high_and_critical_fail(judge: Judge, scanner: str) -> None:
    result = judge(scanner, FOUND[scanner])
    assert result.returncode == 1
    assert "1 to mend" in result.stdout
    assert "example" in result.stdout


@pytest.mark.parametrize("scanner", CLEAN)
def test_a_clean_report_passes(judge: Judge, scanner: str, tmp_path: Path) -> None:
    assert judge(scanner, CLEAN[scanner]).returncode == 0
    assert json.loads((tmp_path / "report.counts.json").read_text())["looked_at"] > 0


@pytest.mark.parametrize(
    ("scanner", "report"),
    [
        ("trivy", {"Results": []}),
        ("trivy", ""),
        ("trivy", "null"),
        ("trivy", []),
        ("trivy", '{"Results": [{"Target": "backend/uv.lock", "Packages": [{"Na'),
        ("trivy", {"Results": [{"Packages": [{}]}]}),
        ("trivy", CLEAN["trivy"] | {"SchemaVersion": 3}),
        ("pip-audit", {}),
        ("pip-audit", CLEAN["npm"]),
        ("npm", {"advisories": {}, "metadata": {"totalDependencies": 12}}),
        ("npm", {"vulnerabilities": {"example": {"via": [{"name": "example"}]}}, "metadata": CLEAN["npm"]["metadata"]}),
        ("pip-audit", {"dependencies": []}),
        ("pip-audit", {"dependencies": [{"name": "example", "skip_reason": "not on the index"}]}),
        ("npm", {"message": "405 Method Not Allowed"}),
        ("npm", {"error": {"code": "ENOLOCK", "summary": "This command requires an existing lockfile."}}),
        ("npm", {"vulnerabilities": {}, "metadata": {"dependencies": {"total": 0}}}),
    ],
)
def test_what_was_not_looked_at_is_never_clean(judge: Judge, scanner: str, report: Any, tmp_path: Path) -> None:
    result = judge(scanner, report)
    assert result.returncode == 2
    assert "NOT RUN" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "report.counts.json").exists()


def test_a_file_that_was_passed_over_is_said(judge: Judge) -> None:
    """Trivy reads the lock files that are there, and says nothing of one that is not."""
    assert judge("trivy", CLEAN["trivy"], None, "backend/uv.lock").returncode == 0
    result = judge("trivy", CLEAN["trivy"], None, "backend/uv.lock", "frontend/package-lock.json")
    assert result.returncode == 2
    assert "NOT RUN: trivy found no package in frontend/package-lock.json" in result.stderr


def test_a_severity_that_nobody_knows_fails(judge: Judge) -> None:
    assert judge("trivy", json.loads(json.dumps(TRIVY).replace("MEDIUM", "DIRE")), exception()).returncode == 1


@pytest.mark.parametrize("scanner", ["trivy", "pip-audit"])
def test_an_exception_lets_one_stay(judge: Judge, scanner: str) -> None:
    result = judge(scanner, FOUND[scanner], exception())
    assert result.returncode == 0
    assert "1 excepted" in result.stdout
    assert judge(scanner, FOUND[scanner], exception(package='"example"')).returncode == 0
    assert judge(scanner, FOUND[scanner], exception(package='"another"')).returncode == 1
    two = exception(package='"example"') + exception(package='"another"')
    assert judge(scanner, FOUND[scanner], two).returncode == 0


def test_names_may_be_spelt_otherwise(judge: Judge) -> None:
    """An advisory by any of its names, in any case; a package as its registry compares names."""
    report = json.loads(json.dumps(PIP_AUDIT).replace('"example"', '"zope-interface"'))
    for name in ("cve-2026-0001", "PYSEC-2026-1"):
        assert judge("pip-audit", report, exception(id=f'"{name}"', package='"Zope.Interface"')).returncode == 0


@pytest.mark.parametrize(
    ("exceptions", "said"),
    [
        (exception(expires=str(TODAY)), "has expired on"),
        (exception(expires=None), "has no day of expiry"),
        (exception(expires='"soon"'), "has no day of expiry"),
        (exception(expires=str(TODAY + timedelta(days=400))), "at most a year"),
        (exception(reason=None), "has no reason"),
        (exception(reason='"  "'), "has no reason"),
        (exception(id=None), "say which vulnerability"),
        (exception(id='"CVE-2026-0001\\nadvisories=GHSA-aaaa"'), "say which vulnerability"),
        (exception(id='["CVE-2026-0001"]'), "say which vulnerability"),
        (exception(pakage='"example"'), "'pakage' is none of"),
        (exception(package='""'), "say which package"),
        (exception(reason="7"), "has no reason"),
        (exception(expires=f"{NEXT_MONTH}T00:00:00Z"), "has no day of expiry"),
        (exception().replace("[[exception]]", "[exception]"), "begins with [[exception]]"),
        (exception().replace("[[exception]]", "[[exceptions]]"), "begins with [[exception]]"),
        ("[[exception\n", "is not TOML"),
    ],
)
def test_an_exception_that_is_not_valid_fails(judge: Judge, exceptions: str, said: str) -> None:
    """Even where nothing was found: what has expired wants another look."""
    result = judge("trivy", CLEAN["trivy"], exceptions)
    assert result.returncode == 1
    assert said in result.stdout
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("exceptions", "allowed"),
    [
        ("", ""),
        (exception(), ""),  # GitHub's review knows advisories by no other name
        (exception(id='"GHSA-cccc"') + exception(id='"GHSA-aaaa"'), "GHSA-aaaa, GHSA-cccc"),
        (exception(id='"GHSA-aaaa"') + exception(id='"GHSA-cccc"', expires=str(TODAY)), ""),
    ],
)
def test_github_is_told_which_advisories_may_stay(
    rendered: Callable[..., Path], tmp_path: Path, exceptions: str, allowed: str
) -> None:
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github/vulnerabilities.toml").write_text(exceptions)
    script = rendered() / "scripts/ci/vulnerabilities.py"
    result = subprocess.run([sys.executable, script, "allowed"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout == f"advisories={allowed}\n"
