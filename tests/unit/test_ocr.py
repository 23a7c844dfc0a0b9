"""The page ledger: pages in are pages out, whatever the engine says."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

import fake_model_server as fake
from fake_model_server import FakeModelServer, reply
from ocr_ops.codec import digest_of, to_json
from ocr_ops.engines import Engine
from ocr_ops.engines.vllm import VllmEngine
from ocr_ops.errors import ModelRefused, ModelUnreachable
from ocr_ops.model import (
    Digest,
    PageImage,
    PixelSize,
    Problem,
    ProblemKind,
    RawPage,
    ReadPage,
    ReplyFormat,
)
from ocr_ops.ocr import RetryingEngine, has_ink, read_pages, turned_picture

GOOD = "<|ref|>title<|/ref|><|det|>[[10, 20, 300, 60]]<|/det|>\nRECEIPT"


def picture(
    width: int = 300, height: int = 420, *, ink: bool = True, form: str = "PNG", mode: str = "L"
) -> bytes:
    image = Image.new(mode, (width, height), "white")
    if ink:
        ImageDraw.Draw(image).rectangle((60, 80, 160, 94), fill="black")
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()


def page(number: int, data: bytes, media_type: str = "image/png", turn: int = 0) -> tuple[PageImage, bytes]:
    with Image.open(io.BytesIO(data)) as image:
        size = PixelSize(*image.size)
    return PageImage(number, digest_of(data), media_type, size, turn=turn), data


class Scripted:
    """An engine that answers from a script, page by page and attempt by attempt."""

    def __init__(self, answer: Callable[[int, int], RawPage | Exception]) -> None:
        self.answer = answer
        self.asked: list[tuple[int, int]] = []
        self.running = self.most_running = 0

    @property
    def identity(self) -> dict[str, str]:
        return {"engine": "scripted"}

    async def read(self, page: PageImage, picture: bytes) -> RawPage:
        return await self._say(page.number, 0)

    async def close(self) -> None:
        pass

    async def _say(self, number: int, attempt: int) -> RawPage:
        self.asked.append((number, attempt))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            # later pages answer first
            await asyncio.sleep(0.02 / number)
        finally:
            self.running -= 1
        said = self.answer(number, attempt)
        if isinstance(said, Exception):
            raise said
        return said


class Persistent(Scripted):
    """The same, and it can be asked again."""

    async def read_again(
        self, page: PageImage, picture: bytes, *, attempt: int, problems: Sequence[Problem]
    ) -> RawPage:
        assert problems
        return await self._say(page.number, attempt)


def grounding(number: int, text: str = GOOD, finish: str = "stop", attempt: int = 0) -> RawPage:
    return RawPage(
        number, "s", "m", "1", ReplyFormat.GROUNDING, text, finish_reason=finish, temperature=attempt / 10
    )


def lines(number: int, *texts: str, turn: int = 0) -> RawPage:
    rows = [{"text": text, "box": [1, 2, 300, 20], "score": 0.9} for text in texts]
    return RawPage(number, "embedded", "m", "1", ReplyFormat.LINES, json.dumps(rows), turn=turn)


class Store:
    def __init__(self) -> None:
        self.raws: dict[Digest, RawPage] = {}
        self.pictures: dict[Digest, bytes] = {}

    def keep(self, raw: RawPage) -> Digest:
        digest = digest_of(to_json(raw))
        self.raws[digest] = raw
        return digest

    def keep_picture(self, data: bytes) -> Digest:
        self.pictures[digest_of(data)] = data
        return digest_of(data)


def ledger(engine: Engine, pages: Any, store: Store | None = None, **options: Any) -> list[ReadPage]:
    store = store or Store()
    how = {"in_flight": 3, "keep": store.keep, "keep_picture": store.keep_picture, **options}
    return asyncio.run(read_pages(engine, pages, **how))


def kinds(read: ReadPage) -> list[ProblemKind]:
    return [problem.kind for problem in read.problems]


def test_pages_come_out_in_the_order_they_went_in() -> None:
    engine = Scripted(lambda number, _: grounding(number))

    read = ledger(engine, [page(number, picture()) for number in range(1, 9)])

    assert [one.image.number for one in read] == list(range(1, 9))
    assert all(one.blocks and not one.problems for one in read)
    assert engine.most_running == 3


def test_pages_are_fetched_only_when_there_is_room() -> None:
    engine = Scripted(lambda number, _: grounding(number))
    fetched: list[int] = []

    async def source() -> AsyncIterator[tuple[PageImage, bytes]]:
        for number in range(1, 10):
            fetched.append(number - len(engine.asked))
            yield page(number, picture())

    assert len(ledger(engine, source(), in_flight=2)) == 9
    assert max(fetched) <= 2


def test_no_pages_in_are_no_pages_out() -> None:
    assert ledger(Scripted(lambda number, _: grounding(number)), []) == []


def test_finished_pages_are_told_at_once_with_the_picture_that_was_sent() -> None:
    told: list[tuple[int, Digest]] = []
    pages = [page(number, picture()) for number in (1, 2)]
    engine = Scripted(lambda number, _: lines(number, "a", turn=180))

    read = ledger(engine, pages, on_page=lambda one, sent: told.append((one.image.number, sent)))

    assert sorted(told) == [(1, pages[0][0].digest), (2, pages[1][0].digest)]
    assert read[0].image.digest != pages[0][0].digest


@pytest.mark.parametrize(
    ("bad", "finish"),
    [(GOOD + "abcdef" * 100, "length"), (GOOD, "length"), ("", "stop")],
    ids=["loop", "cut", "empty"],
)
def test_bad_reply_is_asked_for_again_and_every_attempt_is_kept(bad: str, finish: str) -> None:
    engine = Persistent(lambda n, tried: grounding(n, attempt=tried) if tried else grounding(n, bad, finish))
    store = Store()

    [read] = ledger(engine, [page(1, picture())], store)

    assert engine.asked == [(1, 0), (1, 1)]
    assert [store.raws[digest].text for digest in read.attempts] == [bad, GOOD]
    assert read.problems == () and read.blocks[0].text == "RECEIPT"


def test_page_that_stays_bad_keeps_its_problems_and_what_was_read() -> None:
    engine = Persistent(lambda n, tried: grounding(n, finish="length", attempt=tried))

    [read] = ledger(engine, [page(1, picture())])

    assert len(read.attempts) == len(set(read.attempts)) == 3
    assert (kinds(read), len(read.blocks)) == ([ProblemKind.CUT_OFF], 1)


def test_engine_that_cannot_answer_differently_is_not_asked_twice() -> None:
    engine = Scripted(lambda number, _: grounding(number, finish="length"))

    [read] = ledger(engine, [page(1, picture())])

    assert engine.asked == [(1, 0)] and kinds(read) == [ProblemKind.CUT_OFF]


def test_stripped_markup_is_no_matter_of_luck_and_costs_no_further_try() -> None:
    text = "text[[301, 166, 334, 238]]\nSome words\ntext[[336, 268, 615, 296]]\nMore words\n"
    engine = Persistent(lambda number, _: grounding(number, text))

    [read] = ledger(engine, [page(1, picture())])

    assert engine.asked == [(1, 0)] and ProblemKind.MARKUP_STRIPPED in kinds(read)


def test_blank_page_without_text_is_fine_and_an_inked_one_is_not() -> None:
    engine = Scripted(lambda number, _: lines(number))

    blank, inked = ledger(engine, [page(1, picture(ink=False)), page(2, picture())])

    assert kinds(blank) == []
    assert kinds(inked) == [ProblemKind.NO_TEXT]


def test_text_without_a_place_is_reported_without_being_quoted() -> None:
    [read] = ledger(Scripted(lambda n, _: grounding(n, "a secret word\n" + GOOD)), [page(1, picture())])

    [problem] = read.problems
    assert problem.kind is ProblemKind.STRAY_TEXT and "secret" not in problem.detail


@pytest.mark.parametrize("problem", [ModelUnreachable("down"), ModelRefused("no")])
def test_broken_world_is_raised_as_it_is_and_stops_the_other_pages(problem: Exception) -> None:
    finished: list[int] = []
    engine = Scripted(lambda number, _: problem if number == 5 else grounding(number))

    with pytest.raises(type(problem), match=str(problem)):
        ledger(
            engine,
            [page(number, picture()) for number in range(1, 200)],
            on_page=lambda read, _: finished.append(read.image.number),
        )

    assert engine.running == 0 and len(engine.asked) < 20
    assert 5 not in finished


def test_fault_of_the_settings_is_raised_before_one_that_may_pass() -> None:
    def answer(number: int, _: int) -> Exception:
        return ModelRefused("bad key") if number == 2 else ModelUnreachable("down")

    class AtOnce(Scripted):
        async def _say(self, number: int, attempt: int) -> RawPage:
            raise self.answer(number, attempt)

    with pytest.raises(ModelRefused):
        ledger(AtOnce(answer), [page(number, picture()) for number in (1, 2, 3)])


def test_source_that_breaks_is_raised_too() -> None:
    def source() -> Iterator[tuple[PageImage, bytes]]:
        yield page(1, picture())
        raise ModelUnreachable("store is gone")

    with pytest.raises(ModelUnreachable, match="store is gone"):
        ledger(Scripted(lambda number, _: grounding(number)), source())


@pytest.mark.parametrize(("form", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg")])
@pytest.mark.parametrize("turn", [90, 180, 270])
def test_turned_page_is_kept_upright(form: str, media_type: str, turn: int) -> None:
    data, store = picture(form=form, mode="RGB"), Store()
    engine = Scripted(lambda number, _: lines(number, "a", turn=turn))

    [read] = ledger(engine, [page(1, data, media_type, turn=90)], store)

    kept = store.pictures[read.image.digest]
    with Image.open(io.BytesIO(kept)) as upright, Image.open(io.BytesIO(data)) as before:
        expected = before.rotate(-turn, expand=True).convert("L").tobytes()
        assert max(abs(a - b) for a, b in zip(expected, upright.convert("L").tobytes(), strict=True)) <= 40
        assert (upright.format, upright.mode, upright.size) == (
            form,
            "RGB",
            (read.image.size.width, read.image.size.height),
        )
    assert (read.image.turn, read.image.media_type) == ((90 + turn) % 360, media_type)


def test_turning_there_and_back_loses_nothing_in_png() -> None:
    one, data = page(1, picture())

    there, media_type, size = turned_picture(one, data, 90)
    back, _, _ = turned_picture(PageImage(1, one.digest, media_type, size), there, 270)

    with Image.open(io.BytesIO(back)) as image, Image.open(io.BytesIO(data)) as before:
        assert image.tobytes() == before.tobytes()


def test_ink_is_told_from_paper() -> None:
    grey = Image.effect_noise((1000, 1400), 12)
    speckled = io.BytesIO()
    grey.save(speckled, "JPEG", quality=60)

    assert has_ink(picture()) and has_ink(picture(1654, 2339, form="JPEG"))
    assert not has_ink(picture(ink=False)) and not has_ink(speckled.getvalue())
    assert not has_ink(picture(1, 1, ink=False))


def test_ledger_balances_over_a_server_that_does_everything_wrong() -> None:
    """Twelve pages meet every fault of a server at once; each is read or held, none is lost."""
    script = [
        reply(GOOD),
        fake.queue_full(),
        fake.engine_dead(),
        fake.broken_off(),
        fake.looping(),
        reply(GOOD, "length"),
        reply(""),
        fake.garbage(),
        fake.permanent("image too large"),
        fake.too_many_requests(),
        reply("text[[1, 2, 3, 4]]\nstripped\ntext[[5, 6, 7, 8]]\nmarkup"),
        fake.half_json(),
        reply(GOOD),
    ]
    store = Store()

    async def go(url: str) -> list[ReadPage]:
        engine = VllmEngine([url], "served-model", in_flight=4, rest_s=0.01, tries=8, timeout_s=5)
        assert isinstance(engine, RetryingEngine)
        try:
            return await read_pages(
                engine,
                (page(number, picture()) for number in range(1, 13)),
                in_flight=4,
                keep=store.keep,
                keep_picture=store.keep_picture,
                tries=5,
            )
        finally:
            await engine.close()

    with FakeModelServer(script) as server:
        read = asyncio.run(go(server.url))

    assert [one.image.number for one in read] == list(range(1, 13))
    by_problem = [kind for one in read for kind in kinds(one)]
    assert by_problem.count(ProblemKind.ENGINE_FAILED) == 1
    assert by_problem.count(ProblemKind.MARKUP_STRIPPED) == 1
    assert sum(1 for one in read if one.blocks and not one.problems) == 10
    assert sum(len(one.attempts) for one in read) == len(server.chats) - 7


class BarReader:
    """An engine that really looks: every bar of ink is a line, its length its words. Too many bars, and it runs on."""

    longest_ratio = 6.0

    def __init__(self, most_bars: int) -> None:
        self.most_bars = most_bars
        self.shown: list[PixelSize] = []

    @property
    def identity(self) -> dict[str, str]:
        return {"engine": "bars"}

    async def read(self, page: PageImage, picture: bytes) -> RawPage:
        self.shown.append(page.size)
        with Image.open(io.BytesIO(picture)) as image:
            dots = np.asarray(image.convert("L")) < 128
        rows = np.flatnonzero(np.diff(np.concatenate(([False], dots.any(axis=1), [False])).astype(int)))
        bars = list(zip(rows[::2].tolist(), rows[1::2].tolist(), strict=True))
        scale = 999 / page.size.height
        text = "".join(
            f"<|ref|>text<|/ref|><|det|>[[0, {round(top * scale)}, 999, {round(bottom * scale)}]]<|/det|>\n"
            f"bar {int(dots[(top + bottom) // 2].sum())}\n"
            for top, bottom in bars
        )
        return grounding(page.number, text, "length" if len(bars) > self.most_bars else "stop")

    async def read_again(
        self, page: PageImage, picture: bytes, *, attempt: int, problems: Sequence[Problem]
    ) -> RawPage:
        return await self.read(page, picture)

    async def close(self) -> None:
        pass


def bars(width: int, height: int, count: int) -> tuple[bytes, list[str], list[int]]:
    image = Image.new("L", (width, height), "white")
    pitch, words, tops = height // count, [], []
    for number in range(count):
        length = 50 + number * 7919 % (width - 100)
        tops.append(number * pitch + 4)
        ImageDraw.Draw(image).rectangle((20, tops[-1], 19 + length, tops[-1] + pitch // 2), fill="black")
        words.append(f"bar {length}")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue(), words, tops


def test_long_receipt_is_read_in_parts_and_every_line_is_where_it_is_printed() -> None:
    data, words, tops = bars(300, 3300, 110)
    engine, store = BarReader(most_bars=60), Store()

    [read] = ledger(engine, [page(1, data)], store)

    assert [block.text for block in read.blocks] == words and read.problems == ()
    assert all(
        abs(block.boxes[0].y1 - top * 999 / 3300) <= 1 for block, top in zip(read.blocks, tops, strict=True)
    )
    areas = [store.raws[digest].area for digest in read.attempts]
    assert len(areas) == len(store.pictures) > 3 and None not in areas
    assert all(size.height <= 4 * size.width for size in engine.shown)


def test_page_whose_reply_stays_too_long_is_read_in_halves() -> None:
    data, words, _ = bars(600, 900, 45)
    engine, store = BarReader(most_bars=35), Store()

    [read] = ledger(engine, [page(1, data)], store)

    assert [block.text for block in read.blocks] == words and read.problems == ()
    assert [store.raws[digest].area is None for digest in read.attempts] == [True] * 3 + [False] * 2


def test_halves_that_are_too_long_as_well_leave_the_page_with_its_problem() -> None:
    data, _, _ = bars(600, 900, 45)

    [read] = ledger(BarReader(most_bars=5), [page(1, data)])

    assert kinds(read) == [ProblemKind.CUT_OFF] and read.blocks


@pytest.mark.parametrize(("tries", "whole", "halves"), [(1, 1, 0), (2, 2, 2), (3, 3, 3), (4, 4, 4)])
def test_halves_share_as_many_tries_as_the_page_had(tries: int, whole: int, halves: int) -> None:
    data, _, _ = bars(600, 900, 45)
    store = Store()

    [read] = ledger(BarReader(most_bars=5), [page(1, data)], store, tries=tries)

    shown = [store.raws[digest].area for digest in read.attempts]
    assert (shown.count(None), len(shown) - shown.count(None)) == (whole, halves)
    assert kinds(read) == [ProblemKind.CUT_OFF]
    assert len({area for area in shown if area}) == min(2, halves)


@pytest.mark.parametrize(("tries", "replies"), [(1, 4), (2, 4 * 4), (3, 4 * 6)])
def test_every_part_of_a_long_page_that_stays_bad_costs_no_more_than_a_page(tries: int, replies: int) -> None:
    data, _, _ = bars(300, 3300, 110)

    [read] = ledger(BarReader(most_bars=1), [page(1, data)], tries=tries)

    assert len(read.attempts) == replies and ProblemKind.CUT_OFF in kinds(read)


def test_engine_that_must_not_be_shown_parts_is_not() -> None:
    data, words, _ = bars(300, 3300, 110)
    engine = BarReader(most_bars=60)
    engine.longest_ratio = float("inf")

    [read] = ledger(engine, [page(1, data)])

    assert {size.height for size in engine.shown} == {3300}
    assert (kinds(read), len(read.blocks)) == ([ProblemKind.CUT_OFF], len(words))


def test_pages_that_are_not_collected_are_told_all_the_same() -> None:
    told: list[int] = []
    pages = [page(number, picture()) for number in (1, 2, 3)]
    engine = Scripted(lambda number, _: grounding(number))

    read = ledger(engine, pages, on_page=lambda one, _: told.append(one.image.number), collect=False)

    assert (read, sorted(told)) == ([], [1, 2, 3])
