"""What the LLM reader asks of whoever stands behind it: an OpenAI-compatible server, or AWS Bedrock.

A peer turns messages and a schema into its own kind of request and brings a `Completion` back. It keeps its connections
and what it learnt of the other side; it knows no documents, retries what passes, and raises only errors of `errors.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ocr_ops.chat_server import Completion
from ocr_ops.prompts import Message

TOOL = "record"
"""Name of the tool, or of the schema, in which an answer is given."""
TOOL_MEANING = "Hand over the corrected record."


@dataclass(frozen=True, slots=True)
class Picture:
    """A page as the model sees it: an encoded picture, `image/jpeg` or `image/png`."""

    media_type: str
    data: bytes


class Conversation(Protocol):
    """The exchanges about one record; how it speaks may become simpler on the way."""

    @property
    def form(self) -> str:
        """How the last answer was asked for."""

    async def ask(
        self,
        messages: Sequence[Message],
        wanted: Mapping[str, Any],
        *,
        max_tokens: int,
        pictures: Sequence[Picture] = (),
    ) -> Completion:
        """One answer; pictures go with the first message of the user.

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
