"""DeepSeek-OCR, or another grounding OCR model, on one or many vLLM servers.

In: page pictures. Out: `RawPage`s with the model's reply as it came. Requests are what such a server takes well: the
picture first, then the exact prompt, no system message, special tokens kept, `max_tokens` no more than the context
leaves. It never sends `mm_processor_kwargs` (one such request can kill a server) nor an address of a picture.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ocr_ops import prompts
from ocr_ops.chat_server import About, ChatServer, Completion, patience
from ocr_ops.engines.fleet import LOOK_EVERY_S, Fleet
from ocr_ops.engines.tiles import LONGEST_RATIO, expected_tokens, most_text_tokens, tiling_of
from ocr_ops.model import PageImage, PixelSize, Problem, ProblemKind, RawPage, ReplyFormat
from ocr_ops.model_faults import ContextExceeded, PictureRefused, RequestRefused
from ocr_ops.prompts import OcrTask

DEFAULT_CONTEXT = 8192
"""Tokens of picture, prompt and reply together, where the server does not say."""
RETRY_TEMPERATURES = (0.2, 0.5)
"""Only a changed request can cure a bad reply: greedy decoding repeats itself."""
SPARE_TOKENS = 16
RECIPE = "2"
"""Part of the identity: raise it when the same page is asked for, or tried again, in another way."""

NGRAM_BAN: Mapping[str, Any] = {"ngram_size": 30, "window_size": 90, "whitelist_token_ids": [128821, 128822]}
"""Forbids to repeat 30 tokens within 90, cell tags excepted. Costs a GPU much and can alter rows: only after a loop."""
REPETITION_STOP: Mapping[str, int] = {"min_pattern_size": 20, "max_pattern_size": 40, "min_count": 24}
"""Lets vLLM end a reply that goes in circles. It walks through every size at every token, so the range is short: any
shorter loop is one of these sizes too. No printed table has 24 equal rows of that length."""

_FIRST_TOKEN_S = 60.0
_SLOWEST_TOKEN_S = 0.05
_CUTTABLE = frozenset({OcrTask.DOCUMENT, OcrTask.OCR, OcrTask.FREE})
_OTHER_MODE = frozenset({ProblemKind.NO_TEXT, ProblemKind.TABLE_WITHOUT_CELLS})

Listener = Callable[[int, str], None]
"""Hears a page's number and a piece of its reply; an empty piece says that a reply starts."""


@dataclass(frozen=True, slots=True)
class _Ask:
    """What may differ between two requests for one page."""

    prompt: str
    temperature: float = 0.0
    ngram_ban: bool = False


class VllmEngine:
    """Reads pages on vLLM servers, many at a time, wherever there is least to do."""

    def __init__(
        self,
        urls: Sequence[str],
        model: str,
        *,
        api_key: str = "",
        in_flight: int = 16,
        task: OcrTask = OcrTask.DOCUMENT,
        sought: str = "",
        max_tokens: int | None = None,
        timeout_s: float | None = None,
        tries: int = 5,
        rest_s: float = 1.0,
        look_every_s: float = LOOK_EVERY_S,
        on_text: Listener | None = None,
    ) -> None:
        """`in_flight` is per URL; `tries` per page; `timeout_s` None follows the token budget of the request.

        `sought` is the string that LOCATE looks for, or the whole prompt of CUSTOM. With `on_text` replies are
        streamed, which costs more work on both sides and is meant for people who watch.
        """
        servers = [ChatServer(url, api_key=api_key, connections=in_flight + 4) for url in urls]
        self._fleet = Fleet(
            servers, in_flight=in_flight, rest_s=rest_s, give_up_after=tries, look_every_s=look_every_s
        )
        self._model = model
        self._task = task
        self._prompt = prompts.ocr_prompt(task, sought)
        self._max_tokens = max_tokens
        self._timeout_s = timeout_s
        self._tries = tries
        self._on_text = on_text
        self._extras_refused = False
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
            "recipe": RECIPE,
            "max_tokens": str(self._max_tokens or "context"),
            "temperature": "0",
        }

    @property
    def longest_ratio(self) -> float:
        """Height over width beyond which a page is read in parts; infinity where parts make no sense for the task."""
        return LONGEST_RATIO if self._task in _CUTTABLE else math.inf

    async def read(self, page: PageImage, picture: bytes) -> RawPage:
        """Read one page; raises `ModelRefused`, `ModelBusy` or `ModelUnreachable` once waiting did not help."""
        return await self._read(page, picture, _Ask(self._prompt))

    async def read_again(
        self, page: PageImage, picture: bytes, *, attempt: int, problems: Sequence[Problem]
    ) -> RawPage:
        """Read a page whose reply was bad once more, differently; `attempt` counts from 1."""
        return await self._read(page, picture, self._remedy(attempt, {problem.kind for problem in problems}))

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        await self._fleet.close()

    def _remedy(self, attempt: int, kinds: set[ProblemKind]) -> _Ask:
        """Warmer each time; the ban on every first retry after a loop; the other mode where this one shows nothing."""
        temperature = RETRY_TEMPERATURES[min(attempt, len(RETRY_TEMPERATURES)) - 1]
        other = attempt > 1 and self._task is OcrTask.DOCUMENT and kinds & _OTHER_MODE
        prompt = prompts.ocr_prompt(OcrTask.OCR) if other else self._prompt
        return _Ask(prompt, temperature, ngram_ban=ProblemKind.LOOP in kinds and attempt % 2 == 1)

    async def _read(self, page: PageImage, picture: bytes, ask: _Ask) -> RawPage:
        async for attempt in patience(self._tries, self._backoff_s, for_server=False):
            with attempt:
                return await self._read_once(page, picture, ask)
        raise AssertionError("patience ends with a reply or an error")

    async def _read_once(self, page: PageImage, picture: bytes, ask: _Ask) -> RawPage:
        async with self._fleet.server() as server:
            about = await server.about()
            extras = self._extras(about, ask)
            ask = replace(ask, ngram_ban="vllm_xargs" in extras)
            try:
                completion = await self._ask(server, about, page, picture, ask, extras)
            except (PictureRefused, ContextExceeded):
                raise
            except RequestRefused as refusal:
                if not extras or refusal.status not in (400, 422):
                    raise
                # a server without our extras is still a server; if it refuses the plain request too, that is raised
                ask = replace(ask, ngram_ban=False)
                completion = await self._ask(server, about, page, picture, ask, {})
                self._extras_refused = True
        return self._raw_page(page, completion, about, ask)

    def _extras(self, about: About, ask: _Ask) -> dict[str, Any]:
        """What only vLLM knows; a server that tells its version as vLLM does is one, older ones ignore what is new."""
        if self._extras_refused or not about.version:
            return {}
        extras: dict[str, Any] = {"repetition_detection": dict(REPETITION_STOP)}
        return extras | ({"vllm_xargs": dict(NGRAM_BAN)} if ask.ngram_ban else {})

    async def _ask(
        self,
        server: ChatServer,
        about: About,
        page: PageImage,
        picture: bytes,
        ask: _Ask,
        extras: Mapping[str, Any],
    ) -> Completion:
        fields = self._request(page, ask, about) | dict(extras)
        timeout_s = self._timeout_s or _FIRST_TOKEN_S + fields["max_tokens"] * _SLOWEST_TOKEN_S
        listener = self._on_text
        if listener is None:
            return await server.chat(_body(page, picture, ask, fields), timeout_s=timeout_s)
        body = _body(page, picture, ask, fields | {"stream": True, "stream_options": {"include_usage": True}})
        listener(page.number, "")
        return await server.chat_aloud(body, lambda text: listener(page.number, text), timeout_s=timeout_s)

    def _token_budget(self, about: About, size: PixelSize, prompt: str) -> int:
        context = about.context_of(self._model) or DEFAULT_CONTEXT
        prompt_tokens = tiling_of(self._model).tokens(size) + most_text_tokens(prompt) + SPARE_TOKENS
        left = max(1, context - prompt_tokens)
        return min(left, self._max_tokens) if self._max_tokens else left

    def _request(self, page: PageImage, ask: _Ask, about: About) -> dict[str, Any]:
        """Everything that is asked for besides the messages."""
        return {
            "model": self._model,
            "temperature": ask.temperature,
            "max_tokens": self._token_budget(about, page.size, ask.prompt),
            "skip_special_tokens": False,
        }

    def _raw_page(self, page: PageImage, completion: Completion, about: About, ask: _Ask) -> RawPage:
        return RawPage(
            page=page.number,
            engine="vllm",
            model=completion.model or self._model,
            version=about.version,
            reply_format=_format_of(ask.prompt),
            text=completion.text,
            finish_reason=completion.finish_reason,
            prompt=ask.prompt,
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            seconds=completion.seconds,
            temperature=ask.temperature,
            ngram_ban=ask.ngram_ban,
            expected_tokens=expected_tokens(self._model, page.size, ask.prompt),
        )


def _body(page: PageImage, picture: bytes, ask: _Ask, fields: Mapping[str, Any]) -> bytes:
    """The JSON of a request, written once: base64 needs no escaping, so no encoder looks at a megabyte of it."""
    return b"".join((
        b'{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:',
        page.media_type.encode(),
        b";base64,",
        base64.b64encode(picture),
        b'"}}, ',
        json.dumps({"type": "text", "text": ask.prompt}).encode(),
        b"]}], ",
        json.dumps(dict(fields)).encode()[1:],
    ))  # fmt: skip


def _format_of(prompt: str) -> ReplyFormat:
    """Only a prompt with a marker asks for places."""
    return ReplyFormat.GROUNDING if "<|grounding|>" in prompt or "<|ref|>" in prompt else ReplyFormat.TEXT
