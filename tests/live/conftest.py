"""Live tests run against real vLLM servers, once for each server.

`OCR_OPS_LIVE_VLLM=folder` (made by scripts/install_vllm_cpu.sh) starts one for each architecture, or for those in
`OCR_OPS_LIVE_ARCHS`. `OCR_OPS_LIVE_URL=http://host:port/v1[,...]` takes servers that already serve a checkpoint of
tiny_checkpoint.py; `OCR_OPS_LIVE_API_KEY` is their key. Files lie in `OCR_OPS_LIVE_FOLDER`, by default var/live.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from live.live_server import API_KEY, LiveServer, running

PROJECT = Path(__file__).parents[2]
URLS = [url.strip().rstrip("/") for url in os.environ.get("OCR_OPS_LIVE_URL", "").split(",") if url.strip()]
VLLM = os.environ.get("OCR_OPS_LIVE_VLLM", "")
ARCHS = os.environ.get("OCR_OPS_LIVE_ARCHS", "ocr,ocr2").split(",")
KEY = os.environ.get("OCR_OPS_LIVE_API_KEY", API_KEY)
FOLDER = Path(os.environ.get("OCR_OPS_LIVE_FOLDER") or PROJECT / "var" / "live")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say what is missing before anything runs; another's server is not killed."""
    if not URLS and not VLLM:
        raise pytest.UsageError(
            "live tests need OCR_OPS_LIVE_VLLM or OCR_OPS_LIVE_URL, see docs/live_tests.md"
        )
    if URLS:
        ours = [item for item in items if "kills_server" in item.keywords]
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]


@pytest.fixture(scope="session", params=URLS or ARCHS)
def server(request: pytest.FixtureRequest) -> Iterator[LiveServer]:
    """A server with the scripted model."""
    if not URLS:
        with running(Path(VLLM).absolute(), FOLDER.absolute(), request.param) as started:
            yield started
        return
    asked = urllib.request.Request(f"{request.param}/models", headers={"Authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        model = json.load(answer)["data"][0]["id"]
    yield LiveServer(request.param, model, KEY)
