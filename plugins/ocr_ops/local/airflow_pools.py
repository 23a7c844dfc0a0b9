"""Pools in the Airflow that the environment leads to, whoever runs it: what settings and sources ask for and is not there yet."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ocr_ops.errors import SettingsError, TransientError
from ocr_ops.local import processes
from ocr_ops.pools import pools_for
from ocr_ops.schemas import doc_types
from ocr_ops.settings import OcrEngine, Settings
from ocr_ops.sources import configured_sources, own_pools

_COMMAND_S = 120.0

Pools = dict[str, tuple[int, str]]
"""Slots and purpose, by name."""


def wanted_pools(env: Mapping[str, str]) -> Pools:
    """The pools that the settings and the sources of an environment ask for."""
    served = Settings.from_env(env).ocr_engine is OcrEngine.VLLM
    return pools_for(ocr_servers=served, own=own_pools(configured_sources(env, doc_types=doc_types())))


def ensure_pools(env: Mapping[str, str]) -> Pools:
    """Make the pools that are missing and return them; slots that somebody changed stay as they are."""
    with tempfile.TemporaryDirectory(prefix="ocr-ops-") as folder:
        file = Path(folder) / "pools.json"
        _airflow(env, "pools", "export", str(file))
        there = json.loads(file.read_text(encoding="utf-8"))
        missing = {name: pool for name, pool in wanted_pools(env).items() if name not in there}
        if missing:
            given = {
                name: {"slots": slots, "description": purpose, "include_deferred": False}
                for name, (slots, purpose) in missing.items()
            }
            file.write_text(json.dumps(given), encoding="utf-8")
            _airflow(env, "pools", "import", str(file))
    return missing


def _airflow(env: Mapping[str, str], *arguments: str) -> None:
    command = Path(sys.executable).with_name("airflow")
    try:
        ran = processes.capture((str(command), *arguments), env=env, timeout_s=_COMMAND_S)
    except FileNotFoundError as problem:
        raise SettingsError(f"there is no {command}: run this where Airflow is installed") from problem
    except subprocess.TimeoutExpired:
        raise TransientError(
            f"`airflow {' '.join(arguments[:2])}` took longer than {_COMMAND_S:.0f} s"
        ) from None
    if ran.returncode:
        last = "\n".join(ran.stdout.strip().splitlines()[-5:])
        raise TransientError(f"`airflow {' '.join(arguments[:2])}` failed (exit {ran.returncode}):\n{last}")
