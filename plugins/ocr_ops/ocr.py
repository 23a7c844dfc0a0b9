"""The page ledger: every page that comes in goes out, in order, read or with a problem that says why not.

In: page pictures and an engine. Out: `ReadPage`s in upright frames. A bad reply is asked for again, differently, a few
times; every attempt is kept. A page nobody can read is a `Problem`; a broken world is raised, and what was finished
before has already been handed to `on_page`. It opens no file and knows no engine by name.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image

from ocr_ops.detectors import CURABLE, reply_problems
from ocr_ops.engines import Engine
from ocr_ops.errors import OcrOpsError, TerminalError, UnreadableDocument
from ocr_ops.grounding import parse_reply
from ocr_ops.model import (
    Block,
    Digest,
    PageImage,
    Parsed,
    PixelSize,
    Problem,
    ProblemKind,
    RawPage,
    ReadPage,
    Stage,
)
from ocr_ops.model_faults import PictureRefused

TRIES = 3
"""Replies asked for per page before it is left with its problems."""
INK_SIDE_PX = 512
INK_CONTRAST = 32
LEAST_INK = 0.0001
"""Share of dots: one short word on an A4 page is more, the noise of blank paper is none."""
JPEG_QUALITY = 95

Picture = tuple[PageImage, bytes]
_TRANSPOSE = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


@runtime_checkable
class RetryingEngine(Protocol):
    """An engine that can answer the same page differently."""

    async def read_again(
        self, page: PageImage, picture: bytes, *, attempt: int, problems: Sequence[Problem]
    ) -> RawPage:
        """Read a page whose last reply had `problems`; `attempt` counts from 1."""


@dataclass(frozen=True, slots=True)
class _Desk:
    engine: Engine
    keep: Callable[[RawPage], Digest]
    keep_picture: Callable[[bytes], Digest]
    tries: int


async def read_pages(
    engine: Engine,
    pages: AsyncIterable[Picture] | Iterable[Picture],
    *,
    in_flight: int,
    keep: Callable[[RawPage], Digest],
    keep_picture: Callable[[bytes], Digest],
    on_page: Callable[[ReadPage, Digest], None] | None = None,
    tries: int = TRIES,
) -> list[ReadPage]:
    """Read pages, at most `in_flight` at once and no picture fetched earlier than needed; one out for each one in.

    `keep` stores an attempt and `keep_picture` a picture that had to be turned upright; both return its digest.
    `on_page` hears of every finished page, with the digest of the picture that came in, as soon as it is done.
    Raises the world's `TerminalError` or `TransientError` after stopping all other pages.
    """
    desk = _Desk(engine, keep, keep_picture, tries)
    finished: dict[int, ReadPage] = {}
    source = _numbered(pages)
    gate = asyncio.Lock()

    async def work() -> None:
        while True:
            async with gate:
                taken = await anext(source, None)
            if taken is None:
                return
            place, (page, picture) = taken
            finished[place] = await _read_page(desk, page, picture)
            if on_page is not None:
                on_page(finished[place], page.digest)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(work())
    except BaseExceptionGroup as problems:
        raise worst_of(problems) from None
    return [finished[place] for place in sorted(finished)]


def has_ink(picture: bytes) -> bool:
    """Whether a page picture holds more than paper: marks against the background, away from the very edge."""
    with Image.open(io.BytesIO(picture)) as image:
        image.draft("L", (INK_SIDE_PX, INK_SIDE_PX))
        grey = image.convert("L")
        grey.thumbnail((INK_SIDE_PX, INK_SIDE_PX), Image.Resampling.BOX)
    dots = np.asarray(grey, dtype=np.int16)
    rim_y, rim_x = dots.shape[0] // 40, dots.shape[1] // 40
    dots = dots[rim_y : dots.shape[0] - rim_y, rim_x : dots.shape[1] - rim_x]
    marks = np.abs(dots - np.median(dots)) > INK_CONTRAST
    return bool(marks.mean() > LEAST_INK)


def turned_picture(page: PageImage, picture: bytes, degrees: int) -> tuple[bytes, str, PixelSize]:
    """A picture turned clockwise by quarter turns: its bytes, media type and size in pixels.

    JPEG stays JPEG; everything else becomes PNG, which loses nothing.
    """
    with Image.open(io.BytesIO(picture)) as image:
        image.load()
        upright = image.transpose(_TRANSPOSE[degrees])
    kept = io.BytesIO()
    is_jpeg = page.media_type == "image/jpeg"
    if is_jpeg:
        upright.save(kept, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    else:
        upright.save(kept, "PNG")
    return kept.getvalue(), "image/jpeg" if is_jpeg else "image/png", PixelSize(*upright.size)


async def _numbered(pages: AsyncIterable[Picture] | Iterable[Picture]) -> AsyncIterator[tuple[int, Picture]]:
    place = 0
    if isinstance(pages, AsyncIterable):
        async for picture in pages:
            yield place, picture
            place += 1
        return
    for picture in pages:
        yield place, picture
        place += 1


async def _read_page(desk: _Desk, page: PageImage, picture: bytes) -> ReadPage:
    attempts: list[Digest] = []
    try:
        raw, parsed, problems = await _climb(desk, page, picture, attempts)
    except (PictureRefused, UnreadableDocument) as refusal:
        reason = f"the OCR engine cannot use this picture: {str(refusal)[:200]}"
        problem = Problem(Stage.READ, ProblemKind.ENGINE_FAILED, reason, page=page.number)
        return ReadPage(page, tuple(attempts), (), (problem,))
    if parsed.stray:
        detail = f"{len(parsed.stray)} pieces of the reply have no place on the page"
        problems = (*problems, Problem(Stage.READ, ProblemKind.STRAY_TEXT, detail, page=page.number))
    if raw.turn:
        page = await _upright(desk, page, picture, raw.turn)
    return ReadPage(page, tuple(attempts), parsed.blocks, problems)


async def _climb(
    desk: _Desk, page: PageImage, picture: bytes, attempts: list[Digest]
) -> tuple[RawPage, Parsed, tuple[Problem, ...]]:
    raw = await desk.engine.read(page, picture)
    while True:
        attempts.append(desk.keep(raw))
        parsed = parse_reply(raw)
        problems = reply_problems(raw, parsed.blocks, await _ink(parsed.blocks, picture))
        curable = any(problem.kind in CURABLE for problem in problems)
        if not curable or len(attempts) >= desk.tries or not isinstance(desk.engine, RetryingEngine):
            return raw, parsed, problems
        raw = await desk.engine.read_again(page, picture, attempt=len(attempts), problems=problems)


async def _ink(blocks: Sequence[Block], picture: bytes) -> bool:
    return bool(blocks) or await asyncio.to_thread(has_ink, picture)


async def _upright(desk: _Desk, page: PageImage, picture: bytes, degrees: int) -> PageImage:
    data, media_type, size = await asyncio.to_thread(turned_picture, page, picture, degrees)
    turn = (page.turn + degrees) % 360
    return replace(page, digest=desk.keep_picture(data), media_type=media_type, size=size, turn=turn)


def worst_of(problems: BaseExceptionGroup[BaseException]) -> BaseException:
    """One error to raise out of many: what is no use trying again first, then the world's, then any."""
    flat: list[BaseException] = []
    for problem in problems.exceptions:
        flat += [worst_of(problem)] if isinstance(problem, BaseExceptionGroup) else [problem]
    for kind in (TerminalError, OcrOpsError):
        for problem in flat:
            if isinstance(problem, kind):
                return problem
    return flat[0]
