"""Where the tests of the command line work."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.commands import REPORT


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder of the user's own with a training script in it."""
    tmp_path.chmod(0o700)
    (tmp_path / "train.py").write_text(REPORT)
    return tmp_path
