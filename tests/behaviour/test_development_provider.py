"""The development provider's own code, where Node.js itself can stop it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.tools import program

PROGRAM = "import {{ rotateKeys }} from {module}; for (let made = 0; made < 60; made++) rotateKeys({file});"


@pytest.mark.verify
def test_keys_are_made_whenever_memory_is_collected(rendered: Callable[..., Path], tmp_path: Path) -> None:
    """Node.js 20 waited for itself where it collected the job that made a key while that key was exported as a JWK."""
    module, file = (json.dumps(str(path)) for path in (rendered() / "keycloak/provider/state.mjs", tmp_path / "keys.json"))
    options = ["--gc-interval=7", "--input-type=module", "--eval", PROGRAM.format(module=module, file=file)]
    subprocess.run([program("node", "node"), *options], check=True, timeout=600)
    assert len(json.loads((tmp_path / "keys.json").read_text())["jwks"]["keys"]) == 2
