"""Every relative link in every Markdown file leads somewhere, here and in a generated project."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.markdown import broken_links, targets
from support.rendering import REPOSITORY, template_sources


def test_the_template_repository_has_no_broken_link() -> None:
    pages = [
        REPOSITORY / path
        for path in template_sources()
        if path.suffix == ".md" and path.parts[0] != "template" and "node_modules" not in path.parts
    ]
    assert sum(len(targets(page)) for page in pages) > 20
    assert broken_links(REPOSITORY, pages) == []


@pytest.mark.parametrize("observability", [True, False])
def test_a_generated_project_has_no_broken_link(rendered: Callable[..., Path], observability: bool) -> None:
    project = rendered(include_observability=observability)
    pages = sorted(project.rglob("*.md"))
    assert sum(len(targets(page)) for page in pages) > 50
    assert broken_links(project, pages) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    """The check fails where it should: this holds it against each kind of fault."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "Other.md").write_text("# The `make dev` stack\n\n# Twice\n\n# Twice\n")
    (tmp_path / "page.md").write_text(
        """# Page
[good](docs/Other.md#the-make-dev-stack) [again](docs/Other.md#twice-1) [own](#page) [away](https://example.com/x)
`[code](no-link.md)`

```
[code](no-link-either.md)
```

[missing](docs/absent.md) [spelling](docs/other.md) [heading](docs/Other.md#the-stack) [outside](../else.md)
![image](docs/absent.png) <img src="absent.svg"> [by name]

[by name]: absent-too.md
"""
    )
    assert broken_links(tmp_path, [tmp_path / "page.md"]) == [
        "page.md: 'docs/absent.md' does not exist",
        "page.md: 'docs/other.md' does not exist",
        "page.md: 'docs/Other.md#the-stack' has no such heading",
        "page.md: '../else.md' leads out of the repository",
        "page.md: 'docs/absent.png' does not exist",
        "page.md: 'absent.svg' does not exist",
        "page.md: 'absent-too.md' does not exist",
    ]
