"""The last test of a server: its engine is killed. Only for servers that the tests started themselves."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from live.live_server import LiveServer
from live.pictures import engine, shown, using
from ocr_ops.engines.vllm import VllmEngine
from ocr_ops.errors import ModelUnreachable
from ocr_ops.prompts import OcrTask

pytestmark = [pytest.mark.live, pytest.mark.kills_server]


def engine_process(pid: int) -> int:
    """The engine's process among the children of a server."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    named = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
    [found] = [child for child, words in named.items() if b"EngineCore" in words]
    return found


def test_an_engine_that_dies_is_unreachable_then_and_afterwards(server: LiveServer) -> None:
    async def read_while_it_dies(reader: VllmEngine) -> list[BaseException | object]:
        page = asyncio.create_task(reader.read(*shown(300, 400)))
        await asyncio.sleep(1.5)
        os.kill(engine_process(server.pid), signal.SIGKILL)
        return [await _outcome(page), await _outcome(reader.read(*shown(300, 400, 2)))]

    reader = engine(server, task=OcrTask.FREE, tries=1, rest_s=0.1)
    first, second = using(reader, read_while_it_dies)

    assert isinstance(first, ModelUnreachable)
    assert isinstance(second, ModelUnreachable)
    print(f"in the middle of a reply: {first}; afterwards: {second}")


async def _outcome(call: object) -> BaseException | object:
    [outcome] = await asyncio.gather(call, return_exceptions=True)
    return outcome
