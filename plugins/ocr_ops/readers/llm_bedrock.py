"""The LLM reader's peer behind AWS Bedrock's Converse interface, through boto3.

The answer is asked for as the input of a tool whose schema is the record's; a model that cannot be made to use a tool is
asked for plain JSON. Credentials and region come from boto3's own places (environment, profile, role). boto3 blocks, so
each request runs in a thread. Formats and error codes: Amazon Bedrock API Reference, "Converse".
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ocr_ops.chat_server import Completion, patience
from ocr_ops.errors import ModelRefused, ModelUnreachable, OcrOpsError
from ocr_ops.model_faults import (
    ContextExceeded,
    RequestRefused,
    ServerBusy,
    ServerFailed,
    complaint_of,
    speaks_of_context,
)
from ocr_ops.readers.llm_peer import TOOL, TOOL_MEANING, Ladder, Picture, Request

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_BUSY = frozenset({"ThrottlingException", "ServiceUnavailableException", "ModelNotReadyException"})
_FAILED = frozenset({"InternalServerException", "ModelTimeoutException", "ModelErrorException"})
_FINISHED = frozenset({"end_turn", "tool_use", "stop_sequence"})
_FINISH = {"max_tokens": "length", "model_context_window_exceeded": "length"}


class ReplyForm(StrEnum):
    """How a model is made to answer in JSON."""

    TOOL = "tool"
    """It has to use the tool."""
    OFFERED_TOOL = "offered_tool"
    """It may use the tool: some models refuse to be made to."""
    PLAIN = "plain"

    @property
    def form(self) -> str:
        """How an answer is asked for."""
        return self.value

    def after(self, refusal: RequestRefused | ServerFailed) -> ReplyForm | None:
        """What to try after a refusal; None when it is not about the form."""
        return self.simpler() if refusal.status == 400 else None

    def simpler(self) -> ReplyForm | None:
        """The next simpler form; None when there is none."""
        return _LOWER.get(self)


_LOWER = dict(zip(ReplyForm, list(ReplyForm)[1:], strict=False))


class BedrockPeer:
    """One model of Bedrock, by its model id or the ARN of an inference profile."""

    def __init__(
        self,
        model: str,
        *,
        region: str = "",
        endpoint_url: str = "",
        timeout_s: float = 120.0,
        tries: int = 4,
        backoff_s: float = 1.0,
        client: Any = None,
    ) -> None:
        """`client`: a boto3 client for `bedrock-runtime` of one's own; otherwise one is made when it is needed."""
        self.name = f"Bedrock ({region or 'default region'})"
        self._model = model
        self._region = region
        self._endpoint_url = endpoint_url
        self._timeout_s = timeout_s
        self._tries = tries
        self._backoff_s = backoff_s
        self._client = client
        self.form = ReplyForm.TOOL

    async def model(self) -> str:
        """The model's id; ModelRefused when none is set."""
        if not self._model:
            raise ModelRefused(
                "OCR_OPS_LLM_PROVIDER=bedrock needs OCR_OPS_LLM_MODEL, a model id or profile ARN"
            )
        return self._model

    def converse(self) -> Ladder[ReplyForm]:
        """Start over, in the form that last worked."""
        return Ladder(self.form, self.send)

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def send(self, request: Request, form: ReplyForm) -> Completion:
        """One request with patience for what passes; a finished reply proves its form."""
        body = {"modelId": await self.model(), **_body(request, form)}
        async for attempt in patience(self._tries, self._backoff_s):
            with attempt:
                completion = await asyncio.to_thread(self._converse, body)
        if completion.finish_reason == "stop":
            self.form = form
        return completion

    def _converse(self, body: Mapping[str, Any]) -> Completion:
        # importing boto3 takes half a second, which who never meets Bedrock need not wait for
        from botocore.exceptions import BotoCoreError, ClientError

        started = time.perf_counter()
        try:
            if self._client is None:
                self._client = self._new_client()
            reply = self._client.converse(**body)
        except ClientError as refusal:
            raise _fault_of(refusal, self.name) from refusal
        except BotoCoreError as problem:
            raise _fault_on_the_way(problem, self.name) from problem
        return _completion(reply, self._model, self.name, time.perf_counter() - started)

    def _new_client(self) -> Any:
        import boto3
        from botocore.config import Config

        # we wait by ourselves: two layers of retries multiply
        config = Config(
            read_timeout=self._timeout_s,
            connect_timeout=10,
            retries={"total_max_attempts": 1, "mode": "standard"},
        )
        # a session of its own: the default one keeps whatever credentials it found first
        session = boto3.Session(region_name=self._region or None)
        return session.client("bedrock-runtime", endpoint_url=self._endpoint_url or None, config=config)


def _body(request: Request, form: ReplyForm) -> dict[str, Any]:
    messages = request.messages
    system = [{"text": message["content"]} for message in messages if message["role"] == "system"]
    spoken = [
        {"role": message["role"], "content": [{"text": message["content"]}]}
        for message in messages
        if message["role"] != "system"
    ]
    if request.pictures and spoken:
        spoken[0]["content"] = [*(_image(picture) for picture in request.pictures), *spoken[0]["content"]]
    body: dict[str, Any] = {
        "messages": spoken,
        "system": system,
        "inferenceConfig": {"maxTokens": request.max_tokens, "temperature": 0.0},
    }
    if form is not ReplyForm.PLAIN:
        tool = {"name": TOOL, "description": TOOL_MEANING, "inputSchema": {"json": dict(request.wanted)}}
        choice: dict[str, Any] = {"tool": {"name": TOOL}} if form is ReplyForm.TOOL else {"auto": {}}
        body["toolConfig"] = {"tools": [{"toolSpec": tool}], "toolChoice": choice}
    return body


def _image(picture: Picture) -> dict[str, Any]:
    return {"image": {"format": picture.media_type.removeprefix("image/"), "source": {"bytes": picture.data}}}


def _completion(reply: Any, model: str, server: str, seconds: float) -> Completion:
    try:
        parts = reply["output"]["message"]["content"]
        used = [part["toolUse"]["input"] for part in parts if "toolUse" in part]
        text = (
            json.dumps(used[0], ensure_ascii=False)
            if used
            else "".join(part.get("text", "") for part in parts)
        )
        said = str(reply.get("stopReason", ""))
        usage = reply.get("usage") or {}
        return Completion(
            text=text,
            finish_reason="stop" if said in _FINISHED else _FINISH.get(said, said or "none"),
            model=model,
            prompt_tokens=int(usage.get("inputTokens") or 0),
            completion_tokens=int(usage.get("outputTokens") or 0),
            seconds=round(seconds, 3),
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as problem:
        raise ServerFailed(f"{server} answered with something that is not a message", 200) from problem


def _fault_of(refusal: ClientError, server: str) -> OcrOpsError:
    error = refusal.response.get("Error", {})
    code = str(error.get("Code", ""))
    status = int(refusal.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    complaint = complaint_of({"error": {"message": error.get("Message", "")}})
    message = f"{server} answered {code}: {complaint}"
    if code in _BUSY or status in (429, 503):
        return ServerBusy(message)
    if code in _FAILED or status >= 500:
        return ServerFailed(message, status, complaint)
    if code == "ValidationException":
        fault = ContextExceeded if speaks_of_context(complaint) else RequestRefused
        return fault(message, 400, complaint)
    return RequestRefused(message, status or 403, complaint)


def _fault_on_the_way(problem: Exception, server: str) -> OcrOpsError:
    from botocore.exceptions import (
        ConnectionError as NoConnection,
    )
    from botocore.exceptions import (
        HTTPClientError,
    )

    name = type(problem).__name__
    if isinstance(problem, NoConnection | HTTPClientError):
        return ModelUnreachable(f"{server} cannot be reached or broke off ({name})")
    return ModelRefused(
        f"{server} cannot be asked ({name}): check AWS credentials, region and OCR_OPS_LLM_MODEL"
    )
