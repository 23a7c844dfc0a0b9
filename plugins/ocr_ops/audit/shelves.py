"""Where the store's bytes lie: the few things a place must be able to do, so that a folder and a bucket are the same.

Names are relative, with `/` between their parts. A place knows nothing of digests or packing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that lies in a place. `written_s`: when, as a POSIX time; `part`: a writer's temporary file."""

    name: str
    size_bytes: int
    written_s: float
    part: bool = False


class Shelves(Protocol):
    """A place for bytes. Errors: TransientError where a later try may succeed, TerminalError where it cannot."""

    @property
    def where(self) -> str:
        """The place in words, for messages."""

    @property
    def readers(self) -> int:
        """How many threads read it fastest: reading and hashing both let other threads run meanwhile."""

    def size(self, name: str) -> int | None:
        """How many bytes lie under a name; None when there are none."""

    def read(self, name: str) -> bytes | None:
        """The bytes under a name; None when there are none."""

    def add(self, name: str, data: bytes) -> None:
        """Write bytes under a new name, lasting when this returns. What is there already stays as it is."""

    def replace(self, name: str, data: bytes) -> None:
        """Write bytes under a name, whatever was there; need not last through a power cut."""

    def remove(self, name: str) -> None:
        """Remove a name; nothing to do when it is not there."""

    def folders(self, folder: str) -> list[str]:
        """The names of the folders in a folder, in order."""

    def entries(self, folder: str) -> Iterator[Entry]:
        """Everything below a folder, in the order of the names, and what does not belong there too."""
