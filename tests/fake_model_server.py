"""A real HTTP server on loopback that speaks the OpenAI chat interface and makes faults on demand.

`FakeModelServer(script)` answers the n-th chat request with the n-th entry of the script and everything after with the
last one. An entry is an `Answer`, or a function of the request's JSON. Bodies of faults are those that vLLM was seen to
send. It runs in a thread of its own, so that blocking and asynchronous clients meet it alike.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; `cut_after` breaks the connection after so many bytes of the body, `stall` never answers."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0
    cut_after: int | None = None
    stall: bool = False


Entry = Answer | Callable[[Json], Answer]


@dataclass
class Seen:
    """One request as it came; `answered` is what was written to the end, None for what broke off or was dropped."""

    method: str
    path: str
    headers: dict[str, str]
    body: Json = field(default_factory=dict)
    answered: Answer | None = None

    @property
    def picture(self) -> str:
        """Digest of the picture shown."""
        url = self.body["messages"][0]["content"][0]["image_url"]["url"]
        return "sha256:" + hashlib.sha256(base64.b64decode(url.partition(",")[2])).hexdigest()


def reply(
    text: str | None,
    finish: str | None = "stop",
    *,
    delay_s: float = 0.0,
    model: str = "served-model",
    prompt_tokens: int = 913,
) -> Answer:
    """A chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": len(text or "") // 4 + 1}
    return _json(
        {"object": "chat.completion", "model": model, "choices": [choice], "usage": usage}, delay_s=delay_s
    )


def tool_call(arguments: str) -> Answer:
    """A chat completion that uses the tool it was asked to use."""
    whole = json.loads(reply(None, "tool_calls").body)
    call = {"id": "1", "type": "function", "function": {"name": "record", "arguments": arguments}}
    whole["choices"][0]["message"]["tool_calls"] = [call]
    return _json(whole)


def refusal(status: int, message: str, kind: str = "BadRequestError", **extra: Any) -> Answer:
    """An error in vLLM's usual shape."""
    return _json(
        {"error": {"message": message, "type": kind, "param": None, "code": status, **extra}}, status
    )


def unauthorised() -> Answer:
    """A wrong key; `error` is a string here and nowhere else."""
    return _json({"error": "Unauthorized"}, 401)


def forbidden() -> Answer:
    """A key without the right."""
    return refusal(403, "You have insufficient permissions for this operation.")


def unknown_model() -> Answer:
    """A model that is not served."""
    return refusal(404, "The model `nope` does not exist. Valid aliases: served-model.", "NotFoundError")


def queue_full(retry_after: str | None = None) -> Answer:
    """503 of a full queue; vLLM sends no Retry-After, gateways do."""
    full = "The engine is currently busy and cannot accept new requests. Please try again later."
    return _later(refusal(503, full, "Service Unavailable"), retry_after)


def too_many_requests(retry_after: str | None = None) -> Answer:
    """429 of a gateway."""
    return _later(refusal(429, "Rate limit reached.", "rate_limit_error"), retry_after)


def _later(answer: Answer, retry_after: str | None) -> Answer:
    headers = (("Retry-After", retry_after),) if retry_after else ()
    return Answer(answer.status, answer.body, (*answer.headers, *headers))


def engine_dead() -> Answer:
    """500 of a server whose engine died."""
    return refusal(
        500,
        "EngineCore encountered an issue. See stack trace (above) for the root cause.",
        "InternalServerError",
    )


PERMANENT_500 = {
    "image too large": "Image size (182000000 pixels) exceeds limit of 178956970 pixels, could be decompression bomb DOS attack.",
    "image host": "Cannot connect to host 127.0.0.1:9 ssl:default [Connect call failed ('127.0.0.1', 9)]",
    "local file": "Cannot load local files without `--allowed-local-media-path`.",
}
"""Faults of a request that a server answers with 500 and that no waiting cures."""


def permanent(name: str) -> Answer:
    """One of the permanent faults that come as 500."""
    return refusal(500, PERMANENT_500[name], "InternalServerError")


def unreadable_picture() -> Answer:
    """400 for bytes that are no picture."""
    return refusal(400, "Failed to load image: cannot identify image file <_io.BytesIO object>")


def context_exceeded() -> Answer:
    """400 for a prompt that is too long."""
    return refusal(
        400,
        "This model's maximum context length is 8192 tokens. However, your prompt contains at least 8193.",
    )


def broken_off(after: int = 20) -> Answer:
    """A reply that dies on the way."""
    whole = reply("never seen whole")
    return Answer(whole.status, whole.body, whole.headers, cut_after=after)


def looping(words: str = "<tr><td>12</td><td>loop</td></tr>", times: int = 200) -> Answer:
    """A reply that goes round until it is cut."""
    return reply("<|ref|>table<|/ref|><|det|>[[10, 10, 990, 990]]<|/det|>\n<table>" + words * times, "length")


def garbage() -> Answer:
    """A web page where JSON belongs."""
    return Answer(200, b"<html><body>Sign in to the network</body></html>", (("Content-Type", "text/html"),))


def half_json() -> Answer:
    """JSON that stops in the middle although the connection did not break."""
    return Answer(200, b'{"choices": [{"message": {"content": "abc', (("Content-Type", "application/json"),))


def only_forms(answer: Answer, *known: str, status: int = 400) -> Callable[[Json], Answer]:
    """Refuse every form not in `known` ("json_schema", "json_object", "tool_call"); plain is always known."""

    def choose(body: Json) -> Answer:
        form = "tool_call" if "tools" in body else body.get("response_format", {}).get("type")
        if form is None or form in known:
            return answer
        return refusal(status, f"{form} is not supported by this server")

    return choose


STALL = Answer(stall=True)


class FakeModelServer:
    """Use as a context manager; `url` ends in /v1. `models` None answers /v1/models with 404, as bare proxies do."""

    def __init__(
        self,
        script: Sequence[Entry],
        *,
        models: Sequence[tuple[str, int]] | None = (("served-model", 8192),),
        version: str | None = "0.32.0",
        about_delay_s: float = 0.0,
        healthy: bool | None = None,
        load: Callable[[], tuple[int, int]] | None = None,
    ) -> None:
        """`healthy` and `load` (running, waiting) None: the server has no /health and no /metrics."""
        self.script = list(script)
        self.models = models
        self.version = version
        self.about_delay_s = about_delay_s
        self.healthy = healthy
        self.load = load
        self.chats: list[Seen] = []
        self.others: list[Seen] = []
        self.aborted = 0
        self.running = 0
        self.most_running = 0
        self.running_at: list[int] = []
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)

    def __enter__(self) -> FakeModelServer:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def die(self) -> None:
        """Stop listening and break every connection, as a killed process does."""
        asyncio.run_coroutine_threadsafe(self._die(), self._loop).result(10)

    def come_back(self) -> None:
        """Listen again at the same address."""
        asyncio.run_coroutine_threadsafe(self._listen(self.port), self._loop).result(10)

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        await self._listen(0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        await self._die()

    async def _listen(self, port: int) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=2**26)

    async def _die(self) -> None:
        self._server.close()
        tasks = list(self._open.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = asyncio.current_task()
        try:
            while (seen := await _request(reader)) is not None:
                if not await self._respond(seen, reader, writer):
                    return
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            del self._open[writer]
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

    async def _respond(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        answer = self._answer(seen)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.running_at.append(self.running)
        try:
            if answer.stall or answer.delay_s:
                gone = asyncio.ensure_future(reader.read(1))
                done, _ = await asyncio.wait([gone], timeout=None if answer.stall else answer.delay_s)
                if done:
                    self.aborted += 1
                    return False
                gone.cancel()
                await asyncio.gather(gone, return_exceptions=True)
        finally:
            self.running -= 1
        writer.write(_head(answer) + answer.body[: answer.cut_after])
        await writer.drain()
        seen.answered = answer if answer.cut_after is None else None
        return answer.cut_after is None

    def _answer(self, seen: Seen) -> Answer:
        if seen.path == "/v1/chat/completions":
            self.chats.append(seen)
            entry = self.script[min(len(self.chats), len(self.script)) - 1]
            answer = entry(seen.body) if callable(entry) else entry
            return _streamed(answer) if seen.body.get("stream") and answer.status == 200 else answer
        self.others.append(seen)
        if seen.path == "/v1/models" and self.models is not None:
            listed = [{"id": name, "max_model_len": length} for name, length in self.models]
            return _json({"data": listed}, delay_s=self.about_delay_s)
        if seen.path == "/version" and self.version is not None:
            return _json({"version": self.version})
        if seen.path == "/health" and self.healthy is not None:
            return Answer(200 if self.healthy else 503)
        if seen.path == "/metrics" and self.load is not None:
            return _metrics(*self.load())
        return _json({"detail": "Not Found"}, 404)


def _metrics(running: int, waiting: int) -> Answer:
    labels = '{engine="0",model_name="served-model"}'
    lines = [
        "# HELP vllm:num_requests_running Number of requests in model execution batches.",
        f"vllm:num_requests_running{labels} {running}.0",
        f"vllm:num_requests_waiting{labels} {waiting}.0",
        f'vllm:num_requests_waiting_by_reason{{engine="0",reason="capacity"}} {waiting}.0',
    ]
    return Answer(200, "\n".join(lines).encode(), (("Content-Type", "text/plain"),))


def _streamed(answer: Answer) -> Answer:
    """The same completion as server-sent events, a few characters at a time."""
    try:
        whole = json.loads(answer.body)
        choice = whole["choices"][0]
    except (ValueError, KeyError, TypeError):
        return answer
    text = choice["message"]["content"] or ""
    pieces = [text[start : start + 7] for start in range(0, len(text), 7)]
    deltas: list[tuple[Json, str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": piece}, None) for piece in pieces]
    deltas.append(({}, choice["finish_reason"]))
    base = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": whole["model"]}
    chunks: list[Json] = [
        {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        for delta, finish in deltas
    ]
    chunks.append({**base, "choices": [], "usage": {**whole["usage"], "total_tokens": 0}})
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    head = (("Content-Type", "text/event-stream"),)
    return Answer(200, body.encode(), head, answer.delay_s, answer.cut_after, answer.stall)


def _json(value: Any, status: int = 200, *, delay_s: float = 0.0) -> Answer:
    return Answer(status, json.dumps(value).encode(), (("Content-Type", "application/json"),), delay_s)


def _head(answer: Answer) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} X", f"Content-Length: {len(answer.body)}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _request(reader: asyncio.StreamReader) -> Seen | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Seen(method, path, headers, json.loads(body) if body else {})
