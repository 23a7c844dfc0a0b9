"""A document that kills the program that opens it: costs its batch one try, then it is set aside and the others go on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench import INVOICE, aged

POISON = b"%% kills its decoder"
KILLER = f"""
import os
from ocr_ops import raster

opens = raster.open_document

def killing(found, data, *more):
    if data.endswith({POISON!r}):
        os.abort()
    return opens(found, data, *more)

raster.open_document = killing
"""
"""Loaded by every Python process of the run before anything else: a decoder that dies on one kind of file."""


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    for name in ("a.pdf", "c.pdf"):
        (folder / name).write_bytes(INVOICE.read_bytes() + f"\n%% {name}".encode())
    (folder / "b.pdf").write_bytes(INVOICE.read_bytes() + b"\n" + POISON)
    aged(*folder.iterdir())
    return folder


def processed(inbox: Path, tmp_path: Path) -> tuple[int, dict[str, dict]]:
    (tmp_path / "site").mkdir(exist_ok=True)
    (tmp_path / "site" / "sitecustomize.py").write_text(KILLER)
    program = shutil.which("ocr-ops", path=str(Path(sys.executable).parent))
    assert program
    out = tmp_path / "out.jsonl"
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *sys.path]),
        "OCR_OPS_AUDIT_URI": f"file://{tmp_path / 'audit'}",
        "OCR_OPS_VAR": str(tmp_path / "var"),
    }
    done = subprocess.run(
        [program, "process", str(inbox), "--jsonl", str(out)], env=env, capture_output=True, timeout=120
    )
    written = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    return done.returncode, {one["name"]: one for one in written}


def test_it_costs_one_try_and_no_other_document(inbox: Path, tmp_path: Path) -> None:
    killed, _ = processed(inbox, tmp_path)
    again, outcomes = processed(inbox, tmp_path)

    assert killed == -signal.SIGABRT
    assert again == 0
    assert sorted(outcomes) == ["a.pdf", "b.pdf", "c.pdf"]
    assert outcomes["b.pdf"]["status"] == "quarantined"
    [problem] = outcomes["b.pdf"]["problems"]
    assert "kills the program that opens it (signal 6)" in problem["detail"]
    assert outcomes["a.pdf"]["record"] == outcomes["c.pdf"]["record"]
    assert outcomes["a.pdf"]["record"]["grand_total"] == "4.11"
