from pathlib import Path

import pytest

from app import features


def test_a_feature_that_is_absent_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sentry" / "__pycache__").mkdir(parents=True)
    monkeypatch.setattr(features, "__file__", str(tmp_path / "__init__.py"))

    assert features.load_features() == []


def test_every_folder_of_a_feature_is_listed() -> None:
    folders = {path.parent.name for path in Path(features.__file__).parent.glob("*/install.py")}

    assert folders <= set(features.ORDER)
