"""What the LLM reader asks of whoever stands behind it: an OpenAI-compatible server, or AWS Bedrock.

A peer turns messages and a schema into its own kind of request and brings a `Completion` back. It keeps its connections
and what it learnt of the other side; it knows no documents, retries what passes, and raises only errors of `errors.py`.

Whoever answers can be held to JSON in some ways and not in others: what is refused is asked for in a simpler manner (`Ladder`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

from ocr_ops.chat_server import Completion
from ocr_ops.model_faults import ContextExceeded, RequestRefused, ServerFailed
from ocr_ops.prompts import Message

TOOL = "record"
"""Name of the tool, or of the schema, in which an answer is given."""
TOOL_MEANING = "Hand over the corrected record."


@dataclass(frozen=True, slots=True)
class Picture:
    """A page as the model sees it: an encoded picture, `image/jpeg` or `image/png`."""

    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """One question: the messages, the JSON Schema of its answer, and the pictures that go with the first message of the user."""

    messages: Sequence[Message]
    wanted: Mapping[str, Any]
    max_tokens: int
    pictures: Sequence[Picture] = ()


class Conversation(Protocol):
    """The exchanges about one record; how it speaks may become simpler on the way."""

    @property
    def form(self) -> str:
        """How the last answer was asked for."""

    async def ask(self, request: Request) -> Completion:
        """One answer.

        Raises `ContextExceeded`, `RequestRefused` and the other errors of a model server.
        """

    def loosen(self) -> None:
        """Ask in a freer form from now on, where there is one."""


class Peer(Protocol):
    """Whoever answers; `name` is fit for logs."""

    name: str

    async def model(self) -> str:
        """The model's name; ModelRefused where none is set and none can be found out."""

    def converse(self) -> Conversation:
        """Start over with a new record."""

    async def close(self) -> None:
        """Close the connections of the running event loop."""


class Manner(Protocol):
    """A way of asking, and the simpler ones below it."""

    @property
    def form(self) -> str:
        """How an answer is asked for."""

    def after(self, refusal: RequestRefused | ServerFailed) -> Self | None:
        """What to try after a refusal; None when the refusal has nothing to do with how we speak."""

    def simpler(self) -> Self | None:
        """The same with a less demanding form of answer; None when there is none."""


M = TypeVar("M", bound=Manner)


class Ladder(Generic[M]):
    """A conversation that starts in the manner given and climbs down until it is understood."""

    def __init__(self, manner: M, send: Callable[[Request, M], Awaitable[Completion]]) -> None:
        self._manner = manner
        self._send = send

    @property
    def form(self) -> str:
        """How the last answer was asked for."""
        return self._manner.form

    def loosen(self) -> None:
        """Ask in a freer form from now on, where there is one."""
        self._manner = self._manner.simpler() or self._manner

    async def ask(self, request: Request) -> Completion:
        """One answer, asked for ever simpler until the other side understands."""
        while True:
            try:
                return await self._send(request, self._manner)
            except ContextExceeded:
                raise
            except (RequestRefused, ServerFailed) as refusal:
                simpler = self._manner.after(refusal)
                if simpler is None:
                    raise
                self._manner = simpler
