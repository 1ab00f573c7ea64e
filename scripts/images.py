"""Builds a default project's images and prints what each layer weighs. Usage: make images (as root; tests/support/images.py)."""

import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from support.images import Store, bases  # noqa: E402
from support.rendering import copy_template, render  # noqa: E402

MEGABYTE = 1_000_000
PARTS = {"backend": "python", "frontend": "nginx"}


def main() -> None:
    """Print a table: per layer above the base its size, unpacked and as it is pulled, and the instruction."""
    with tempfile.TemporaryDirectory(prefix="images-", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        project = render(copy_template(root / "template"), root / "project")
        (root / "store").mkdir()
        store = Store(root / "store")
        try:
            for part, base in PARTS.items():
                image = store.build(project / part, f"localhost/{part}:production")
                name = next(name for name in bases(project / part / "Dockerfile") if base in name)
                layers = store.added(image, name)
                print(f"\n{part}, above {name} (MB: unpacked, pulled; files)")
                for layer in layers:
                    show(layer.size, layer.pulled, len(layer.files), layer.instruction)
                show(sum(layer.size for layer in layers), sum(layer.pulled for layer in layers), 0, "all")
        finally:
            store.close()


def show(size: int, pulled: int, files: int, instruction: str) -> None:
    """Print a row."""
    print(f"{size / MEGABYTE:8.2f} {pulled / MEGABYTE:8.2f} {files or '':>6}  {instruction[:100]}")


if __name__ == "__main__":
    main()
