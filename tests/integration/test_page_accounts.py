"""Every page that goes in comes out read or held, and a page that was read is not sent again, whatever servers do."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

import fake_model_server as fake
from bench import bench
from fake_model_server import STALL, Answer, Entry, FakeModelServer, Json, Seen, reply
from ocr_ops.codec import digest_of, to_json
from ocr_ops.engines.vllm import VllmEngine
from ocr_ops.errors import ModelRefused, ModelUnreachable
from ocr_ops.model import PageImage, PixelSize, ProblemKind, ReadPage
from ocr_ops.ocr import read_pages
from ocr_ops.pipeline import batches
from ocr_ops.pipeline.journey import Order
from ocr_ops.pipeline.listing import list_documents

MODEL = "deepseek-ai/DeepSeek-OCR"
MODELS = ((MODEL, 8192),)
COUNT = 12
SIZE = PixelSize(300, 420)
TOKENS = 283
"""What DeepSeek-OCR counts for a picture of that size and its prompt."""
TEXT = "<|ref|>title<|/ref|><|det|>[[10, 20, 300, 60]]<|/det|>\nRECEIPT"
GOOD = reply(TEXT, model=MODEL, prompt_tokens=TOKENS)


def picture(number: int) -> Image.Image:
    image = Image.new("L", (SIZE.width, SIZE.height), "white")
    ImageDraw.Draw(image).rectangle((60, 80, 100 + 10 * number, 94), fill="black")
    return image


def page(number: int) -> tuple[PageImage, bytes]:
    out = io.BytesIO()
    picture(number).save(out, "PNG")
    return PageImage(number, digest_of(out.getvalue()), "image/png", SIZE), out.getvalue()


PAGES = tuple(page(number) for number in range(1, COUNT + 1))
DIGESTS = {one.digest for one, _ in PAGES}


def go(
    urls: Sequence[str],
    pages: Iterable[tuple[PageImage, bytes]] = PAGES,
    told: Callable[[ReadPage], None] = lambda read: None,
    **options: Any,
) -> list[ReadPage]:
    """Read pages on these servers."""

    async def reading() -> list[ReadPage]:
        engine = VllmEngine(urls, MODEL, **{"in_flight": 4, "rest_s": 0.02, "tries": 12, **options})
        try:
            return await read_pages(
                engine,
                pages,
                in_flight=4 * len(urls),
                keep=lambda raw: digest_of(to_json(raw)),
                keep_picture=digest_of,
                on_page=lambda read, _: told(read),
            )
        finally:
            await engine.close()

    return asyncio.run(reading())


def held(pages: Sequence[ReadPage]) -> dict[int, set[ProblemKind]]:
    """Pages that are not simply read, and why; AssertionError when the ledger does not balance."""
    assert [one.image.number for one in pages] == list(range(1, COUNT + 1))
    found = {one.image.number: {problem.kind for problem in one.problems} for one in pages if one.problems}
    assert all(one.blocks and one.blocks[0].text == "RECEIPT" for one in pages if not one.problems)
    return found


def assert_read_once(*servers: FakeModelServer) -> None:
    """Every page has one good answer among all servers, and no request came after it."""
    asked: dict[str, list[Seen]] = {}
    for server in servers:
        for seen in server.chats:
            asked.setdefault(seen.picture, []).append(seen)
    assert set(asked) == DIGESTS
    for requests in asked.values():
        assert [seen.answered is GOOD for seen in requests].count(True) == 1
    if len(servers) == 1:
        assert all(requests[-1].answered is GOOD for requests in asked.values())


def at_first(bad: Answer) -> Entry:
    """Bad for the first request of every third page, and of what is cut from it."""
    met: set[str] = {one.digest for one, _ in PAGES if one.number % 3}

    def choose(body: Json) -> Answer:
        shown = Seen("", "", {}, body).picture
        if shown in met:
            return GOOD
        met.add(shown)
        return bad

    return choose


def on_pages(numbers: set[int], bad: Answer) -> Entry:
    """Also what is cut from these pages is answered badly."""
    well = {one.digest for one, _ in PAGES if one.number not in numbers}
    return lambda body: GOOD if Seen("", "", {}, body).picture in well else bad


PASSING = {
    "429": fake.too_many_requests(),
    "429 with a wait": fake.too_many_requests("0.1"),
    "503": fake.queue_full(),
    "503 with a wait": fake.queue_full("0.1"),
    "engine dead": fake.engine_dead(),
    "died in mid-reply": fake.broken_off(60),
    "garbage": fake.garbage(),
    "half JSON": fake.half_json(),
    "loop": fake.looping(),
    "cut": reply(TEXT, "length"),
    "empty": reply(""),
}


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_passes_costs_no_page_and_none_is_sent_again_once_it_is_read(name: str) -> None:
    with FakeModelServer([at_first(PASSING[name])], models=MODELS) as server:
        pages = go([server.url])

    assert held(pages) == {}
    assert_read_once(server)


def test_requests_that_stall_cost_no_page() -> None:
    with FakeModelServer([STALL, GOOD, STALL, GOOD], models=MODELS) as server:
        pages = go([server.url], timeout_s=1.5)

    assert held(pages) == {}
    assert len(server.chats) == COUNT + 2 and server.aborted == 2
    assert_read_once(server)


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (fake.looping(), ProblemKind.LOOP),
        (reply(TEXT, "length", prompt_tokens=TOKENS), ProblemKind.CUT_OFF),
        (reply("", prompt_tokens=TOKENS), ProblemKind.NO_TEXT),
        (reply("text[[1, 2, 3, 4]]\nno\ntext[[5, 6, 7, 8]]\ntokens"), ProblemKind.MARKUP_STRIPPED),
        (reply("Dear customer, I am sorry."), ProblemKind.STRAY_TEXT),
        (reply(TEXT, prompt_tokens=40), ProblemKind.WRONG_PROCESSOR),
        (fake.unreadable_picture(), ProblemKind.ENGINE_FAILED),
        (fake.permanent("image too large"), ProblemKind.ENGINE_FAILED),
    ],
    ids=["loop", "cut", "empty", "tokens stripped", "no markup", "wrong processor", "refused", "too large"],
)
def test_a_page_that_stays_bad_is_held_and_costs_no_other(bad: Answer, kind: ProblemKind) -> None:
    with FakeModelServer([on_pages({2, 7}, bad)], models=MODELS) as server:
        pages = go([server.url])

    found = held(pages)
    assert set(found) == {2, 7} and all(kind in kinds for kinds in found.values())
    good = [seen.picture for seen in server.chats if seen.answered is GOOD]
    assert sorted(good) == sorted(one.digest for one, _ in PAGES if one.number not in (2, 7))


@pytest.mark.parametrize("refusal", [fake.unknown_model(), fake.unauthorised()], ids=["model", "key"])
def test_a_server_that_refuses_everything_stops_the_run_before_any_page_is_lost(refusal: Answer) -> None:
    told: list[ReadPage] = []
    with FakeModelServer([refusal], models=MODELS) as server:
        with pytest.raises(ModelRefused):
            go([server.url], told=told.append)
        refused = len(server.chats)
        server.script = [GOOD]
        pages = go([server.url])

    assert told == [] and refused <= 4
    assert held(pages) == {} and len(server.chats) == refused + COUNT


@pytest.mark.parametrize("healthy", [None, True], ids=["without /health", "with /health"])
def test_a_server_that_starts_slowly_is_waited_for_and_asked_each_page_once(healthy: bool | None) -> None:
    with FakeModelServer([GOOD], models=MODELS, healthy=healthy) as server:
        server.die()
        start = threading.Timer(0.4, server.come_back)
        start.start()
        pages = go([server.url], tries=20)
        start.join()

    assert held(pages) == {} and len(server.chats) == COUNT
    assert_read_once(server)


def test_servers_that_all_stay_away_are_given_up_with_what_was_read_kept() -> None:
    told: list[int] = []
    with FakeModelServer([GOOD, STALL], models=MODELS) as server:

        def die(read: ReadPage) -> None:
            told.append(read.image.number)
            server.die()

        with pytest.raises(ModelUnreachable):
            go([server.url], told=die, tries=3)
        server.come_back()
        server.script = [GOOD]
        pages = go([server.url], [one for one in PAGES if one[0].number not in told])

    assert len(told) == 1
    assert sorted([*told, *(one.image.number for one in pages)]) == list(range(1, COUNT + 1))
    assert_read_once(server)


@pytest.mark.parametrize("others", [0, 2])
def test_a_server_that_dies_in_mid_run_and_comes_back_gets_only_what_had_no_answer(others: int) -> None:
    good = Answer(GOOD.status, GOOD.body, GOOD.headers, delay_s=0.05)
    with (
        FakeModelServer([good], models=MODELS, healthy=True) as mortal,
        FakeModelServer([good], models=MODELS) as second,
        FakeModelServer([good], models=MODELS) as third,
    ):
        back = threading.Timer(0.3, mortal.come_back)

        def die(_: ReadPage) -> None:
            if not back.ident:
                mortal.die()
                back.start()

        pages = go([mortal.url, second.url, third.url][: 1 + others], told=die, tries=20)
        back.join()

    assert held(pages) == {}
    asked = [seen for server in (mortal, second, third) for seen in server.chats]
    assert sorted(seen.picture for seen in asked if seen.answered) == sorted(DIGESTS)
    assert len(asked) - COUNT == sum(seen.answered is None for seen in mortal.chats) <= 4


def test_one_of_three_servers_that_is_never_there_costs_no_page() -> None:
    with (
        FakeModelServer([GOOD], models=MODELS) as first,
        FakeModelServer([GOOD], models=MODELS) as dead,
        FakeModelServer([GOOD], models=MODELS) as third,
    ):
        dead.die()
        pages = go([first.url, dead.url, third.url])

    assert held(pages) == {} and dead.chats == []
    assert_read_once(first, third)


@pytest.mark.parametrize(("scans", "photos"), [(0, COUNT), (1, 3)])
def test_documents_share_the_places_at_the_servers_and_leave_none_empty(
    tmp_path: Path, scans: int, photos: int
) -> None:
    for number in range(photos):
        picture(number).resize((600, 840)).save(tmp_path / f"{number}.png")
    for number in range(scans):
        scanned(tmp_path / f"{number}.pdf")
    slow = Answer(GOOD.status, GOOD.body, GOOD.headers, delay_s=0.3)
    with FakeModelServer([slow], models=MODELS) as server:
        shop = bench(
            tmp_path / "var", ocr_engine="vllm", ocr_urls=server.url, ocr_model=MODEL, ocr_in_flight="6"
        )
        journeys = list_documents(shop, tmp_path)
        read = asyncio.run(batches.read_documents(shop, Order(), journeys))

    assert len(read) == scans + photos and {journey.status for journey in read} == {None}
    assert server.most_running == 6
    assert len(server.chats) == len({seen.picture for seen in server.chats})


# --- a client that is killed ---


def scanned(path: Path) -> Path:
    """A PDF of `COUNT` scans."""
    first, *others = (picture(number).resize((600, 840)) for number in range(1, COUNT + 1))
    first.save(path, "PDF", resolution=72, save_all=True, append_images=others)
    return path


def client(folder: Path, url: str) -> subprocess.Popen[str]:
    """`ocr-ops process` with its store in `folder`, two pages in flight."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "OCR_OPS_VAR": str(folder)}
    env |= {"OCR_OPS_OCR_URLS": url, "OCR_OPS_OCR_MODEL": MODEL, "OCR_OPS_OCR_IN_FLIGHT": "2"}
    words = [Path(sys.executable).with_name("ocr-ops"), "process", folder / "scan.pdf", "--ocr", "vllm"]
    return subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_client_killed_in_mid_run_sends_only_unread_pages_when_it_is_run_again(tmp_path: Path) -> None:
    scanned(tmp_path / "scan.pdf")
    with FakeModelServer([GOOD] * 3 + [STALL], models=MODELS) as server:
        killed = client(tmp_path, server.url)
        # two pages are in flight at a time, and the next one is sent when the last one is kept: so three are
        deadline = time.monotonic() + 60
        while len(server.chats) < 5 and killed.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        killed.kill()
        killed.communicate(timeout=30)
        read = {seen.picture for seen in server.chats if seen.answered is GOOD}
        assert (len(server.chats), len(read)) == (5, 3)
        server.script = [GOOD]
        again = client(tmp_path, server.url)
        said, _ = again.communicate(timeout=120)

    assert again.returncode == 0, said
    sent = [seen.picture for seen in server.chats[5:]]
    assert len(sent) == len(set(sent)) == COUNT - 3 and not read & set(sent)
    assert len(read | set(sent)) == COUNT
