"""What a listing has to remember while it goes on, on disk, so that its memory does not grow with the files there are.

A database file that nobody else sees and that is gone with the process: the first place of all bytes seen, and the documents
to be done, with their weights, in order.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from ocr_ops.codec import to_json
from ocr_ops.errors import TransientError
from ocr_ops.model import Digest
from ocr_ops.pipeline.journey import Journey

_SCHEMA = """
create table seen (digest blob primary key, uri text not null, name text not null) without rowid;
create table todo (number integer primary key, pages integer not null, bytes integer not null, journey blob not null);
"""


class Scratch:
    """One listing's notes; TransientError when the disk for temporary files is full."""

    def __init__(self) -> None:
        # an empty name is a private file in the folder for temporary files, deleted when it is closed
        self._rows = sqlite3.connect("", isolation_level=None)
        self._rows.executescript(f"pragma journal_mode = off; pragma synchronous = off; {_SCHEMA}")

    def __enter__(self) -> Self:
        self._rows.execute("begin")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows.close()

    def first_of(self, digest: Digest, uri: str, name: str) -> tuple[str, str]:
        """Place and name under which these bytes were seen first; this one when they were not seen before."""
        key = bytes.fromhex(digest.removeprefix("sha256:"))
        with _disk_errors():
            row = (key, _safe(uri), _safe(name))
            if self._rows.execute("insert or ignore into seen values (?, ?, ?)", row).rowcount:
                return uri, name
            found: tuple[str, str] = self._rows.execute(
                "select uri, name from seen where digest = ?", (key,)
            ).fetchone()
        return found

    def add(self, journeys: Iterable[Journey]) -> None:
        """Note documents to be done, behind those noted before."""
        rows = ((one.pages_expected, one.size_bytes, to_json(one)) for one in journeys)
        with _disk_errors():
            self._rows.executemany("insert into todo (pages, bytes, journey) values (?, ?, ?)", rows)

    @property
    def count(self) -> int:
        """How many documents are to be done."""
        return int(self._rows.execute("select count(*) from todo").fetchone()[0])

    def weights(self) -> tuple[array[int], array[int]]:
        """Expected pages, and bytes, of each document to be done."""
        pages, sizes = array("q"), array("q")
        for own_pages, own_size in self._rows.execute("select pages, bytes from todo order by number"):
            pages.append(own_pages)
            sizes.append(own_size)
        return pages, sizes

    def parts(self, lengths: Iterable[int]) -> Iterator[list[bytes]]:
        """The documents as JSON, so many in each part as `lengths` say."""
        rows = self._rows.execute("select journey from todo order by number")
        for length in lengths:
            yield [row[0] for row in rows.fetchmany(length)]


def _safe(text: str) -> str:
    """Names that are no text (a lone surrogate) cannot be stored as such."""
    return text.encode("utf-8", "replace").decode()


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as problem:
        raise TransientError(f"the listing's temporary file cannot be written: {problem}") from problem
