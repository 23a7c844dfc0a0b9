"""A page that nobody waits for any more costs the server nothing: seen in its own metrics."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from live.live_server import LiveServer
from live.pictures import engine, shown, using
from ocr_ops.engines.vllm import VllmEngine
from ocr_ops.errors import ModelUnreachable
from ocr_ops.model import RawPage
from ocr_ops.prompts import OcrTask

pytestmark = pytest.mark.live

LATEST_S = 60.0


async def running_is(server: LiveServer, wanted: int) -> None:
    async with asyncio.timeout(LATEST_S):
        while await asyncio.to_thread(server.metric, "vllm:num_requests_running") != wanted:
            await asyncio.sleep(0.1)


async def stands_still(server: LiveServer) -> None:
    """Idle, and no token more a second later."""
    await running_is(server, 0)
    before = server.metric("vllm:generation_tokens_total")
    await asyncio.sleep(1.0)
    assert server.metric("vllm:generation_tokens_total") == before
    assert server.metric("vllm:num_requests_waiting") == 0


@pytest.mark.parametrize("aloud", [False, True], ids=["whole", "streamed"])
def test_a_cancelled_page_stops_the_servers_work(server: LiveServer, aloud: bool) -> None:
    listener = (lambda page, text: None) if aloud else None

    async def cancel(reader: VllmEngine) -> None:
        tasks = [asyncio.create_task(reader.read(*shown(300, 400, n))) for n in (1, 2)]
        await running_is(server, 2)
        before = server.metric("vllm:generation_tokens_total")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await stands_still(server)
        # whole replies would have been thousands of tokens each
        assert server.metric("vllm:generation_tokens_total") - before < 2000

    using(engine(server, task=OcrTask.FREE, on_text=listener), cancel)


def test_a_page_that_takes_too_long_is_given_up_on_both_sides(server: LiveServer) -> None:
    async def wait_too_briefly(reader: VllmEngine) -> RawPage | None:
        with contextlib.suppress(ModelUnreachable):
            return await reader.read(*shown(300, 400))
        await stands_still(server)
        return None

    reader = engine(server, task=OcrTask.FREE, timeout_s=1.5, tries=1)
    assert using(reader, wait_too_briefly) is None
