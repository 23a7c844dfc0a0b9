"""The LLM reader's peer behind any OpenAI-compatible endpoint, whatever of the interface that supports.

Servers differ in how they can be held to JSON: what one refuses is asked for in a simpler form, and what worked is
remembered. Constrained decoding was seen to run away in blanks, so a freer form is also what helps a cut reply.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from ocr_ops import prompts
from ocr_ops.chat_server import ChatServer, Completion, patience
from ocr_ops.errors import ModelRefused
from ocr_ops.model_faults import RequestRefused, ServerFailed
from ocr_ops.readers.llm_answer import allows_strict
from ocr_ops.readers.llm_peer import TOOL, TOOL_MEANING, Ladder, Picture, Request


class ReplyForm(StrEnum):
    """How a server is made to answer in JSON, from the best to what every server can."""

    JSON_SCHEMA = "json_schema"
    OBJECT_SCHEMA = "json_object+schema"
    """llama.cpp's own form: `json_object` with the schema beside it."""
    TOOL_CALL = "tool_call"
    JSON_OBJECT = "json_object"
    PLAIN = "plain"


_LOWER = dict(zip(ReplyForm, list(ReplyForm)[1:], strict=False))


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a server was found to understand."""

    form: ReplyForm = ReplyForm.JSON_SCHEMA
    system_role: bool = True
    length_key: str = "max_tokens"
    temperature: bool = True

    def after(self, refusal: RequestRefused | ServerFailed) -> Dialect | None:
        """What to try after a refusal; None when the refusal has nothing to do with how we speak."""
        said = refusal.complaint.lower()
        if refusal.status not in (400, 422, 500, 501):
            return None
        if self.length_key == "max_tokens" and "max_completion_tokens" in said:
            return replace(self, length_key="max_completion_tokens")
        if self.temperature and "temperature" in said:
            return replace(self, temperature=False)
        if self.system_role and ("system role" in said or "system message" in said):
            return replace(self, system_role=False)
        return self.simpler()

    def simpler(self) -> Dialect | None:
        """The same with a less demanding form of reply; None when there is none."""
        return replace(self, form=_LOWER[self.form]) if self.form in _LOWER else None


class OpenAiPeer:
    """One endpoint and what it was found to understand."""

    def __init__(
        self,
        url: str,
        model: str = "",
        *,
        api_key: str = "",
        timeout_s: float = 120.0,
        tries: int = 4,
        backoff_s: float = 1.0,
    ) -> None:
        """`model` empty: the first one the server lists. `tries` requests before a fault that may pass is raised."""
        self._server = ChatServer(url, api_key=api_key)
        self.name = self._server.name
        self._model = model
        self._timeout_s = timeout_s
        self._tries = tries
        self._backoff_s = backoff_s
        self.dialect = Dialect()
        self._proven = False

    async def model(self) -> str:
        """The model's name, asked for where none was given; ModelRefused when the server lists none."""
        if not self._model:
            async for attempt in patience(self._tries, self._backoff_s):
                with attempt:
                    listed = (await self._server.about()).models
            if not listed:
                raise ModelRefused(f"{self.name} lists no model; set OCR_OPS_LLM_MODEL")
            self._model = listed[0][0]
        return self._model

    def converse(self) -> Ladder[Dialect]:
        """Start over, speaking as the server last understood."""
        return Ladder(self.dialect, self.send)

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        await self._server.close()

    async def send(self, request: Request, dialect: Dialect) -> Completion:
        """One request with patience for what passes; a finished reply proves its dialect."""
        body = {"model": await self.model(), **_body(request, dialect)}
        async for attempt in patience(self._tries, self._backoff_s):
            with attempt:
                try:
                    completion = await self._server.chat(body, timeout_s=self._timeout_s)
                except ServerFailed as failure:
                    # some servers answer 500 to a response_format they do not know: no use waiting for that
                    proven = self._proven and dialect == self.dialect
                    if failure.status == 500 and dialect.form is not ReplyForm.PLAIN and not proven:
                        raise _NotUnderstood(str(failure), failure.status, failure.complaint) from failure
                    raise
        if completion.finish_reason == "stop":
            self.dialect, self._proven = dialect, True
        return completion


class _NotUnderstood(RequestRefused):
    """A 500 that may only mean that the form of the request is not supported."""


def _body(request: Request, dialect: Dialect) -> dict[str, Any]:
    messages = request.messages
    spoken = list(messages) if dialect.system_role else prompts.without_system_role(messages)
    body: dict[str, Any] = {
        "messages": _shown(spoken, request.pictures),
        dialect.length_key: request.max_tokens,
    }
    if dialect.temperature:
        body["temperature"] = 0
    return body | _held_to(dialect.form, request.wanted)


def _shown(messages: Sequence[prompts.Message], pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    """Messages in the interface's shape: the first one of the user takes the pictures, before its words."""
    shown: list[dict[str, Any]] = [dict(message) for message in messages]
    first = next((message for message in shown if message["role"] == "user"), None)
    if pictures and first is not None:
        parts = [{"type": "image_url", "image_url": {"url": _data_address(picture)}} for picture in pictures]
        first["content"] = [*parts, {"type": "text", "text": first["content"]}]
    return shown


def _data_address(picture: Picture) -> str:
    return f"data:{picture.media_type};base64,{base64.b64encode(picture.data).decode()}"


def _held_to(form: ReplyForm, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What of a request makes the answer JSON."""
    match form:
        case ReplyForm.JSON_SCHEMA:
            named = {"name": TOOL, "schema": wanted, "strict": allows_strict(wanted)}
            return {"response_format": {"type": "json_schema", "json_schema": named}}
        case ReplyForm.OBJECT_SCHEMA:
            return {"response_format": {"type": "json_object", "schema": wanted}}
        case ReplyForm.TOOL_CALL:
            tool = {"name": TOOL, "description": TOOL_MEANING, "parameters": wanted}
            return {
                "tools": [{"type": "function", "function": tool}],
                "tool_choice": {"type": "function", "function": {"name": TOOL}},
            }
        case ReplyForm.JSON_OBJECT:
            return {"response_format": {"type": "json_object"}}
    return {}
