"""Every file of the template, in every form that the answers with a finite set of values can give it."""

import ast
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import combinations
from support.rendering import files_of, render

PROJECTS = combinations.projects()
#: What a template language leaves behind. `${{ … }}` belongs to GitHub's workflows and `{{ … }}` to Grafana's legends,
#: Prometheus' alerts and Go's templates, where only the template's own names betray a forgotten suffix.
RESIDUE = re.compile(
    rb"\{%[-+ ]|\{#[- ]|"
    rb"\{\{[-+]? ?(?:project_|author_|github_|include_|_copier|cookiecutter|license\b|\w+_port\b|\w+_version\b|api_prefix)"
)


def name(answers: dict[str, Any]) -> str:
    changed = {key: value for key, value in answers.items() if combinations.defaults()[key] != value}
    return ",".join(f"{key}={value}" for key, value in changed.items()) or "defaults"


def parse(path: Path) -> None:
    """Parse a file by the grammar that its name promises; raises what the parser raises."""
    text = path.read_text(encoding="utf-8")
    match path.suffix:
        case ".py":
            ast.parse(text)
        case ".json" if path.name != "tsconfig.json":
            json.loads(text)
        case ".toml":
            tomllib.loads(text)
        case ".yml" | ".yaml":
            list(yaml.safe_load_all(text))


@pytest.mark.requirement("NFR-002", "NFR-006")
@pytest.mark.parametrize("answers", PROJECTS, ids=name)
def test_a_combination_renders_twice_to_the_same_sound_files(
    answers: dict[str, Any], rendered: Callable[..., Path], template: Path, tmp_path: Path
) -> None:
    project = rendered(**answers)
    files = files_of(project)
    for path, content in files.items():
        assert not RESIDUE.search(content), f"{path} holds unrendered template code: {RESIDUE.search(content)}"
        assert not path.endswith(combinations.SUFFIX), f"{path} kept its suffix"
        parse(project / path)
    assert files_of(render(template, tmp_path, **answers)) == files


def test_the_projects_show_every_form_of_every_file() -> None:
    for path, names in combinations.dependencies().items():
        for form in combinations.forms(names):
            assert any(combinations.fits(form, answers) for answers in PROJECTS), f"{path} was not rendered with {form}"


def test_a_feature_switched_off_leaves_no_file_of_its_name(rendered: Callable[..., Path]) -> None:
    everything_off = rendered(**{**combinations.defaults(), **dict.fromkeys(combinations.features(), False)})
    for feature in combinations.features():
        room = feature.removeprefix("include_")
        left = [path for path in files_of(everything_off) if re.search(rf"(^|/){room}(/|\.|$)", path)]
        assert left == [], f"{feature}=no leaves {left}"


def test_no_file_depends_on_many_features() -> None:
    """Each further answer doubles a file's forms; beyond five a person can no longer picture them."""
    crowded = {str(path): names for path, names in combinations.dependencies().items() if len(names) > 5}
    assert crowded == {}


# 200 is the goal. Issue 4 brought six more: updates as make targets and as pull requests, and their pages;
# issue 5 thirty-one: workflows, of which those that a team may have hold no pins, their scripts, hooks.
def test_a_project_has_at_most_237_files(rendered: Callable[..., Path]) -> None:
    everything_on = rendered(**{**combinations.defaults(), **dict.fromkeys(combinations.features(), True)})
    assert len(files_of(everything_on)) <= 237
