"""Golden files: expected outputs that people read, side by side with their inputs under `tests/golden/<case>/`.

A missing golden fails. `UPDATE_GOLDEN=1` writes what came out instead; read the diff before committing it.
"""

from __future__ import annotations

import os
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"
SWITCH = "UPDATE_GOLDEN"


def assert_golden(path: Path, actual: str) -> None:
    """Compare with a golden file, byte for byte."""
    if os.environ.get(SWITCH) == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(actual.encode())
    assert path.exists(), f"{path} is missing: run with {SWITCH}=1 and read the diff"
    assert path.read_bytes().decode() == actual
