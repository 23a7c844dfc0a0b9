"""DeepSeek-OCR, or another grounding OCR model, on one or many vLLM servers.

In: page pictures. Out: `RawPage`s with the model's grounded markup as it came. Requests are what such a server takes
well: the picture first, then the exact prompt, no system message, special tokens kept, `max_tokens` no more than the
context leaves. It never sends `mm_processor_kwargs` (one such request can kill a server) nor an address of a picture.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from ocr_ops import prompts
from ocr_ops.chat_server import About, ChatServer, Completion, patience
from ocr_ops.engines.fleet import Fleet
from ocr_ops.engines.tiles import tiling_of
from ocr_ops.model import PageImage, PixelSize, Problem, RawPage, ReplyFormat

DEFAULT_CONTEXT = 8192
"""Tokens of picture, prompt and reply together, where the server does not say."""
RETRY_TEMPERATURES = (0.2, 0.5)
"""Only a changed request can cure a bad reply: greedy decoding repeats itself."""
SPARE_TOKENS = 16

_FIRST_TOKEN_S = 60.0
_SLOWEST_TOKEN_S = 0.05


class VllmEngine:
    """Reads pages on vLLM servers, many at a time, wherever there is least to do."""

    def __init__(
        self,
        urls: Sequence[str],
        model: str,
        *,
        api_key: str = "",
        in_flight: int = 16,
        task: prompts.OcrTask = prompts.OcrTask.DOCUMENT,
        max_tokens: int | None = None,
        timeout_s: float | None = None,
        tries: int = 5,
        rest_s: float = 1.0,
    ) -> None:
        """`in_flight` is per URL; `tries` per page; `timeout_s` None follows the token budget of the request."""
        servers = [ChatServer(url, api_key=api_key, connections=in_flight + 2) for url in urls]
        self._fleet = Fleet(servers, in_flight=in_flight, rest_s=rest_s, give_up_after=tries)
        self._model = model
        self._prompt = prompts.ocr_prompt(task)
        self._max_tokens = max_tokens
        self._timeout_s = timeout_s
        self._tries = tries
        # short: what failed rests in the fleet, and another server may be free
        self._backoff_s = rest_s / 20

    @property
    def identity(self) -> Mapping[str, str]:
        """What decides a reply; addresses, keys and limits stay out."""
        return {
            "engine": "vllm",
            "model": self._model,
            "prompt": self._prompt,
            "prompt_version": prompts.OCR_VERSION,
            "max_tokens": str(self._max_tokens or "context"),
            "temperature": "0",
        }

    async def read(self, page: PageImage, picture: bytes) -> RawPage:
        """Read one page; raises `ModelRefused`, `ModelBusy` or `ModelUnreachable` once waiting did not help."""
        return await self._ask(page, picture, temperature=0.0)

    async def read_again(
        self, page: PageImage, picture: bytes, *, attempt: int, problems: Sequence[Problem]
    ) -> RawPage:
        """Read a page whose reply was bad once more, differently; `attempt` counts from 1."""
        temperature = RETRY_TEMPERATURES[min(attempt, len(RETRY_TEMPERATURES)) - 1]
        return await self._ask(page, picture, temperature=temperature)

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        await self._fleet.close()

    async def _ask(self, page: PageImage, picture: bytes, *, temperature: float) -> RawPage:
        async for attempt in patience(self._tries, self._backoff_s, for_server=False):
            with attempt:
                return await self._ask_once(page, picture, temperature)
        raise AssertionError("patience ends with a reply or an error")

    async def _ask_once(self, page: PageImage, picture: bytes, temperature: float) -> RawPage:
        async with self._fleet.server() as server:
            about = await server.about()
            budget = self._token_budget(about, page.size)
            timeout_s = self._timeout_s or _FIRST_TOKEN_S + budget * _SLOWEST_TOKEN_S
            completion = await server.chat(
                self._request(page, picture, budget, temperature), timeout_s=timeout_s
            )
        return self._raw_page(page, completion, about, temperature)

    def _token_budget(self, about: About, size: PixelSize) -> int:
        context = about.context_of(self._model) or DEFAULT_CONTEXT
        # four characters make about one token; three leaves room
        prompt_tokens = tiling_of(self._model).tokens(size) + len(self._prompt) // 3 + SPARE_TOKENS
        left = max(1, context - prompt_tokens)
        return min(left, self._max_tokens) if self._max_tokens else left

    def _request(self, page: PageImage, picture: bytes, budget: int, temperature: float) -> dict[str, Any]:
        url = f"data:{page.media_type};base64,{base64.b64encode(picture).decode('ascii')}"
        parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": self._prompt}]
        return {
            "model": self._model,
            "messages": [{"role": "user", "content": parts}],
            "temperature": temperature,
            "max_tokens": budget,
            "skip_special_tokens": False,
        }

    def _raw_page(self, page: PageImage, completion: Completion, about: About, temperature: float) -> RawPage:
        return RawPage(
            page=page.number,
            engine="vllm",
            model=completion.model or self._model,
            version=about.version,
            reply_format=ReplyFormat.GROUNDING,
            text=completion.text,
            finish_reason=completion.finish_reason,
            prompt=self._prompt,
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            seconds=completion.seconds,
            temperature=temperature,
        )
