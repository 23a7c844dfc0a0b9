"""Engines that read a page picture, all behind one protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ocr_ops.model import PageImage, RawPage


class Engine(Protocol):
    """Reads one upright-or-not page picture and answers with what it saw, as it came.

    `identity` is everything of the engine that decides a reply (name, model, version, prompt, modes): it goes into
    the step's key, so it must not hold addresses, keys or limits. `read` raises `errors.TransientError` or
    `errors.TerminalError` for a broken world; a page it cannot make sense of is an answer, not an error.
    """

    @property
    def identity(self) -> Mapping[str, str]:
        """What decides a reply, as plain strings."""

    async def read(self, page: PageImage, picture: bytes) -> RawPage:
        """Read one page; `picture` is the encoded image that `page` describes."""

    async def close(self) -> None:
        """Let go of connections and models."""
