"""The server counts as many tokens for a page as we predict, whatever the page's shape."""

from __future__ import annotations

import asyncio

import pytest

from live.live_server import LiveServer
from live.pictures import engine, shown, using
from ocr_ops.detectors import reply_problems
from ocr_ops.engines.tiles import tiling_of
from ocr_ops.engines.vllm import VllmEngine
from ocr_ops.model import ProblemKind, RawPage

pytestmark = pytest.mark.live

SHAPES = [(640, 640), (769, 768), (1240, 1754), (2339, 1654), (800, 3000), (600, 1800), (400, 2400)]
TEXT_TOKENS = 10
"""Begin, line break and the words of the document prompt."""


def test_seven_page_shapes_take_the_tokens_that_we_predict(server: LiveServer) -> None:
    pages = [shown(width, height, n) for n, (width, height) in enumerate(SHAPES, start=1)]

    async def read(reader: VllmEngine) -> list[RawPage]:
        return await asyncio.gather(*(reader.read(*page) for page in pages))

    replies = using(engine(server, max_tokens=2), read)

    tiling = tiling_of(server.model)
    predicted = {f"{page.size}": tiling.tokens(page.size) for page, _ in pages}
    counted = {
        f"{page.size}": raw.prompt_tokens - TEXT_TOKENS for (page, _), raw in zip(pages, replies, strict=True)
    }
    print(f"{server.model}: {counted}")
    assert counted == predicted
    assert len(set(predicted.values())) >= 4
    kinds = {problem.kind for raw in replies for problem in reply_problems(raw, (), has_ink=True)}
    assert ProblemKind.WRONG_PROCESSOR not in kinds
