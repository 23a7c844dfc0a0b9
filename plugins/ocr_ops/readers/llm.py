"""The LLM reader: a document's blocks and the layout reader's proposal -> a corrected candidate.

In: pages, a schema, a candidate. Out: a candidate and every exchange with the model, for any OpenAI-compatible server.
It never says where a value stands (the judge finds that by itself) and never raises for a bad answer: that is a
candidate without readings and a problem. What is wrong with the world is raised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from ocr_ops import prompts
from ocr_ops.chat_server import ChatServer, Completion, patience
from ocr_ops.errors import ModelRefused
from ocr_ops.model import Candidate, Problem, ProblemKind, ReadPage, Schema, Stage
from ocr_ops.model_faults import ContextExceeded, RequestRefused, ServerFailed
from ocr_ops.readers.llm_answer import Answer, allows_strict, answer_from, proposed_values, request_schema

NAME = "llm"
LONGEST_REPLY_SHOWN = 20_000
MOST_HALVINGS = 4


class ReplyForm(StrEnum):
    """How a server is made to answer in JSON, from the best to what every server can."""

    JSON_SCHEMA = "json_schema"
    OBJECT_SCHEMA = "json_object+schema"
    """llama.cpp's own form: `json_object` with the schema beside it."""
    JSON_OBJECT = "json_object"
    PLAIN = "plain"


_LOWER = {
    ReplyForm.JSON_SCHEMA: ReplyForm.OBJECT_SCHEMA,
    ReplyForm.OBJECT_SCHEMA: ReplyForm.JSON_OBJECT,
    ReplyForm.JSON_OBJECT: ReplyForm.PLAIN,
}


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
        return self.lower()

    def lower(self) -> Dialect | None:
        """The same with a less demanding form of reply; None when there is none."""
        return replace(self, form=_LOWER[self.form]) if self.form in _LOWER else None


@dataclass(frozen=True, slots=True)
class LlmAttempt:
    """One exchange, kept as evidence. `faults` is what was wrong with the reply."""

    messages: tuple[dict[str, str], ...]
    reply: str
    finish_reason: str
    form: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LlmResult:
    """The candidate, and how it came about."""

    candidate: Candidate
    attempts: tuple[LlmAttempt, ...]


@dataclass(frozen=True, slots=True)
class _Budget:
    document_chars: int
    max_tokens: int

    def halved(self) -> _Budget:
        return _Budget(max(500, self.document_chars // 2), max(256, self.max_tokens // 2))


class LlmReader:
    """Corrects records through one OpenAI-compatible endpoint, whatever of the interface it supports."""

    def __init__(
        self,
        url: str,
        model: str = "",
        *,
        api_key: str = "",
        timeout_s: float = 120.0,
        max_tokens: int = 4096,
        max_document_chars: int = 40_000,
        tries: int = 3,
        transport_tries: int = 4,
        backoff_s: float = 1.0,
    ) -> None:
        """`model` empty: the first one the server lists. `tries` replies per document before it is given up."""
        self._server = ChatServer(url, api_key=api_key)
        self._model = model
        self._timeout_s = timeout_s
        self._budget = _Budget(max_document_chars, max_tokens)
        self._tries = tries
        self._transport_tries = transport_tries
        self._backoff_s = backoff_s
        self._dialect = Dialect()
        self._proven = False

    @property
    def identity(self) -> Mapping[str, str]:
        """What decides a reply; the model is empty until `prepare` has asked the server for it."""
        return {
            "reader": NAME,
            "model": self._model,
            "prompt_version": prompts.LLM_VERSION,
            "max_tokens": str(self._budget.max_tokens),
            "max_document_chars": str(self._budget.document_chars),
        }

    async def prepare(self) -> None:
        """Find out the model's name where none was given; ModelRefused when the server lists none."""
        if self._model:
            return
        async for attempt in patience(self._transport_tries, self._backoff_s):
            with attempt:
                listed = (await self._server.about()).models
        if not listed:
            raise ModelRefused(f"{self._server.name} lists no model; set OCR_OPS_LLM_MODEL")
        self._model = listed[0][0]

    async def read(self, pages: Sequence[ReadPage], schema: Schema, candidate: Candidate) -> LlmResult:
        """Correct a candidate; raises `ModelRefused`, `ModelBusy` or `ModelUnreachable` for the world only."""
        await self.prepare()
        budget = self._budget
        for _ in range(MOST_HALVINGS):
            try:
                return await self._correct(pages, schema, candidate, budget)
            except ContextExceeded:
                budget = budget.halved()
        return self._result(Answer(()), (), (_problem("the document does not fit into the language model"),))

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        await self._server.close()

    async def _correct(
        self, pages: Sequence[ReadPage], schema: Schema, candidate: Candidate, budget: _Budget
    ) -> LlmResult:
        document, problems = prompts.document_data(pages, budget.document_chars)
        wanted = request_schema(schema)
        first = prompts.correction_messages(document, _proposal(candidate, budget.document_chars), wanted)
        attempts: list[LlmAttempt] = []
        messages, dialect, answer = first, self._dialect, Answer((), understood=False)
        while len(attempts) < self._tries:
            completion, dialect = await self._ask(messages, wanted, budget, dialect)
            answer = _answer(completion, schema)
            attempts.append(_attempt(messages, completion, dialect, answer))
            if not answer.faults:
                break
            if completion.finish_reason == "length":
                # constrained decoding was seen to run away in blanks; freer forms do not
                dialect = dialect.lower() or dialect
            messages = [*first, *prompts.complaint_messages(_shown(completion), answer.faults)]
        if not answer.understood:
            problems = (
                *problems,
                _problem(f"the language model gave no usable answer in {len(attempts)} tries"),
            )
        return self._result(answer, tuple(attempts), problems)

    def _result(
        self, answer: Answer, attempts: tuple[LlmAttempt, ...], problems: tuple[Problem, ...]
    ) -> LlmResult:
        version = f"{self._model}/prompt-{prompts.LLM_VERSION}"
        return LlmResult(Candidate(NAME, version, answer.readings, (*problems, *answer.problems)), attempts)

    async def _ask(
        self,
        messages: Sequence[prompts.Message],
        wanted: Mapping[str, Any],
        budget: _Budget,
        dialect: Dialect,
    ) -> tuple[Completion, Dialect]:
        """One completion, speaking ever simpler until the server understands; what worked is remembered."""
        while True:
            body = self._request(messages, wanted, budget, dialect)
            try:
                completion = await self._send(body, dialect)
            except ContextExceeded:
                raise
            except (RequestRefused, ServerFailed) as refusal:
                simpler = dialect.after(refusal)
                if simpler is None:
                    raise
                dialect = simpler
                continue
            if completion.finish_reason == "stop":
                self._dialect, self._proven = dialect, True
            return completion, dialect

    async def _send(self, body: Mapping[str, Any], dialect: Dialect) -> Completion:
        async for attempt in patience(self._transport_tries, self._backoff_s):
            with attempt:
                try:
                    return await self._server.chat(body, timeout_s=self._timeout_s)
                except ServerFailed as failure:
                    # some servers answer 500 to a response_format they do not know: no use waiting for that
                    doubtful = dialect.form is not ReplyForm.PLAIN and not self._has_worked(dialect)
                    if failure.status == 500 and doubtful:
                        raise _NotUnderstood(str(failure), failure.status, failure.complaint) from failure
                    raise
        raise AssertionError("patience ends with a reply or an error")

    def _has_worked(self, dialect: Dialect) -> bool:
        return self._proven and dialect == self._dialect

    def _request(
        self,
        messages: Sequence[prompts.Message],
        wanted: Mapping[str, Any],
        budget: _Budget,
        dialect: Dialect,
    ) -> dict[str, Any]:
        spoken = list(messages) if dialect.system_role else prompts.without_system_role(messages)
        body: dict[str, Any] = {
            "model": self._model,
            "messages": spoken,
            dialect.length_key: budget.max_tokens,
        }
        if dialect.temperature:
            body["temperature"] = 0
        if dialect.form is not ReplyForm.PLAIN:
            body["response_format"] = _response_format(dialect.form, wanted)
        return body


class _NotUnderstood(RequestRefused):
    """A 500 that may only mean that the form of the request is not supported."""


def _response_format(form: ReplyForm, wanted: Mapping[str, Any]) -> dict[str, Any]:
    match form:
        case ReplyForm.JSON_SCHEMA:
            named = {"name": "record", "schema": wanted, "strict": allows_strict(wanted)}
            return {"type": "json_schema", "json_schema": named}
        case ReplyForm.OBJECT_SCHEMA:
            return {"type": "json_object", "schema": wanted}
    return {"type": "json_object"}


def _proposal(candidate: Candidate, limit: int) -> dict[str, Any]:
    """The values to correct; without its lists where they alone would fill the prompt."""
    values = proposed_values(candidate.readings)
    if len(prompts.data_json(values)) <= limit:
        return values
    return {name: value for name, value in values.items() if not isinstance(value, list)}


def _answer(completion: Completion, schema: Schema) -> Answer:
    if completion.finish_reason != "stop":
        return Answer((), (f"it was not finished ({completion.finish_reason[:40]})",), understood=False)
    return answer_from(completion.text, schema)


def _shown(completion: Completion) -> str:
    """What of a bad reply is shown to the model again; nothing of one that ran away."""
    return "" if completion.finish_reason == "length" else completion.text[:LONGEST_REPLY_SHOWN]


def _attempt(
    messages: Sequence[prompts.Message], completion: Completion, dialect: Dialect, answer: Answer
) -> LlmAttempt:
    return LlmAttempt(
        messages=tuple(dict(message) for message in messages),
        reply=completion.text,
        finish_reason=completion.finish_reason,
        form=dialect.form,
        model=completion.model,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        seconds=completion.seconds,
        faults=answer.faults,
    )


def _problem(detail: str) -> Problem:
    return Problem(Stage.EXTRACT, ProblemKind.MODEL_REPLY, detail)
