"""Pages for live tests: real pictures of any size, and engines that send them to a live server."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from PIL import Image, ImageDraw

from live.live_server import LiveServer
from ocr_ops.codec import digest_of
from ocr_ops.engines.vllm import VllmEngine
from ocr_ops.model import PageImage, PixelSize

Result = TypeVar("Result")


def shown(width: int, height: int, number: int = 1) -> tuple[PageImage, bytes]:
    """A page with some ink, different for every number."""
    image = Image.new("RGB", (width, height), (250, 250, 250))
    ImageDraw.Draw(image).text((20, 30), f"HARBOUR LANE BOOKS no. {number}", fill=(10, 10, 10))
    kept = io.BytesIO()
    image.save(kept, "PNG")
    data = kept.getvalue()
    return PageImage(number, digest_of(data), "image/png", PixelSize(width, height)), data


def engine(server: LiveServer, **options: Any) -> VllmEngine:
    """Our client, with a little patience."""
    return VllmEngine(
        [server.url], server.model, api_key=server.api_key, **{"in_flight": 4, "tries": 2, **options}
    )


def using(reader: VllmEngine, work: Callable[[VllmEngine], Awaitable[Result]]) -> Result:
    """Run `work` in an event loop of its own and close the engine in it."""

    async def go() -> Result:
        try:
            return await work(reader)
        finally:
            await reader.close()

    return asyncio.run(go())
