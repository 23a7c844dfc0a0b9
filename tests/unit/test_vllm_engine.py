"""The vllm engine against a real HTTP server that misbehaves on demand."""

from __future__ import annotations

import asyncio
import base64
import json
import pickle
import socket
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

import fake_model_server as fake
from fake_model_server import STALL, FakeModelServer, reply
from ocr_ops.chat_server import ChatServer
from ocr_ops.detectors import reply_problems
from ocr_ops.engines.fleet import Fleet, Member
from ocr_ops.engines.tiles import DEEPSEEK_OCR, DEEPSEEK_OCR_2, Tiling, expected_tokens, tiling_of
from ocr_ops.engines.vllm import VllmEngine
from ocr_ops.errors import ModelBusy, ModelRefused, ModelUnreachable, TransientError
from ocr_ops.model import (
    Block,
    Digest,
    GridBox,
    PageImage,
    PixelSize,
    Problem,
    ProblemKind,
    RawPage,
    ReplyFormat,
    Stage,
)
from ocr_ops.model_faults import ContextExceeded, PictureRefused, RequestRefused, ServerBusy
from ocr_ops.prompts import OcrTask
from ocr_ops.server_load import ServerLoad, parse_load

PICTURE = b"\x89PNG not looked at by the engine"
GOOD = "<|ref|>title<|/ref|><|det|>[[10, 20, 300, 60]]<|/det|>\nRECEIPT"


def page(number: int = 1, width: int = 1240, height: int = 1754) -> PageImage:
    return PageImage(number, Digest("sha256:" + "0" * 64), "image/png", PixelSize(width, height))


def engine(*urls: str, **options: Any) -> VllmEngine:
    return VllmEngine(urls, "served-model", **{"rest_s": 0.02, "tries": 3, "timeout_s": 5.0, **options})


def read(reader: VllmEngine, pages: Sequence[PageImage] = (page(),)) -> list[RawPage]:
    async def go() -> list[RawPage]:
        try:
            return list(await asyncio.gather(*(reader.read(one, PICTURE) for one in pages)))
        finally:
            await reader.close()

    return asyncio.run(go())


def unused_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


def test_picture_comes_before_the_exact_prompt_and_nothing_else_is_said() -> None:
    with FakeModelServer([reply(GOOD)]) as server:
        read(engine(server.url, api_key="key-1"))
    [seen] = server.chats

    assert seen.headers["authorization"] == "Bearer key-1"
    [message] = seen.body["messages"]
    assert message["role"] == "user"
    assert [part["type"] for part in message["content"]] == ["image_url", "text"]
    assert message["content"][1]["text"] == "<|grounding|>Convert the document to markdown."
    data_url = message["content"][0]["image_url"]["url"]
    assert base64.b64decode(data_url.removeprefix("data:image/png;base64,")) == PICTURE
    assert {
        "model", "messages", "temperature", "max_tokens", "skip_special_tokens", "repetition_detection"
    } == set(seen.body)  # fmt: skip
    assert (seen.body["temperature"], seen.body["skip_special_tokens"]) == (0, False)


def test_reply_is_kept_as_it_came_with_everything_that_explains_it() -> None:
    with FakeModelServer([reply(GOOD, "length")]) as server:
        [raw] = read(engine(server.url))

    assert (raw.text, raw.finish_reason, raw.reply_format) == (GOOD, "length", ReplyFormat.GROUNDING)
    assert (raw.engine, raw.model, raw.version) == ("vllm", "served-model", "0.32.0")
    assert (raw.prompt_tokens, raw.completion_tokens) == (913, len(GOOD) // 4 + 1)
    assert raw.prompt.endswith("Convert the document to markdown.") and raw.seconds > 0


@pytest.mark.parametrize(("told", "context"), [(8192, 8192), (4096, 4096), (0, 8192)])
def test_reply_may_be_as_long_as_the_context_leaves(told: int, context: int) -> None:
    with FakeModelServer([reply(GOOD)], models=[("served-model", told)]) as server:
        read(engine(server.url))
    asked = server.chats[0].body["max_tokens"]

    assert context - 903 - 60 < asked < context - 903 - 10


def test_server_without_model_list_or_version_still_reads() -> None:
    with FakeModelServer([reply(GOOD)], models=None, version=None) as server:
        [raw] = read(engine(server.url))

    assert (raw.text, raw.version) == (GOOD, "")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (fake.unauthorised(), ModelRefused),
        (fake.forbidden(), ModelRefused),
        (fake.unknown_model(), ModelRefused),
        (fake.context_exceeded(), ContextExceeded),
        (fake.unreadable_picture(), PictureRefused),
        (fake.permanent("image too large"), PictureRefused),
        (fake.permanent("image host"), ModelRefused),
        (fake.permanent("local file"), ModelRefused),
        (fake.refusal(429, "You exceeded your quota", code="insufficient_quota"), ModelRefused),
        (fake.Answer(302, b"", (("Location", "http://127.0.0.1:9/"),)), ModelRefused),
    ],
)
def test_what_waiting_cannot_cure_is_refused_at_once(answer: fake.Answer, error: type[Exception]) -> None:
    with FakeModelServer([answer]) as server, pytest.raises(error) as caught:
        read(engine(server.url))

    assert len(server.chats) == 1
    assert isinstance(caught.value, ModelRefused)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (fake.queue_full(), ModelBusy),
        (fake.too_many_requests(), ModelBusy),
        (fake.engine_dead(), ModelUnreachable),
        (fake.broken_off(), ModelUnreachable),
        (fake.garbage(), ModelUnreachable),
        (fake.half_json(), ModelUnreachable),
        (fake.Answer(200, b"[]"), ModelUnreachable),
        (fake.Answer(502, b"<html>bad gateway</html>"), ModelUnreachable),
    ],
)
def test_what_may_pass_is_tried_again_and_then_raised_as_transient(
    answer: fake.Answer, error: type[Exception]
) -> None:
    with FakeModelServer([answer]) as server, pytest.raises(error) as caught:
        read(engine(server.url))

    assert len(server.chats) == 3
    assert isinstance(caught.value, TransientError)


@pytest.mark.parametrize(
    "answer",
    [fake.queue_full(), fake.engine_dead(), fake.broken_off(), fake.garbage(), fake.too_many_requests()],
)
def test_one_fault_that_passes_costs_one_more_request_and_no_page(answer: fake.Answer) -> None:
    with FakeModelServer([answer, reply(GOOD)]) as server:
        [raw] = read(engine(server.url))

    assert (raw.text, len(server.chats)) == (GOOD, 2)


def test_stalled_server_times_out_and_its_request_is_dropped() -> None:
    with FakeModelServer([STALL, reply(GOOD)]) as server:
        [raw] = read(engine(server.url, timeout_s=0.2))

        assert (raw.text, len(server.chats)) == (GOOD, 2)
    assert server.aborted == 1


def test_server_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(ModelUnreachable, match="cannot be reached"):
        read(engine(unused_url()))


def test_cancelled_page_aborts_its_request() -> None:
    async def go(server: FakeModelServer) -> None:
        reader = engine(server.url)
        task = asyncio.create_task(reader.read(page(), PICTURE))
        while not server.running or not server.chats:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while not server.aborted:
            await asyncio.sleep(0.01)
        await reader.close()

    with FakeModelServer([STALL]) as server:
        asyncio.run(asyncio.wait_for(go(server), 10))

    assert (len(server.chats), server.aborted) == (1, 1)


def test_page_cancelled_while_the_server_introduces_itself_harms_no_other() -> None:
    async def go(server: FakeModelServer) -> str:
        reader = engine(server.url)
        first, second = (asyncio.create_task(reader.read(page(n), PICTURE)) for n in (1, 2))
        while not server.others:
            await asyncio.sleep(0.01)
        first.cancel()
        text = (await second).text
        await reader.close()
        return text

    with FakeModelServer([reply(GOOD)], about_delay_s=0.2) as server:
        assert asyncio.run(go(server)) == GOOD

    assert [seen.path for seen in server.others] == ["/v1/models", "/version"]


def test_engine_closed_early_leaves_nothing_behind() -> None:
    async def go(server: FakeModelServer) -> None:
        reader = engine(server.url)
        task = asyncio.create_task(reader.read(page(), PICTURE))
        while not server.others:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await reader.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with FakeModelServer([reply(GOOD)], about_delay_s=5.0) as server:
        asyncio.run(go(server))

    assert server.chats == []


def test_no_more_than_the_limit_is_in_flight_on_a_server() -> None:
    with FakeModelServer([reply(GOOD, delay_s=0.03)]) as server:
        raws = read(engine(server.url, in_flight=3), [page(n) for n in range(1, 13)])

    assert list(range(1, 13)) == [raw.page for raw in raws]
    assert (server.most_running, len(server.chats)) == (3, 12)


def test_pages_go_to_the_server_with_least_to_do() -> None:
    quick, slow = reply(GOOD, delay_s=0.01), reply(GOOD, delay_s=0.4)
    with FakeModelServer([quick]) as first, FakeModelServer([slow]) as second:
        raws = read(engine(first.url, second.url, in_flight=2), [page(n) for n in range(1, 21)])

    assert 20 == len(raws) == len(first.chats) + len(second.chats)
    assert len(first.chats) > len(second.chats) >= 1


def test_one_of_three_servers_dead_loses_no_page_and_asks_nothing_twice() -> None:
    good = reply(GOOD, delay_s=0.01)
    with FakeModelServer([good]) as first, FakeModelServer([good]) as second:
        reader = engine(first.url, unused_url(), second.url, in_flight=2, rest_s=5.0, tries=4)
        raws = read(reader, [page(n) for n in range(1, 21)])

    assert list(range(1, 21)) == [raw.page for raw in raws]
    assert len(first.chats) + len(second.chats) == 20


def test_pages_are_spread_evenly_while_there_is_room_everywhere() -> None:
    slow = reply(GOOD, delay_s=0.2)
    with FakeModelServer([slow]) as first, FakeModelServer([slow]) as second:
        read(engine(first.url, second.url, in_flight=10), [page(n) for n in range(1, 7)])

    assert (len(first.chats), len(second.chats)) == (3, 3)


def test_server_that_failed_is_left_alone_while_it_rests() -> None:
    with FakeModelServer([fake.engine_dead()]) as broken, FakeModelServer([reply(GOOD)]) as sound:
        raws = read(engine(broken.url, sound.url, in_flight=2, rest_s=20.0), [page(n) for n in range(1, 21)])

    assert (len(raws), len(sound.chats)) == (20, 20)
    assert 1 <= len(broken.chats) <= 2


def test_server_that_comes_back_is_used_again() -> None:
    async def go(first: FakeModelServer, second: FakeModelServer) -> None:
        reader = engine(first.url, second.url, in_flight=1, rest_s=0.05, tries=4)
        for number in range(1, 200):
            await asyncio.gather(*(reader.read(page(number), PICTURE) for _ in range(2)))
            if len(first.chats) > 2:
                break
        await reader.close()

    with (
        FakeModelServer([fake.engine_dead(), reply(GOOD)]) as first,
        FakeModelServer([reply(GOOD, delay_s=0.01)]) as second,
    ):
        asyncio.run(go(first, second))

    assert len(first.chats) > 2


def test_full_server_is_given_less_and_every_page_is_read() -> None:
    def at_most_two(body: dict[str, Any]) -> fake.Answer:
        return fake.queue_full() if server.running >= 2 else reply(GOOD, delay_s=0.02)

    with FakeModelServer([at_most_two]) as server:
        raws = read(engine(server.url, in_flight=8, tries=12), [page(n) for n in range(1, 25)])

    assert len(raws) == 24
    assert len(server.chats) < 2 * 24


def test_wait_that_a_busy_server_asks_for_is_kept() -> None:
    async def go(url: str) -> ServerBusy:
        server = ChatServer(url)
        try:
            await server.chat({}, timeout_s=5)
        except ServerBusy as busy:
            return busy
        finally:
            await server.close()
        raise AssertionError("not busy")

    asked = []
    for header in ("7", "100000", "nan", "Wed, 21 Oct 2026 07:28:00 GMT"):
        with FakeModelServer([fake.queue_full(header)]) as server:
            asked.append(asyncio.run(go(server.url)).retry_after_s)

    assert asked == [7.0, 60.0, 0.0, 0.0]


def test_engine_works_in_one_event_loop_after_another() -> None:
    with FakeModelServer([reply(GOOD)]) as server:
        reader = engine(server.url)
        texts = [read(reader)[0].text for _ in range(3)]

    assert texts == [GOOD] * 3


def test_another_try_is_warmer_each_time() -> None:
    async def go(reader: VllmEngine) -> list[float]:
        raws = [await reader.read_again(page(), PICTURE, attempt=n, problems=()) for n in (1, 2, 3)]
        await reader.close()
        return [raw.temperature for raw in raws]

    with FakeModelServer([reply(GOOD)]) as server:
        temperatures = asyncio.run(go(engine(server.url)))

    assert [0.2, 0.5, 0.5] == temperatures == [seen.body["temperature"] for seen in server.chats]


def test_identity_holds_neither_addresses_nor_keys_nor_limits() -> None:
    one = VllmEngine(["http://gpu-1:8000/v1"], "m", api_key="secret-1", in_flight=4)
    other = VllmEngine(["http://gpu-2:8000/v1"], "m", api_key="secret-2", in_flight=64)

    assert one.identity == other.identity
    assert "gpu" not in json.dumps(dict(one.identity)) and "secret" not in json.dumps(dict(one.identity))
    assert one.identity != VllmEngine(["http://gpu-1:8000/v1"], "m2").identity


def test_key_that_a_server_repeats_is_not_repeated_by_us() -> None:
    said = fake.refusal(401, "Incorrect API key provided: key-very-secret. " + "x" * 5000)
    with FakeModelServer([said]) as server, pytest.raises(ModelRefused) as caught:
        read(engine(server.url, api_key="key-very-secret"))

    assert "key-very-secret" not in str(caught.value) and len(str(caught.value)) < 300


def test_errors_survive_the_way_between_processes() -> None:
    sent = RequestRefused("refused", 400, "because")

    came = pickle.loads(pickle.dumps(sent))

    assert (RequestRefused, "refused", 400, "because") == (type(came), str(came), came.status, came.complaint)


def test_fleet_without_servers_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a server"):
        Fleet([], in_flight=1, rest_s=1, give_up_after=1)


@pytest.mark.parametrize(
    ("size", "v1", "v2"),
    [
        ((640, 640), 273, 257),
        ((768, 768), 693, 257),
        ((1000, 1000), 693, 833),
        ((1240, 1754), 903, 1121),
        ((2339, 1654), 893, 1121),
        ((800, 3000), 713, 833),
        ((500, 1000), 493, 545),
    ],
)
def test_vision_tokens_are_those_a_server_counted(size: tuple[int, int], v1: int, v2: int) -> None:
    assert (v1, v2) == (DEEPSEEK_OCR.tokens(PixelSize(*size)), DEEPSEEK_OCR_2.tokens(PixelSize(*size)))


def test_second_model_is_known_by_its_name() -> None:
    assert DEEPSEEK_OCR_2 is tiling_of("deepseek-ai/DeepSeek-OCR-2")
    assert DEEPSEEK_OCR is tiling_of("deepseek-ai/DeepSeek-OCR")


def ask_again(reader: VllmEngine, *kinds: ProblemKind, attempt: int = 1) -> RawPage:
    problems = [Problem(Stage.READ, kind, "") for kind in kinds]

    async def go() -> RawPage:
        try:
            return await reader.read_again(page(), PICTURE, attempt=attempt, problems=problems)
        finally:
            await reader.close()

    return asyncio.run(go())


def test_repeated_words_are_forbidden_only_on_the_retry_after_a_loop() -> None:
    with FakeModelServer([reply(GOOD)]) as server:
        reader = engine(server.url)
        [first] = read(reader)
        raws = [
            first,
            ask_again(reader, ProblemKind.CUT_OFF),
            ask_again(reader, ProblemKind.LOOP, ProblemKind.CUT_OFF),
            ask_again(reader, ProblemKind.ROWS_ALTERED, attempt=2),
            ask_again(reader, ProblemKind.LOOP, attempt=2),
        ]
    banned = ["vllm_xargs" in seen.body for seen in server.chats]

    assert [False, False, True, False, False] == banned == [raw.ngram_ban for raw in raws]
    assert server.chats[2].body["vllm_xargs"] == {
        "ngram_size": 30,
        "window_size": 90,
        "whitelist_token_ids": [128821, 128822],
    }


def test_page_without_words_or_a_table_without_cells_is_at_last_read_in_the_other_mode() -> None:
    with FakeModelServer([reply(GOOD)]) as server:
        reader = engine(server.url)
        prompts = [
            ask_again(reader, kind, attempt=attempt).prompt
            for kind in (ProblemKind.NO_TEXT, ProblemKind.TABLE_WITHOUT_CELLS, ProblemKind.CUT_OFF)
            for attempt in (1, 2)
        ]

    document, other = "<|grounding|>Convert the document to markdown.", "<|grounding|>OCR this image."
    assert prompts == [document, other, document, other, document, document]


def test_server_that_knows_no_extras_is_asked_plainly_from_then_on() -> None:
    def strict(body: dict[str, Any]) -> fake.Answer:
        return (
            fake.refusal(400, "Extra inputs are not permitted")
            if "repetition_detection" in body
            else reply(GOOD)
        )

    with FakeModelServer([strict]) as server:
        reader = engine(server.url)
        raws = [*read(reader), *read(reader), ask_again(reader, ProblemKind.LOOP)]

    assert [raw.text for raw in raws] == [GOOD] * 3 and not any(raw.ngram_ban for raw in raws)
    assert ["repetition_detection" in seen.body for seen in server.chats] == [True, False, False, False]


def test_server_that_does_not_say_it_is_vllm_gets_no_extras() -> None:
    with FakeModelServer([reply(GOOD)], version=None) as server:
        read(engine(server.url))

    assert "repetition_detection" not in server.chats[0].body


@pytest.mark.parametrize(
    ("task", "sought", "prompt", "form"),
    [
        (OcrTask.OCR, "", "<|grounding|>OCR this image.", ReplyFormat.GROUNDING),
        (OcrTask.FREE, "", "Free OCR.", ReplyFormat.TEXT),
        (OcrTask.FIGURE, "", "Parse the figure.", ReplyFormat.TEXT),
        (OcrTask.DESCRIBE, "", "Describe this image in detail.", ReplyFormat.TEXT),
        (OcrTask.LOCATE, "Total", "Locate <|ref|>Total<|/ref|> in the image.", ReplyFormat.GROUNDING),
        (OcrTask.CUSTOM, "<image>\nRead the stamp.", "Read the stamp.", ReplyFormat.TEXT),
    ],
)
def test_every_task_sends_its_prompt_and_knows_what_comes_back(
    task: OcrTask, sought: str, prompt: str, form: ReplyFormat
) -> None:
    with FakeModelServer([reply(GOOD)]) as server:
        reader = engine(server.url, task=task, sought=sought)
        [raw] = read(reader)

    assert server.chats[0].body["messages"][0]["content"][1]["text"] == prompt == raw.prompt
    assert raw.reply_format is form
    assert reader.longest_ratio == (6.0 if task in (OcrTask.OCR, OcrTask.FREE) else float("inf"))


def test_locating_nothing_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ValueError, match="needs words"):
        VllmEngine(["http://127.0.0.1:9/v1"], "m", task=OcrTask.LOCATE)


def test_reply_that_is_streamed_is_heard_in_order_and_is_the_same_reply() -> None:
    heard: list[tuple[int, str]] = []
    with FakeModelServer([reply(GOOD, "length")]) as server:
        [plain] = read(engine(server.url))
        [raw] = read(engine(server.url, on_text=lambda number, text: heard.append((number, text))))

    assert replace(raw, seconds=0) == replace(plain, seconds=0)
    assert heard[0] == (1, "") and len(heard) > 4
    assert "".join(text for _, text in heard) == GOOD


@pytest.mark.parametrize(
    "bad",
    [
        fake.broken_off(80),
        fake.queue_full(),
        fake.Answer(200, b"data: [DONE]\n\n", (("Content-Type", "text/event-stream"),)),
    ],
)
def test_stream_that_breaks_off_is_asked_for_again(bad: fake.Answer) -> None:
    with FakeModelServer([bad, reply(GOOD)]) as server:
        [raw] = read(engine(server.url, on_text=lambda number, text: None))

    assert (raw.text, len(server.chats)) == (GOOD, 2)


def test_server_that_is_not_well_gets_no_page_until_it_is() -> None:
    async def go(first: FakeModelServer, second: FakeModelServer) -> None:
        reader = engine(first.url, second.url, in_flight=1, rest_s=0.02, tries=3)
        while len([seen for seen in first.others if seen.path == "/health"]) < 3:
            await asyncio.gather(*(reader.read(page(), PICTURE) for _ in range(2)))
        assert len(first.chats) == 1
        first.healthy = True
        while len(first.chats) < 3:
            await asyncio.gather(*(reader.read(page(), PICTURE) for _ in range(2)))
        await reader.close()

    with (
        FakeModelServer([fake.engine_dead(), reply(GOOD)], healthy=False) as first,
        FakeModelServer([reply(GOOD, delay_s=0.01)]) as second,
    ):
        asyncio.run(asyncio.wait_for(go(first, second), 20))


def test_server_with_a_long_queue_is_given_less() -> None:
    def load() -> tuple[int, int]:
        return min(server.running, 4), max(0, server.running - 4)

    with FakeModelServer([reply(GOOD, delay_s=0.03)], load=load) as server:
        read(engine(server.url, in_flight=24, look_every_s=0.02), [page(n) for n in range(1, 150)])
    looks = [seen for seen in server.others if seen.path == "/metrics"]

    assert len(looks) >= 3 and len(server.chats) == 149


def test_one_long_queue_means_nothing_and_a_second_takes_a_quarter() -> None:
    member = Member(ChatServer("http://127.0.0.1:9/v1"), 24, 24.0, 24.0, outstanding=24)
    rooms = []
    for load in (ServerLoad(4, 20), ServerLoad(24, 0), ServerLoad(4, 20), ServerLoad(4, 20)):
        member.sees(load)
        rooms.append(member.room)

    assert rooms == [24, 24, 24, 18]


def test_only_a_reply_after_its_rest_gives_a_server_everything_back() -> None:
    member = Member(ChatServer("http://127.0.0.1:9/v1"), 64, 64.0, 64.0)
    member.failed(ModelUnreachable("away"), now=10.0, rest_s=1.0)
    rooms = [member.room]
    for now in (10.1, member.resting_until):
        member.answered(now)
        rooms.append(member.room)

    assert rooms == [1, 1, 64]


def test_server_that_tells_no_load_is_soon_not_asked_for_it() -> None:
    with FakeModelServer([reply(GOOD, delay_s=0.01)]) as server:
        read(engine(server.url, in_flight=2, look_every_s=0.01), [page(n) for n in range(1, 40)])

    assert [seen.path for seen in server.others].count("/metrics") == 2


def test_load_is_read_from_what_a_server_was_seen_to_say() -> None:
    text = (
        'vllm:num_requests_running{engine="0",model_name="a"} 8.0\n'
        'vllm:num_requests_waiting{engine="0",model_name="a"} 6.0\n'
        'vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 99.0\n'
        'vllm:num_requests_running{engine="1",model_name="a"} 2.0\n'
    )

    assert parse_load(text) == ServerLoad(running=10, waiting=6)
    assert parse_load("vllm:num_requests_running 1\n") is None
    assert parse_load("vllm:num_requests_running 1\nvllm:num_requests_waiting 1e999\n") is None
    assert parse_load("<html>") is None


@pytest.mark.parametrize(
    ("load", "ours", "too_many"),
    [
        ((8, 0), 8, 0),
        ((8, 1), 9, 0),
        ((64, 8), 72, 0),
        ((8, 9), 17, 5),
        ((8, 9), 4, 2),
        ((0, 0), 0, 0),
        ((0, 5), 9, 1),
    ],
)
def test_only_our_share_of_a_long_queue_is_too_many(load: tuple[int, int], ours: int, too_many: int) -> None:
    assert ServerLoad(*load).too_many(ours) == too_many


@pytest.mark.parametrize(
    ("model", "counted", "fits"),
    [
        ("deepseek-ai/DeepSeek-OCR", 913, True),
        ("deepseek-ai/DeepSeek-OCR", 1131, False),
        ("deepseek-ai/DeepSeek-OCR-2", 1131, True),
        ("deepseek-ai/DeepSeek-OCR-2", 913, False),
        ("my-own-model", 5, True),
    ],
)
def test_token_count_of_another_model_is_a_problem(model: str, counted: int, fits: bool) -> None:
    answer = reply(GOOD, model=model, prompt_tokens=counted)
    with FakeModelServer([answer], models=[(model, 8192)]) as server:
        [raw] = read(VllmEngine([server.url], model))
    block = Block("p001.b001", "text", (GridBox(0, 0, 9, 9),), "x")

    found = [problem.kind for problem in reply_problems(raw, (block,), True)]
    assert found == ([] if fits else [ProblemKind.WRONG_PROCESSOR])


@pytest.mark.parametrize(
    ("size", "served", "named"),
    [
        ((640, 640), DEEPSEEK_OCR, "DeepSeek-OCR-2"),
        ((640, 640), DEEPSEEK_OCR_2, "DeepSeek-OCR"),
        ((500, 1000), DEEPSEEK_OCR, "DeepSeek-OCR-2"),
    ],
)
def test_models_are_told_apart_even_by_small_pictures(
    size: tuple[int, int], served: Tiling, named: str
) -> None:
    prompt = "<|grounding|>Convert the document to markdown."
    fewest, most = expected_tokens(named, PixelSize(*size), prompt)

    assert not fewest <= served.tokens(PixelSize(*size)) + 10 <= most
