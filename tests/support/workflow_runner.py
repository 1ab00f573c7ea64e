"""Runs a workflow of a generated project on this machine: each `run:` step for real, in a fresh clone per job.

Actions are mapped: checkout clones, artifacts are copied, set-up actions stand for what is installed. What cannot run here,
because it needs GitHub, a registry or Docker, is listed with its reason in `Job.not_run`, never skipped in silence.
"""

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from support.expressions import evaluate, hash_files, insert, text_of, truthy
from support.projects import clean_environment

STEP_SECONDS: Final = 1200
"""Only there so that a hanging step fails by name."""
STATUS_FUNCTIONS: Final = re.compile(r"\b(always|cancelled|failure|success)\(\)")
ELSEWHERE: Final = {
    "actions/cache": "a cache between runs",
    "actions/attest": "needs GitHub's signing",
    "actions/dependency-review-action": "needs GitHub's dependency graph",
    "anchore/sbom-action/download-syft": "stands for the syft that is installed",
    "aquasecurity/setup-trivy": "Trivy comes from GitHub's releases alone",
    "docker/setup-buildx-action": "needs Docker",
    "github/codeql-action/upload-sarif": "uploads to GitHub",
    "sigstore/cosign-installer": "needs Sigstore",
    "actions/setup-node": "stands for the Node.js that is installed",
    "actions/setup-python": "stands for the Python that is installed",
}


@dataclass
class Step:
    """What became of a step: succeeded, failed, skipped (by its `if`), or not run (with the reason)."""

    name: str
    outcome: str
    seconds: float = 0.0
    output: str = ""


@dataclass
class Job:
    """What became of a job."""

    name: str
    result: str = "success"
    steps: list[Step] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def not_run(self) -> dict[str, str]:
        """Return the steps that cannot run here, with the reason."""
        return {step.name: step.output for step in self.steps if step.outcome == "not run"}

    @property
    def failed(self) -> list[str]:
        """Return the steps that failed."""
        return [step.name for step in self.steps if step.outcome == "failed"]


@dataclass
class Runner:
    """A repository, an event, and what stands for GitHub's machines.

    Args:
        repository: what checkout clones, at its HEAD.
        work: a folder for workspaces and artifacts.
        stand_ins: a pattern of a `run:` step and why that step cannot run here, or a function that runs in its place.
        prepare: called with each fresh workspace, to link packages that are installed already.
        ports: where a service listens here, by the port that it has at GitHub.
        variables: the repository's, `vars` in workflows.
    """

    repository: Path
    work: Path
    event: str = "pull_request"
    github: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    stand_ins: dict[str, str | Callable[[Path], str]] = field(default_factory=dict)
    prepare: Callable[[Path], None] = lambda _: None
    ports: dict[int, int] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)

    def run(
        self,
        workflow: str,
        inputs: Mapping[str, Any] | None = None,
        only: set[str] | None = None,
        prefix: str = "",
        before: Mapping[str, str] | None = None,
    ) -> dict[str, Job]:
        """Run the jobs of a workflow, in order, with those of the workflows that it calls; `only` names jobs of this file.

        `before` gives the results of jobs that are not run, by id.
        Returns its own jobs by id; `self.jobs` has all, named as at GitHub, `checks / backend / lint`.
        """
        source = self._source(workflow)
        done = {name: Job(name, result) for name, result in (before or {}).items()}
        earlier: dict[str, set[str]] = {}
        for identifier, job in source["jobs"].items():
            needs = [job.get("needs", [])] if isinstance(job.get("needs"), str) else job.get("needs", [])
            wanted = [name for name in needs if name in done]
            # GitHub's success() and failure() look at every job before, not at those of `needs` alone.
            earlier[identifier] = set(wanted).union(*(earlier[name] for name in wanted))
            if identifier in done or (only is not None and identifier not in only):
                continue
            contexts = self._contexts(inputs, {n: {"result": done[n].result, "outputs": done[n].outputs} for n in wanted})
            done[identifier] = self._job(prefix + identifier, job, contexts, [done[name].result for name in earlier[identifier]])
        return {identifier: job for identifier, job in done.items() if identifier not in (before or {})}

    @property
    def summary(self) -> str:
        """Return what all steps wrote for the run's page."""
        path = self.work / "GITHUB_STEP_SUMMARY"
        return path.read_text() if path.exists() else ""

    def _source(self, workflow: str) -> dict[Any, Any]:
        return dict(yaml.safe_load((self.repository / ".github/workflows" / workflow).read_text()))

    def _contexts(self, inputs: Mapping[str, Any] | None, needs: Mapping[str, Any]) -> dict[str, Any]:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=self.repository, check=True, capture_output=True, text=True
        ).stdout.strip()
        event = {
            "repository": {"visibility": "private", "default_branch": "main"},
            "pull_request": {"number": 1, "head": {"repo": {"full_name": "acme/project"}}},
        }
        github = {
            "event_name": self.event,
            "repository": "acme/project",
            "sha": head,
            "ref": "refs/heads/main",
            "token": "none",
            "event": event,
        }
        return {
            "github": github | self.github,
            "inputs": dict(inputs or {}),
            "needs": needs,
            "vars": self.variables,
            "runner": {"os": "Linux", "arch": "X64"},
        }

    def _job(self, name: str, source: dict[str, Any], contexts: dict[str, Any], results: list[str]) -> Job:
        """Run a job, once for each cell of its matrix."""
        failed = any(result not in {"success", "skipped"} for result in results)
        skipped = "skipped" in results
        functions = {"always": lambda: True, "cancelled": lambda: False, "failure": lambda: failed, "success": lambda: not failed}
        condition = str(source.get("if", "true"))
        if (failed or skipped) and not STATUS_FUNCTIONS.search(condition):
            return self._remember(Job(name, "skipped"))
        if not truthy(evaluate(condition, contexts, functions)):
            return self._remember(Job(name, "skipped"))
        if called := source.get("uses"):
            return self._call(name, Path(called).name, insert(source.get("with", {}), contexts, functions))
        matrix = insert(source.get("strategy", {}).get("matrix", {}), contexts, functions)
        cells: list[dict[str, Any]] = [{}]
        for key, values in matrix.items():
            cells = [cell | {key: value} for cell in cells for value in values]
        jobs = [
            self._cell(f"{name} ({', '.join(map(str, cell.values()))})" if cell else name, source, contexts | {"matrix": cell})
            for cell in cells
        ]
        if len(jobs) == 1:
            return jobs[0]
        return Job(name, "failure" if any(job.result == "failure" for job in jobs) else "success")

    def _call(self, name: str, workflow: str, given: dict[str, Any]) -> Job:
        """Run a job that is a workflow of the repository."""
        interface = self._source(workflow)[True]["workflow_call"] or {}  # YAML 1.1 reads the key `on` as true
        defaults = {key: declared.get("default", "") for key, declared in interface.get("inputs", {}).items()}
        inner = self.run(workflow, defaults | given, prefix=f"{name} / ")
        outcomes = {job.result for job in inner.values()}
        result = next((outcome for outcome in ("failure", "success") if outcome in outcomes), "skipped")
        contexts = {"jobs": {identifier: {"outputs": job.outputs} for identifier, job in inner.items()}}
        declared = {key: output["value"] for key, output in interface.get("outputs", {}).items()}
        return Job(name, result, outputs={key: text_of(value) for key, value in insert(declared, contexts, {}).items()})

    def _remember(self, job: Job) -> Job:
        self.jobs[job.name] = job
        return job

    def _cell(self, name: str, source: dict[str, Any], contexts: dict[str, Any]) -> Job:
        """Run the steps of a job."""
        job = self._remember(Job(name))
        workspace = self.work / "workspaces" / re.sub(r"\W+", "-", name)
        workspace.mkdir(parents=True)
        functions: dict[str, Callable[..., Any]] = {
            "always": lambda: True,
            "cancelled": lambda: False,
            "failure": lambda: job.result == "failure",
            "success": lambda: job.result == "success",
            "hashFiles": hash_files(workspace),
        }
        contexts = contexts | {"steps": {}, "job": {"status": "success"}}
        contexts["env"] = insert(source.get("env", {}), contexts, functions)
        for step in source["steps"]:
            self._step(job, step, workspace, contexts, functions)
        job.outputs = {key: text_of(insert(value, contexts, functions)) for key, value in source.get("outputs", {}).items()}
        return job

    def _step(self, job: Job, source: dict[str, Any], workspace: Path, contexts: dict[str, Any], functions: Any) -> None:
        command = insert(source.get("run", ""), contexts, functions).strip()
        name = source.get("name") or command or source["uses"].partition("@")[0]
        condition = str(source.get("if", "true"))
        wanted = truthy(evaluate(condition, contexts, functions))
        if not wanted or (job.result == "failure" and not STATUS_FUNCTIONS.search(condition)):
            job.steps.append(Step(name, "skipped"))
            return
        started = time.monotonic()
        step = Step(name, "succeeded")
        if "uses" in source:
            self._action(job, step, source, workspace, insert(source.get("with", {}), contexts, functions))
        else:
            environment = contexts["env"] | insert(source.get("env", {}), contexts, functions)
            outputs = self._command(
                step, command, workspace, {key: self._here(text_of(value)) for key, value in environment.items()}, contexts
            )
            contexts["steps"][source.get("id", "")] = {"outputs": outputs}
        step.seconds = time.monotonic() - started
        job.steps.append(step)
        if step.outcome == "failed":
            job.result = "failure"

    def _here(self, value: str) -> str:
        """Return the value of a variable with the ports of services replaced by those of their stand-ins."""
        return re.sub(r"\blocalhost:(\d+)", lambda match: f"localhost:{self.ports.get(int(match[1]), match[1])}", value)

    def _command(
        self, step: Step, command: str, workspace: Path, environment: dict[str, str], contexts: dict[str, Any]
    ) -> dict[str, str]:
        """Run a `run:` step as GitHub does, by `bash -e`; return its outputs."""
        for pattern, stand_in in self.stand_ins.items():
            if re.search(pattern, command):
                step.outcome = "not run" if isinstance(stand_in, str) else "succeeded"
                step.output = stand_in if isinstance(stand_in, str) else stand_in(workspace)
                return {}
        files = {key: self.work / key for key in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_PATH")}
        files["GITHUB_OUTPUT"].write_text("")
        github = contexts["github"]
        base = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": self.event,
            "GITHUB_SHA": github["sha"],
            "GITHUB_REPOSITORY": github["repository"],
            "RUNNER_ARCH": contexts["runner"]["arch"],
        }
        base |= {
            "GITHUB_REPOSITORY_OWNER": github["repository"].partition("/")[0],
            **{key: str(path) for key, path in files.items()},
        }
        result = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", command],
            cwd=workspace,
            env=clean_environment() | base | self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )
        step.output = result.stdout
        step.outcome = "failed" if result.returncode else "succeeded"
        return dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines() if "=" in line)

    def _action(self, job: Job, step: Step, source: dict[str, Any], workspace: Path, given: dict[str, Any]) -> None:
        """Do what an action does, where that can be done here."""
        name = source["uses"].partition("@")[0]
        artifacts = self.work / "artifacts"
        if name == "actions/checkout":
            depth = int(given.get("fetch-depth", 1))
            options = [f"--depth={depth}"] if depth else []
            subprocess.run(["git", "clone", "--quiet", *options, self.repository.as_uri(), str(workspace)], check=True)
            self.prepare(workspace)
        elif name == "actions/upload-artifact":
            sources = [path for line in given["path"].splitlines() for path in workspace.glob(line)]
            if not sources and given.get("if-no-files-found") == "error":
                step.outcome = "failed"
            for path in sources:
                target = artifacts / given["name"]
                if path.is_dir():
                    shutil.copytree(path, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
                else:
                    target.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(path, target)
        elif name == "actions/download-artifact":
            for path in sorted(artifacts.glob(given.get("pattern") or given["name"])):
                shutil.copytree(path, workspace / given.get("path", "."), dirs_exist_ok=True)
        elif name.startswith("./"):
            for inner in yaml.safe_load((workspace / name / "action.yml").read_text())["runs"]["steps"]:
                inner_name = inner["uses"].partition("@")[0]
                job.steps.append(Step(inner_name, "not run", output=ELSEWHERE[inner_name]))
        else:
            step.outcome, step.output = "not run", ELSEWHERE[name]


def report(jobs: Mapping[str, Job]) -> str:
    """Return what every step did, in lines."""
    lines = []
    for job in jobs.values():
        lines.append(f"{job.name}: {job.result}")
        lines += [f"  {step.outcome:9} {step.seconds:6.1f} s  {step.name.splitlines()[0]}" for step in job.steps]
        lines += [f"    {line}" for step in job.steps if step.outcome == "failed" for line in step.output.splitlines()[-20:]]
    return "\n".join(lines)
