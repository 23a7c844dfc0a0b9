"""What a real server says no with becomes the right error: what waiting cures is told from what it does not."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Callable
from typing import Any

import openai
import pytest
from PIL import Image

from live.live_server import LiveServer
from live.pictures import shown
from ocr_ops.chat_server import ChatServer, Completion
from ocr_ops.errors import ModelBusy, ModelRefused, OcrOpsError
from ocr_ops.model_faults import ContextExceeded, PictureRefused, RequestRefused, ServerBusy, fault_of

pytestmark = pytest.mark.live

Json = dict[str, Any]
LONG_WORDS = "harbour " * 8000
"""Some eight thousand tokens."""


def picture_part(data: bytes, media_type: str = "image/png") -> Json:
    return address_part(f"data:{media_type};base64,{base64.b64encode(data).decode()}")


def address_part(url: str) -> Json:
    return {"type": "image_url", "image_url": {"url": url}}


def asking(*parts: Json, words: str = "Parse the figure.", **extra: Any) -> Json:
    content = [*parts, {"type": "text", "text": words}]
    return {"messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": 8, **extra}


def good_picture() -> bytes:
    return shown(200, 200)[1]


def torn_picture() -> bytes:
    noise = Image.effect_noise((300, 300), 90)
    kept = io.BytesIO()
    noise.save(kept, "PNG")
    return kept.getvalue()[:20_000]


def giant_picture() -> bytes:
    kept = io.BytesIO()
    Image.new("1", (14_000, 13_000)).save(kept, "PNG")
    return kept.getvalue()


def schema(kind: str) -> Json:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": kind}}}


REFUSED: dict[str, tuple[Callable[[], Json], type[OcrOpsError], int, str]] = {
    "another model": (lambda: asking(model="nope"), RequestRefused, 404, "does not exist"),
    "more tokens than the context": (
        lambda: asking(max_tokens=100_000),
        ContextExceeded,
        400,
        "max_model_len",
    ),
    "words beyond the context": (
        lambda: asking(words=LONG_WORDS * 2),
        ContextExceeded,
        400,
        "maximum context length",
    ),
    "picture and words beyond the context": (
        lambda: asking(picture_part(good_picture()), words=LONG_WORDS),
        ContextExceeded,
        400,
        "maximum context length",
    ),
    "no tokens at all": (lambda: asking(max_tokens=0), RequestRefused, 400, "at least 1"),
    "no picture but words": (
        lambda: asking(picture_part(b"not a picture")),
        PictureRefused,
        400,
        "cannot identify",
    ),
    "nothing where a picture belongs": (
        lambda: asking(picture_part(b"")),
        PictureRefused,
        400,
        "cannot identify",
    ),
    "a PDF": (
        lambda: asking(picture_part(b"%PDF-1.7\n1 0 obj\n", "application/pdf")),
        PictureRefused,
        400,
        "cannot identify",
    ),
    "a torn picture": (lambda: asking(picture_part(torn_picture())), PictureRefused, 400, "truncated"),
    "no base64": (
        lambda: asking(address_part("data:image/png;base64,!!!!")),
        RequestRefused,
        400,
        "base64",
    ),
    "a picture of 182 megapixels": (
        lambda: asking(picture_part(giant_picture())),
        PictureRefused,
        500,
        "decompression bomb",
    ),
    "an address nobody answers at": (
        lambda: asking(address_part("http://127.0.0.1:9/a.png")),
        RequestRefused,
        500,
        "Cannot connect",
    ),
    "a file of the server": (
        lambda: asking(address_part("file:///etc/hostname")),
        RequestRefused,
        500,
        "local files",
    ),
    "two pictures": (
        lambda: asking(picture_part(good_picture()), picture_part(good_picture())),
        RequestRefused,
        400,
        "At most 1 image",
    ),
    "options for the processor": (
        lambda: asking(picture_part(good_picture()), mm_processor_kwargs={"crop_mode": False}),
        RequestRefused,
        400,
        "mm_processor_kwargs",
    ),
    "a ban on nothing": (
        lambda: asking(vllm_xargs={"ngram_size": 0, "window_size": 90}),
        RequestRefused,
        400,
        "ngram_size",
    ),
    "a schema that cannot be": (
        lambda: asking(response_format=schema("nonsense")),
        RequestRefused,
        400,
        "Grammar error",
    ),
    "no messages": (lambda: {"max_tokens": 8}, RequestRefused, 400, "validation error"),
    "two turns in a row": (
        lambda: {"messages": [{"role": "user", "content": "one"}] * 2, "max_tokens": 8},
        RequestRefused,
        400,
        "roles must alternate",
    ),
}


def asked(server: LiveServer, body: Json, *, path: str = "", key: str | None = None) -> Completion:
    async def go() -> Completion:
        chat = ChatServer(
            f"{server.root}{path}/v1", api_key=server.api_key if key is None else key, connections=2
        )
        try:
            return await chat.chat({"model": server.model, **body}, timeout_s=60)
        finally:
            await chat.close()

    return asyncio.run(go())


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_waiting_cures_is_refused(server: LiveServer, name: str) -> None:
    body, error, status, words = REFUSED[name]

    with pytest.raises(ModelRefused) as caught:
        asked(server, body())

    assert type(caught.value) is error
    assert isinstance(caught.value, RequestRefused)
    assert caught.value.status == status
    assert words in caught.value.complaint


@pytest.mark.parametrize("key", ["", "wrong"])
def test_a_missing_or_wrong_key_is_refused(server: LiveServer, key: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        asked(server, asking(), key=key)

    assert (caught.value.status, caught.value.complaint) == (401, "Unauthorized")


def test_a_path_that_is_not_there_is_refused(server: LiveServer) -> None:
    with pytest.raises(RequestRefused) as caught:
        asked(server, asking(), path="/elsewhere")

    assert (caught.value.status, caught.value.complaint) == (404, "Not Found")


def test_a_method_that_is_not_there_is_refused(server: LiveServer) -> None:
    client = openai.OpenAI(base_url=server.url, api_key=server.api_key, max_retries=0)
    with client, pytest.raises(openai.APIStatusError) as caught:
        client.get("/chat/completions", cast_to=object)

    fault = fault_of(caught.value, "server")
    assert type(fault) is RequestRefused and fault.status == 405


def test_a_reply_cut_at_the_contexts_end_comes_as_success_and_says_so(server: LiveServer) -> None:
    reply = asked(server, asking(words="harbour " * 7800, max_tokens=8192, ignore_eos=True))

    assert reply.finish_reason == "length"
    assert reply.prompt_tokens + reply.completion_tokens == 8192
    assert 0 < reply.completion_tokens < 500


def test_a_full_queue_is_busy_and_the_others_are_answered(server: LiveServer) -> None:
    async def crowd() -> list[Completion | BaseException]:
        chat = ChatServer(server.url, api_key=server.api_key, connections=40)
        body = asking(words="Free OCR.", max_tokens=300, model=server.model)
        try:
            calls = (chat.chat(body, timeout_s=120) for _ in range(30))
            return await asyncio.gather(*calls, return_exceptions=True)
        finally:
            await chat.close()

    answers = asyncio.run(crowd())

    faults = [answer for answer in answers if isinstance(answer, BaseException)]
    assert faults and len(faults) < len(answers)
    assert {type(fault) for fault in faults} == {ServerBusy}
    assert all(isinstance(fault, ModelBusy) and "503" in str(fault) for fault in faults)
