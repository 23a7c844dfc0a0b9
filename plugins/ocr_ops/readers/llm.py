"""The LLM reader: a document's blocks and the layout reader's proposal -> a corrected candidate.

In: pages, a schema, a candidate. Out: a candidate and every exchange with the model, whoever serves it (`llm_peer`).
It never says where a value stands (the judge finds that by itself) and never raises for a bad answer: that is a
candidate without readings and a problem. What is wrong with the world is raised, and so is a budget that is spent.

Critical values are not proposed: the judge trusts what two readers found, and who was told has not found anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ocr_ops import prompts
from ocr_ops.chat_server import Completion
from ocr_ops.codec import digest_of
from ocr_ops.model import Candidate, Digest, Problem, ProblemKind, ReadPage, Schema, Stage
from ocr_ops.model_faults import ContextExceeded, RequestRefused
from ocr_ops.readers.llm_answer import Answer, answer_from, merged, proposed_values, request_parts
from ocr_ops.readers.llm_peer import Conversation, Peer, Picture, Request
from ocr_ops.readers.llm_purse import Purse

NAME = "llm"
LONGEST_REPLY_SHOWN = 20_000
MOST_HALVINGS = 4


@dataclass(frozen=True, slots=True)
class LlmAttempt:
    """One exchange, kept as evidence. `faults` is what was wrong with the reply, `pictures` the pages that went along."""

    messages: tuple[dict[str, str], ...]
    reply: str
    finish_reason: str
    form: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    faults: tuple[str, ...] = ()
    pictures: tuple[Digest, ...] = ()


@dataclass(frozen=True, slots=True)
class LlmResult:
    """The candidate, and how it came about."""

    candidate: Candidate
    attempts: tuple[LlmAttempt, ...]


@dataclass(frozen=True, slots=True)
class _Size:
    """How much is said and asked for at once: characters of the document and of a schema, tokens of a reply."""

    document_chars: int
    schema_chars: int
    max_tokens: int

    def halved(self) -> _Size:
        return _Size(
            max(500, self.document_chars // 2),
            max(500, self.schema_chars // 2),
            max(256, self.max_tokens // 2),
        )


@dataclass(frozen=True, slots=True)
class _Sight:
    """What the model is shown of a document."""

    document: str
    proposal: dict[str, Any]
    pictures: tuple[Picture, ...]

    def messages(self, wanted: Mapping[str, Any]) -> list[prompts.Message]:
        """Ask for a part of the record."""
        proposal = {name: value for name, value in self.proposal.items() if name in wanted["properties"]}
        return prompts.correction_messages(self.document, proposal, wanted)


class LlmReader:
    """Corrects records through one peer."""

    def __init__(
        self,
        peer: Peer,
        *,
        max_tokens: int = 4096,
        max_document_chars: int = 40_000,
        max_schema_chars: int = 20_000,
        tries: int = 3,
        purse: Purse | None = None,
        sees_pictures: bool = False,
    ) -> None:
        """`tries` replies per record, or part of one, before it is given up.

        A schema of more than `max_schema_chars` characters is asked for in parts. `sees_pictures`: `read` is given
        the pages' pictures too, and they are shown to the model.
        """
        self._peer = peer
        self._model = ""
        self._size = _Size(max_document_chars, max_schema_chars, max_tokens)
        self._tries = tries
        self._purse = purse or Purse()
        self.sees_pictures = sees_pictures

    @property
    def identity(self) -> Mapping[str, str]:
        """What decides a reply; the model is empty until `prepare` has asked for it."""
        return {
            "reader": NAME,
            "model": self._model,
            "prompt_version": prompts.LLM_VERSION,
            "max_tokens": str(self._size.max_tokens),
            "max_document_chars": str(self._size.document_chars),
            "max_schema_chars": str(self._size.schema_chars),
            "pictures": str(self.sees_pictures),
        }

    async def prepare(self) -> None:
        """Find out the model's name where none was given; ModelRefused when there is none."""
        self._model = await self._peer.model()

    async def read(
        self,
        pages: Sequence[ReadPage],
        schema: Schema,
        candidate: Candidate,
        pictures: Sequence[Picture] = (),
    ) -> LlmResult:
        """Correct a candidate.

        Raises `BudgetSpent`, `ModelRefused`, `ModelBusy` or `ModelUnreachable`, for the world only.
        """
        await self.prepare()
        size = self._size
        for _ in range(MOST_HALVINGS):
            try:
                return await self._correct(pages, schema, candidate, tuple(pictures), size)
            except ContextExceeded:
                size, pictures = size.halved(), ()
        return self._result(Answer(()), (), (_problem("the document does not fit into the language model"),))

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        await self._peer.close()

    async def _correct(
        self,
        pages: Sequence[ReadPage],
        schema: Schema,
        candidate: Candidate,
        pictures: tuple[Picture, ...],
        size: _Size,
    ) -> LlmResult:
        document, problems = prompts.document_data(pages, size.document_chars)
        sight = _Sight(document, _proposal(candidate, schema, size.document_chars), pictures)
        attempts: list[LlmAttempt] = []
        answers: list[Answer] = []
        for wanted in request_parts(schema, size.schema_chars):
            answer, tried = await self._part(sight, wanted, schema, size.max_tokens)
            answers.append(answer)
            attempts += tried
            if not answer.understood:
                gave_up = f"the language model gave no usable answer in {len(tried)} tries"
                problems = (*problems, _problem(gave_up))
        return self._result(merged(answers), tuple(attempts), problems)

    async def _part(
        self, sight: _Sight, wanted: Mapping[str, Any], schema: Schema, max_tokens: int
    ) -> tuple[Answer, list[LlmAttempt]]:
        """Ask for one part of the record until it is right, or as often as we may."""
        talk = self._peer.converse()
        first = sight.messages(wanted)
        attempts: list[LlmAttempt] = []
        messages, answer = first, Answer((), understood=False)
        while len(attempts) < self._tries:
            completion = await self._paid(talk, messages, wanted, max_tokens, sight.pictures)
            answer = _answer(completion, schema)
            attempts.append(_attempt(messages, sight.pictures, completion, talk.form, answer))
            if not answer.faults:
                break
            if completion.finish_reason == "length":
                # constrained decoding was seen to run away in blanks; freer forms do not
                talk.loosen()
            messages = [*first, *prompts.complaint_messages(_shown(completion), answer.faults)]
        return answer, attempts

    async def _paid(
        self,
        talk: Conversation,
        messages: Sequence[prompts.Message],
        wanted: Mapping[str, Any],
        max_tokens: int,
        pictures: Sequence[Picture],
    ) -> Completion:
        """One answer within the budget."""
        # a request carries the schema twice: in its words and beside them
        text = sum(len(message["content"].encode()) for message in messages)
        with self._purse.paying(
            text + len(prompts.data_json(wanted).encode()), max_tokens, len(pictures)
        ) as spent:
            try:
                completion = await talk.ask(Request(messages, wanted, max_tokens, pictures))
            except RequestRefused:
                spent.prompt_tokens = spent.completion_tokens = 0
                raise
            if completion.prompt_tokens:
                spent.prompt_tokens = completion.prompt_tokens
                spent.completion_tokens = completion.completion_tokens
        return completion

    def _result(
        self, answer: Answer, attempts: tuple[LlmAttempt, ...], problems: tuple[Problem, ...]
    ) -> LlmResult:
        version = f"{self._model}/prompt-{prompts.LLM_VERSION}"
        return LlmResult(Candidate(NAME, version, answer.readings, (*problems, *answer.problems)), attempts)


def _proposal(candidate: Candidate, schema: Schema, limit: int) -> dict[str, Any]:
    """The values to correct, none of them critical; without its lists where they alone would fill the prompt."""
    critical = {spec.path for spec in schema.fields if spec.critical}
    values = proposed_values([reading for reading in candidate.readings if reading.path not in critical])
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
    messages: Sequence[prompts.Message],
    pictures: Sequence[Picture],
    completion: Completion,
    form: str,
    answer: Answer,
) -> LlmAttempt:
    return LlmAttempt(
        messages=tuple(dict(message) for message in messages),
        reply=completion.text,
        finish_reason=completion.finish_reason,
        form=form,
        model=completion.model,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        seconds=completion.seconds,
        faults=answer.faults,
        pictures=tuple(digest_of(picture.data) for picture in pictures),
    )


def _problem(detail: str) -> Problem:
    return Problem(Stage.EXTRACT, ProblemKind.MODEL_REPLY, detail)
