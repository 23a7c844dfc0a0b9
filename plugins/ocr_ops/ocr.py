"""The page ledger: every page that comes in goes out, in order, read or with a problem that says why not.

In: page pictures and an engine. Out: `ReadPage`s in upright frames. A bad reply is asked for again, differently, a few
times, and at last for halves of the page; a page longer than the engine can see well is read in parts from the start.
Every attempt is kept. A page nobody can read is a `Problem`; a broken world is raised, and what was finished
before has already been handed to `on_page`. It opens no file and knows no engine by name.
"""

from __future__ import annotations

import asyncio
import io
import math
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image

from ocr_ops import parts
from ocr_ops.detectors import CURABLE, TOO_MUCH, reply_problems, says_nothing
from ocr_ops.engines import Engine
from ocr_ops.errors import OcrOpsError, TerminalError, UnreadableDocument
from ocr_ops.geometry import from_area, through, turned, turned_back
from ocr_ops.grounding import parse_reply
from ocr_ops.model import (
    GRID_MAX,
    Block,
    Digest,
    GridBox,
    PageImage,
    Parsed,
    PixelBox,
    PixelSize,
    Prepared,
    Problem,
    ProblemKind,
    RawPage,
    ReadPage,
    Stage,
)
from ocr_ops.model_faults import PictureRefused
from ocr_ops.part_pictures import gaps_of, part_pictures
from ocr_ops.picture_prep import Preparation, prepare

TRIES = 3
"""Replies asked for per page, or part of a long page, before it is left with its problems; its halves share as many."""
HANDS = 4
"""Pages that are made ready at a time: the first ones are sent before the next are looked at, so that no server waits for all."""
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


@runtime_checkable
class CuttableEngine(Protocol):
    """An engine that may be shown a page in parts."""

    @property
    def longest_ratio(self) -> float:
        """Height over width beyond which a page is read in parts; infinity: never in parts, not even to cure a reply."""


def preparation_for(engine: Engine, switches: Preparation = Preparation()) -> Preparation:  # noqa: B008, a frozen value
    """What is done to pages before an engine sees them: one that is shown pages in parts does not turn them by itself."""
    if not isinstance(engine, CuttableEngine):
        return switches
    # grids of tiles are as wide as they are high
    widest = engine.longest_ratio if math.isfinite(engine.longest_ratio) else 0.0
    return replace(switches, upright=True, widest=widest)


class Room:
    """How many pages of several calls are with an engine at the same time, and how many are made ready for it."""

    def __init__(self, in_flight: int) -> None:
        self.places = asyncio.Semaphore(in_flight)
        self.hands = asyncio.Semaphore(HANDS)


@dataclass(frozen=True, slots=True)
class _Desk:
    engine: Engine
    keep: Callable[[RawPage], Digest]
    keep_picture: Callable[[bytes], Digest]
    tries: int
    preparation: Preparation


async def read_pages(
    engine: Engine,
    pages: AsyncIterable[Picture] | Iterable[Picture],
    *,
    in_flight: int,
    keep: Callable[[RawPage], Digest],
    keep_picture: Callable[[bytes], Digest],
    on_page: Callable[[ReadPage, Digest], None] | None = None,
    tries: int = TRIES,
    collect: bool = True,
    room: Room | None = None,
    preparation: Preparation = Preparation(),  # noqa: B008, a frozen value
) -> list[ReadPage]:
    """Read pages, at most `in_flight` at once and no picture fetched earlier than needed; one out for each one in.

    `room` bounds what several calls do together. `preparation`: what is done to a page before the engine sees it;
    blocks come back in the frame of the page turned upright, whatever was done.

    `keep` stores an attempt, in a thread, and `keep_picture` a picture that had to be turned upright; both return its digest.
    `tries` bounds the replies asked for: so many for a page, or for each part of a long one, and as many again for its
    two halves together (none for halves when it is 1).
    `on_page` hears of every finished page, with the digest of the picture that came in, as soon as it is done.
    With `collect` off the list stays empty and only `on_page` hears of pages, so that memory does not grow with them.
    Raises the world's `TerminalError` or `TransientError` after stopping all other pages.
    """
    room = room or Room(in_flight)
    desk = _Desk(engine, keep, keep_picture, tries, preparation)
    finished: dict[int, ReadPage] = {}
    source = _numbered(pages)
    gate = asyncio.Lock()

    async def next_page() -> bool:
        async with room.places:
            async with room.hands:
                async with gate:
                    taken = await anext(source, None)
                if taken is None:
                    return False
                place, (page, picture) = taken
                sheet = await _sheet(desk, page, picture)
            read = await _read_page(sheet, page, picture)
            if collect:
                finished[place] = read
            if on_page is not None:
                on_page(read, page.digest)
        return True

    async def work() -> None:
        while await next_page():
            pass

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


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was made of a page, or of a part of it, on the page's grid."""

    parsed: Parsed
    problems: tuple[Problem, ...]
    turn: int = 0


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A page being read, as it is shown, and every attempt at it."""

    desk: _Desk
    page: PageImage
    picture: bytes
    attempts: list[Digest]
    prepared: Prepared | None = None

    @property
    def longest_ratio(self) -> float:
        engine = self.desk.engine
        return engine.longest_ratio if isinstance(engine, CuttableEngine) else math.inf


async def _read_page(sheet: _Sheet, page: PageImage, picture: bytes) -> ReadPage:
    """Read a page as it came, and as it is shown."""
    try:
        reading = await _read_sheet(sheet)
    except (PictureRefused, UnreadableDocument) as refusal:
        reason = f"the OCR engine cannot use this picture: {str(refusal)[:200]}"
        problem = Problem(Stage.READ, ProblemKind.ENGINE_FAILED, reason, page=page.number)
        return ReadPage(page, tuple(sheet.attempts), (), (problem,))
    problems = reading.problems
    if stray := reading.parsed.stray:
        problems = (
            *problems,
            _problem(
                page, ProblemKind.STRAY_TEXT, f"{len(stray)} pieces of the reply have no place on the page"
            ),
        )
    blocks, turn = _back(reading, sheet.prepared, page.size)
    if sheet.prepared and sheet.prepared.steps == (f"turn {turn}",):
        # what was shown is the page turned upright already, and kept
        page = replace(sheet.page, turn=(page.turn + turn) % 360)
    elif turn:
        page = await _upright(sheet.desk, page, picture, turn)
    return ReadPage(page, tuple(sheet.attempts), blocks, problems)


async def _sheet(desk: _Desk, page: PageImage, picture: bytes) -> _Sheet:
    """The page as it is shown: its own picture, or a prepared one."""
    if not desk.preparation.identity:
        return _Sheet(desk, page, picture, [])
    shown = await asyncio.to_thread(prepare, picture, desk.preparation)
    if shown is None:
        return _Sheet(desk, page, picture, [])
    digest = desk.keep_picture(shown.picture)
    seen = replace(page, digest=digest, media_type=shown.media_type, size=shown.prepared.size)
    return _Sheet(desk, seen, shown.picture, [], shown.prepared)


def _back(reading: _Reading, prepared: Prepared | None, size: PixelSize) -> tuple[tuple[Block, ...], int]:
    """Blocks of the picture that was shown on the page turned upright, and the whole clockwise turn; `size`: as it came."""
    blocks = reading.parsed.blocks
    if prepared is None:
        return blocks, reading.turn
    turn = (prepared.turn + reading.turn) % 360
    if not prepared.to_page:
        return blocks, turn
    upright = PixelSize(size.height, size.width) if prepared.turn in (90, 270) else size

    def moved(box: GridBox) -> GridBox:
        seen = turned_back(box, reading.turn)
        return turned(through(seen, prepared.to_page, prepared.size, upright), reading.turn)

    return tuple(replace(block, boxes=tuple(map(moved, block.boxes))) for block in blocks), turn


def _problem(page: PageImage, kind: ProblemKind, detail: str) -> Problem:
    return Problem(Stage.READ, kind, detail, page=page.number)


async def _read_sheet(sheet: _Sheet) -> _Reading:
    size = sheet.page.size
    whole = PixelBox(0, 0, size.width, size.height)
    if size.height <= sheet.longest_ratio * size.width:
        return await _read_area(sheet, whole, sheet.page, sheet.picture)
    gaps = await asyncio.to_thread(gaps_of, sheet.picture)
    return await _read_parts(sheet, parts.long_parts(size, gaps))


async def _read_area(sheet: _Sheet, area: PixelBox, page: PageImage, picture: bytes) -> _Reading:
    """Read an area, shown as `picture`; if its reply stays too long or goes in circles, read its halves instead."""
    reading = await _climb(sheet, area, page, picture, sheet.desk.tries)
    too_much = any(problem.kind in TOO_MUCH for problem in reading.problems)
    if not too_much or sheet.desk.tries < 2 or not math.isfinite(sheet.longest_ratio):
        return reading
    gaps = await asyncio.to_thread(gaps_of, sheet.picture)
    areas = parts.halves(area, gaps)
    return await _read_parts(sheet, areas, halves=True) if len(areas) > 1 else reading


async def _read_parts(sheet: _Sheet, areas: Sequence[PixelBox], *, halves: bool = False) -> _Reading:
    """Read parts, top to bottom, and put together what they say; `halves` share the tries of one page."""
    page = sheet.page
    blocks: tuple[Block, ...] = ()
    stray: list[str] = []
    problems: list[Problem] = []
    lonely = disputed = 0
    before = len(sheet.attempts)
    shown = await asyncio.to_thread(part_pictures, page, sheet.picture, areas)
    for place, (area, (part, picture)) in enumerate(zip(areas, shown, strict=True)):
        sheet.desk.keep_picture(picture)
        if halves:
            waiting = len(areas) - 1 - place
            tries = sheet.desk.tries - (len(sheet.attempts) - before) - waiting
            reading = await _climb(sheet, area, part, picture, tries)
        else:
            reading = await _read_area(sheet, area, part, picture)
        stray += reading.parsed.stray
        problems += [problem for problem in reading.problems if problem not in problems]
        last = areas[place - 1].y2 if place else area.y1
        scale = GRID_MAX / page.size.height
        joined = parts.join(blocks, reading.parsed.blocks, (area.y1 * scale, last * scale), page.number)
        blocks, lonely, disputed = joined.blocks, lonely + joined.lonely, disputed + joined.disputed
    if lonely or disputed:
        detail = f"where parts of the page overlap, {disputed} lines were read in two ways and {lonely} by one part alone"
        problems.append(_problem(page, ProblemKind.PARTS_UNJOINED, detail))
    return _Reading(Parsed(blocks, tuple(stray)), tuple(problems))


async def _climb(sheet: _Sheet, area: PixelBox, page: PageImage, picture: bytes, tries: int) -> _Reading:
    desk, tried = sheet.desk, 0
    raw = await desk.engine.read(page, picture)
    while True:
        if page is not sheet.page:
            raw = replace(raw, area=area, sent=page.digest)
        if sheet.prepared:
            raw = replace(raw, prepared=sheet.prepared, sent=page.digest)
        # in a thread, since a store waits for its disk
        sheet.attempts.append(await asyncio.to_thread(desk.keep, raw))
        tried += 1
        parsed = parse_reply(raw)
        problems = reply_problems(raw, parsed.blocks, await _ink(raw, parsed.blocks, picture))
        curable = any(problem.kind in CURABLE for problem in problems)
        if not curable or tried >= tries or not isinstance(desk.engine, RetryingEngine):
            return _Reading(_on_page(parsed, raw, sheet.page.size), problems, raw.turn)
        raw = await desk.engine.read_again(page, picture, attempt=tried, problems=problems)


def _on_page(parsed: Parsed, raw: RawPage, size: PixelSize) -> Parsed:
    area = raw.area
    if area is None:
        return parsed
    moved = (
        replace(block, boxes=tuple(from_area(box, area, size) for box in block.boxes))
        for block in parsed.blocks
    )
    return replace(parsed, blocks=tuple(moved))


async def _ink(raw: RawPage, blocks: Sequence[Block], picture: bytes) -> bool:
    """Whether the picture has ink, looked at only where that matters."""
    return not says_nothing(raw, blocks) or await asyncio.to_thread(has_ink, picture)


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
