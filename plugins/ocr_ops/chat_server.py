"""One OpenAI-compatible chat server: requests out, completions back, and only errors of `errors.py`.

The only module that opens a socket to a model. Connections belong to the event loop that runs: a server object may be
used by one loop after another, and is closed in each. It does not retry and knows neither prompts nor pages.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from ocr_ops.errors import ModelUnreachable, TransientError
from ocr_ops.model_faults import RequestRefused, ServerBusy, ServerFailed, fault_of
from ocr_ops.server_load import ServerLoad, parse_load

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletionChunk

QUESTION_TIMEOUT_S = 10.0
"""For the small questions: which models, which version."""
CONNECT_TIMEOUT_S = 10.0
POOL = 20
"""Connections that are kept together. A pool looks at each of its connections twice a request, which at 128 in flight
was 40 % of a client's work."""
KEEP_ALIVE_S = 3.0
"""Below the 5 s after which vLLM closes an idle connection, so that a request seldom meets a closed one."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One reply. `finish_reason` other than "stop" means that it is not an answer."""

    text: str
    finish_reason: str
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class About:
    """What a server says of itself: `models` with their context in tokens (0 where unsaid), and its version or ""."""

    models: tuple[tuple[str, int], ...] = ()
    version: str = ""

    def context_of(self, model: str) -> int:
        """Context of a model in tokens, 0 where the server does not say."""
        return dict(self.models).get(model, 0)


@dataclass(slots=True)
class _Heard:
    """A reply while it comes in pieces."""

    on_text: Callable[[str], None]
    pieces: list[str] = field(default_factory=list)
    finish_reason: str = ""
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def take(self, chunk: ChatCompletionChunk) -> None:
        self.model = chunk.model or self.model
        if chunk.usage is not None:
            self.prompt_tokens = chunk.usage.prompt_tokens or 0
            self.completion_tokens = chunk.usage.completion_tokens or 0
        for choice in (chunk.choices or ())[:1]:
            self.finish_reason = choice.finish_reason or self.finish_reason
            if choice.delta.content:
                self.pieces.append(choice.delta.content)
                self.on_text(choice.delta.content)

    def completion(self, server: str, seconds: float) -> Completion:
        """The whole reply; one that stopped without saying why broke off."""
        if not self.finish_reason:
            raise ServerFailed(f"{server} broke off in the middle of a reply", 200)
        return Completion(
            "".join(self.pieces),
            self.finish_reason,
            self.model,
            self.prompt_tokens,
            self.completion_tokens,
            round(seconds, 3),
        )


@dataclass(slots=True)
class _Session:
    loop: asyncio.AbstractEventLoop
    clients: tuple[AsyncOpenAI, ...]
    turn: int = 0
    about: asyncio.Task[About] | None = None

    @property
    def client(self) -> AsyncOpenAI:
        """The next one in turn."""
        self.turn = (self.turn + 1) % len(self.clients)
        return self.clients[self.turn]


class ChatServer:
    """A server at a base URL that ends in /v1."""

    def __init__(self, url: str, *, api_key: str = "", connections: int = 64) -> None:
        self._url = url.rstrip("/")
        self._root = self._url.removesuffix("/v1")
        self._api_key = api_key
        self._connections = connections
        self._open: _Session | None = None
        parts = urlsplit(self._url)
        self._is_local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        self.name = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)

    async def chat(self, body: Mapping[str, Any] | bytes, *, timeout_s: float) -> Completion:
        """Ask for one completion, with a body or with the JSON of one.

        A cancelled call closes its connection, which stops the server's work on it.
        Raises `ModelRefused`, `ModelBusy` or `ModelUnreachable`.
        """
        started = time.perf_counter()
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        text = await self._send("POST", "/chat/completions", content, timeout_s)
        return _completion(text, self.name, time.perf_counter() - started)

    async def chat_aloud(
        self, body: bytes, on_text: Callable[[str], None], *, timeout_s: float
    ) -> Completion:
        """The same, but `on_text` hears every piece of the reply as the model writes it; `body` asks for a stream."""
        import httpx2
        from openai import AsyncStream, OpenAIError
        from openai.types.chat import ChatCompletionChunk

        started = time.perf_counter()
        heard = _Heard(on_text)
        try:
            async with asyncio.timeout(timeout_s):
                stream = await self._session().client.post(
                    "/chat/completions",
                    cast_to=ChatCompletionChunk,
                    content=body,
                    options={"timeout": timeout_s},
                    stream=True,
                    stream_cls=AsyncStream[ChatCompletionChunk],
                )
                async with stream:
                    async for chunk in stream:
                        heard.take(chunk)
        except TimeoutError:
            raise ModelUnreachable(f"{self.name} did not answer in time") from None
        except (OpenAIError, httpx2.HTTPError, httpx2.InvalidURL, ValueError) as problem:
            raise fault_of(problem, self.name, self._api_key) from problem
        return heard.completion(self.name, time.perf_counter() - started)

    async def load(self) -> ServerLoad | None:
        """How busy the server says it is, None where it does not say; raises `ModelBusy` or `ModelUnreachable`."""
        try:
            return parse_load(await self._send("GET", f"{self._root}/metrics", None, QUESTION_TIMEOUT_S))
        except RequestRefused:
            return None

    async def check_health(self) -> bool:
        """Whether the server says that it is well, False where it has no such page.

        Raises `ModelUnreachable` when it is away or says that it is not.
        """
        try:
            await self._send("GET", f"{self._root}/health", None, QUESTION_TIMEOUT_S)
            return True
        except RequestRefused:
            return False
        except ServerBusy as problem:
            raise ServerFailed(f"{self.name} says that it is not well", 503) from problem

    async def about(self) -> About:
        """What the server says of itself, asked once a session; an empty answer where it does not say.

        Raises `ModelRefused` for a refused key, `ModelBusy` or `ModelUnreachable`.
        """
        session = self._session()
        if session.about is None:
            session.about = session.loop.create_task(self._ask_about())
        try:
            return await asyncio.shield(session.about)
        finally:
            if session.about is not None and session.about.done() and _failed(session.about):
                session.about = None

    async def close(self) -> None:
        """Close the connections of the running event loop; those of a loop that is gone are gone with it."""
        session, self._open = self._open, None
        if session is None or session.loop is not asyncio.get_running_loop():
            return
        if session.about is not None and not session.about.done():
            session.about.cancel()
            await asyncio.wait([session.about])
        for client in session.clients:
            await client.close()

    async def _ask_about(self) -> About:
        try:
            models = _models(await self._send("GET", "/models", None, QUESTION_TIMEOUT_S))
        except RequestRefused as refusal:
            if refusal.status in (401, 403):
                raise
            models = ()
        try:
            version = _version(await self._send("GET", f"{self._root}/version", None, QUESTION_TIMEOUT_S))
        except (RequestRefused, TransientError):
            version = ""
        return About(models, version)

    async def _send(self, method: str, path: str, content: bytes | None, timeout_s: float) -> str:
        # importing openai takes most of a second, which who never meets a model server need not wait for
        import httpx2
        from openai import OpenAIError

        client = self._session().client
        options: Any = {"timeout": httpx2.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s))}
        try:
            if method == "GET":
                response = await client.get(path, cast_to=httpx2.Response, options=options)
            else:
                response = await client.post(path, cast_to=httpx2.Response, content=content, options=options)
            return response.text
        except (OpenAIError, httpx2.HTTPError, httpx2.InvalidURL, ValueError) as problem:
            raise fault_of(problem, self.name, self._api_key) from problem

    def _session(self) -> _Session:
        loop = asyncio.get_running_loop()
        if self._open is None or self._open.loop is not loop:
            self._open = _Session(loop, self._new_clients())
        return self._open

    def _new_clients(self) -> tuple[AsyncOpenAI, ...]:
        import httpx2
        from openai import AsyncOpenAI

        # reading the list of authorities takes a tenth of a second, which a server without TLS has no use for
        tls = urlsplit(self._url).scheme != "http" and httpx2.create_ssl_context(trust_env=not self._is_local)
        limits = httpx2.Limits(
            max_connections=self._connections,
            max_keepalive_connections=self._connections,
            keepalive_expiry=KEEP_ALIVE_S,
        )
        # no redirects: a key and a document go to the server that was named and to no other; no proxy stands before loopback
        return tuple(
            AsyncOpenAI(
                base_url=self._url,
                api_key=self._api_key or "none",
                organization="",
                project="",
                max_retries=0,
                http_client=httpx2.AsyncClient(
                    limits=limits, verify=tls, follow_redirects=False, trust_env=not self._is_local
                ),
            )
            for _ in range(math.ceil(self._connections / POOL))
        )


def patience(tries: int, backoff_s: float, *, for_server: bool = True) -> AsyncRetrying:
    """Try again what a `TransientError` stopped: doubling waits with jitter, and what a busy server asked for.

    `for_server` False: the wait a server asked for is kept by whoever chooses servers, so another may be asked sooner.
    """

    def wait_s(state: RetryCallState) -> float:
        problem = state.outcome.exception() if state.outcome else None
        asked = problem.retry_after_s if for_server and isinstance(problem, ServerBusy) else 0.0
        # jitter spreads callers, it guards nothing
        return max(asked, random.uniform(0.5, 1.0) * min(backoff_s * 2.0 ** (state.attempt_number - 1), 30.0))  # noqa: S311

    return AsyncRetrying(
        stop=stop_after_attempt(tries),
        wait=wait_s,
        retry=retry_if_exception_type(TransientError),
        reraise=True,
    )


def _failed(task: asyncio.Task[About]) -> bool:
    return task.cancelled() or task.exception() is not None


def _completion(text: str, server: str, seconds: float) -> Completion:
    try:
        reply = json.loads(text)
        choice = reply["choices"][0]
        usage = reply.get("usage") or {}
        return Completion(
            text=_said(choice["message"]),
            finish_reason=_ending(choice.get("finish_reason")),
            model=str(reply.get("model") or ""),
            prompt_tokens=int(usage.get("prompt_tokens") or 0),
            completion_tokens=int(usage.get("completion_tokens") or 0),
            seconds=round(seconds, 3),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as problem:
        raise ServerFailed(
            f"{server} answered with something that is not a chat completion", 200
        ) from problem


def _said(message: Any) -> str:
    """The words of a message, or what it hands to the tool that it was asked to use."""
    calls = message.get("tool_calls")
    content = calls[0]["function"]["arguments"] if calls else message.get("content")
    return content if isinstance(content, str) else ""


def _ending(reason: object) -> str:
    """Why a reply ended; one that ends in the use of a tool is as whole as any other."""
    return "stop" if reason == "tool_calls" else str(reason or "none")


def _models(text: str) -> tuple[tuple[str, int], ...]:
    try:
        listed = [entry for entry in json.loads(text)["data"] if isinstance(entry.get("id"), str)]
        return tuple((entry["id"], _length(entry.get("max_model_len"))) for entry in listed)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()


def _length(value: object) -> int:
    return int(value) if isinstance(value, int | float) and math.isfinite(value) and value > 0 else 0


def _version(text: str) -> str:
    try:
        return str(json.loads(text)["version"])[:60]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
