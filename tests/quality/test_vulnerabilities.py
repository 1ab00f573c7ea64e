"""The judge of scanners' reports in a generated project: what fails, what may stay, and what is not known."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

TODAY = date.today()  # noqa: DTZ011 - as the script
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
CLEAN = {
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

    def run(scanner: str, report: Any, exceptions: str | None = None) -> subprocess.CompletedProcess[str]:
        (tmp_path / ".github").mkdir(exist_ok=True)
        given = (rendered() / ".github/vulnerabilities.toml").read_text() if exceptions is None else exceptions
        (tmp_path / ".github/vulnerabilities.toml").write_text(given)
        (tmp_path / "report.json").write_text(report if isinstance(report, str) else json.dumps(report))
        return subprocess.run(
            [sys.executable, script, scanner, "report.json"], cwd=tmp_path, capture_output=True, text=True, check=False
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


@pytest.mark.parametrize("scanner", ["trivy", "pip-audit"])
def test_an_exception_lets_one_stay(judge: Judge, scanner: str) -> None:
    result = judge(scanner, FOUND[scanner], exception())
    assert result.returncode == 0
    assert "1 excepted" in result.stdout
    assert judge(scanner, FOUND[scanner], exception(package='"example"')).returncode == 0
    assert judge(scanner, FOUND[scanner], exception(package='"another"')).returncode == 1


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
        ("[[exception\n", "is not TOML"),
    ],
)
def test_an_exception_that_is_not_valid_fails(judge: Judge, exceptions: str, said: str) -> None:
    """Even where nothing was found: what has expired wants another look."""
    result = judge("trivy", CLEAN["trivy"], exceptions)
    assert result.returncode == 1
    assert said in result.stdout
    assert "Traceback" not in result.stderr
