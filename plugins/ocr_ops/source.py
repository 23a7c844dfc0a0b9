"""Folders, buckets and files -> `SourceDocument`s: what is there, whether it is complete, what it really is.

In: places of a person or a schedule. Out: found files, then bytes with their digest and sniffed media type. Looks at
first bytes only to tell types apart and decodes nothing. A file that is no document is `UnreadableDocument`; a
place that must not be read or does not exist is an error of the request.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self
from urllib.parse import unquote_to_bytes, urlsplit

from ocr_ops import found_files, found_objects
from ocr_ops.codec import digest_of
from ocr_ops.einvoice import looks_like_einvoice
from ocr_ops.errors import ForbiddenFolder, TerminalError, UnreadableDocument
from ocr_ops.found_files import FoundFile
from ocr_ops.found_objects import FoundObject, is_bucket
from ocr_ops.media_types import READABLE, READABLE_SUFFIXES, WORDS, XML, sniff
from ocr_ops.model import ProblemKind, SourceDocument
from ocr_ops.s3 import S3Access
from ocr_ops.settings import Limits

__all__ = [
    "READABLE", "XML", "Found", "FoundFile", "FoundObject", "Place", "einvoice_beside", "find_documents", "found", "load_source",
    "sniff", "wait_until_stable", "walk",
]  # fmt: skip

Place = Path | str
"""A folder or file, or `s3://bucket/prefix`."""


class Found(Protocol):
    """A file or an object as it was listed; `fault` says why it must not be opened, or is empty. Times in ns since 1970."""

    @property
    def uri(self) -> str:
        """Where it is."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def suffix(self) -> str:
        """Its extension in small letters, with the dot."""

    @property
    def stem(self) -> str:
        """Its place without the extension: what a document and the e-invoice beside it share."""

    @property
    def size_bytes(self) -> int:
        """How large it is."""

    @property
    def modified_ns(self) -> int:
        """When it was last written."""

    @property
    def changed_ns(self) -> int:
        """When the file system noted its last change, or what stands for its bytes."""

    @property
    def fault(self) -> str:
        """Why it must not be opened."""

    def read(self, most: int) -> bytes:
        """Its first `most` bytes; UnreadableDocument when it cannot be read."""

    def again(self) -> Self:
        """As it looks now."""


def walk(
    place: Place, *, allowed_roots: Sequence[str | Path] = (), access: S3Access | None = None
) -> Iterator[Found]:
    """The documents at a place and below it, or the one file named, one by one in the order of their paths.

    Hidden files and folders are passed over, and so is what nobody would take for a document. Raises ForbiddenFolder
    outside the allowed roots (links resolved), TerminalError where there is nothing.
    """
    if is_bucket(place):
        roots = [str(root) for root in allowed_roots]
        return found_objects.objects_below(str(place), allowed_roots=roots, access=access)
    return _files(Path(place), allowed_roots)


def find_documents(folder: Path, *, allowed_roots: Sequence[str | Path] = ()) -> list[FoundFile]:
    """The documents in a folder all at once, for callers that know they are few."""
    return list(_files(folder, allowed_roots))


def _files(folder: Path, allowed_roots: Sequence[str | Path]) -> Iterator[FoundFile]:
    try:
        root = folder.resolve()
        allowed = [Path(one).resolve() for one in allowed_roots if not is_bucket(one)]
        if allowed_roots and not any(root.is_relative_to(one) for one in allowed):
            named = ", ".join(str(one) for one in allowed_roots)
            raise ForbiddenFolder(
                f"{folder} lies outside the allowed roots ({named}); see OCR_OPS_ALLOWED_ROOTS"
            )
        if not root.exists():
            raise TerminalError(f"there is no folder or file {folder}")
        if not root.is_dir():
            return iter([found_files.look_at(root, root.parent)])
        with os.scandir(root):
            pass
    except (
        OSError,
        RuntimeError,
    ) as problem:  # RuntimeError: a link that leads to itself (pathlib before 3.13)
        raise TerminalError(f"{folder} cannot be read: {found_files.words_of(problem)}") from problem
    return found_files.files_below(root)


def found(uri: str, access: S3Access | None = None) -> Found:
    """The file or object that a `file://` or `s3://` URI names."""
    if is_bucket(uri):
        return found_objects.look_at(uri, access)
    path = Path(os.fsdecode(unquote_to_bytes(urlsplit(uri).path)))
    return found_files.look_at(path)  # where its links may lead was decided when the folder was listed


def wait_until_stable(
    files: Sequence[Found],
    *,
    quiet_s: float,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[list[Found], list[Found]]:
    """Part files into complete ones and ones still being written.

    A file that did not change for `quiet_s` seconds is complete. If any changed more recently, all of those are looked
    at once more after `quiet_s`.
    """
    young = {file.uri for file in files if is_young(file, quiet_s, clock())}
    if young:
        sleep(quiet_s)
    stable: list[Found] = []
    still_written: list[Found] = []
    for file in files:
        (stable if file.uri not in young or _is_same(file, file.again()) else still_written).append(file)
    return stable, still_written


def is_young(file: Found, quiet_s: float, now_s: float) -> bool:
    """Whether a file changed within the last `quiet_s` seconds, so that somebody may still be writing it."""
    return not file.fault and file.modified_ns > (now_s - quiet_s) * 1e9


def _is_same(file: Found, again: Found) -> bool:
    """Whether nothing changed; a file that is gone counts as the same: opening it will say so."""
    if again.fault:
        return True
    looks = (file.size_bytes, file.modified_ns), (again.size_bytes, again.modified_ns)
    return looks[0] == looks[1] and (not is_bucket(file.uri) or file.changed_ns == again.changed_ns)


def load_source(file: Found, limits: Limits) -> tuple[SourceDocument, bytes]:
    """Read a file and say what it is; UnreadableDocument when it cannot be a document."""
    if file.fault:
        raise UnreadableDocument(ProblemKind.UNREADABLE_FILE, file.fault)
    if file.size_bytes > limits.max_bytes:
        raise UnreadableDocument(ProblemKind.TOO_LARGE, _too_large(file.size_bytes, limits))
    data = file.read(limits.max_bytes + 1)
    if not data:
        raise UnreadableDocument(ProblemKind.EMPTY_FILE, "the file is empty")
    if len(data) > limits.max_bytes:
        raise UnreadableDocument(ProblemKind.TOO_LARGE, _too_large(len(data), limits))
    media_type = sniff(data)
    if media_type not in READABLE and not (media_type == XML and looks_like_einvoice(data)):
        raise _no_document(file, media_type)
    return SourceDocument(file.uri, file.name, digest_of(data), media_type, len(data)), data


def einvoice_beside(
    file: Found, limits: Limits, listed: Mapping[str, Found] | None = None
) -> tuple[str, bytes] | None:
    """Name and bytes of the e-invoice that lies beside a PDF or a picture under the same name, None where none does.

    `listed`: XML files listed with it, by stem; beside an object in a bucket nothing else is looked for.
    """
    if file.fault or file.suffix not in READABLE_SUFFIXES:
        return None
    beside = (listed or {}).get(file.stem)
    if isinstance(file, FoundFile) and beside is None:
        path = next(
            (path for end in (".xml", ".XML") if (path := file.path.with_suffix(end)).is_file()), None
        )
        beside = found_files.look_at(path, path.parent) if path else None
    if beside is None:
        return None
    try:
        source, data = load_source(beside, limits)
    except UnreadableDocument:
        return None  # it is listed by itself, with its own fault
    return (source.name, data) if source.media_type == XML else None


def _no_document(file: Found, media_type: str) -> UnreadableDocument:
    suffix, words = file.suffix, WORDS.get(media_type, "something unknown")
    if suffix in READABLE_SUFFIXES:
        return UnreadableDocument(ProblemKind.WRONG_EXTENSION, f"it is named {suffix} but holds {words}")
    readable = "PDF, PNG, JPEG, TIFF, WebP, HEIC, AVIF and e-invoices in XML"
    return UnreadableDocument(ProblemKind.UNSUPPORTED_TYPE, f"it holds {words}; {readable} can be read")


def _too_large(size: int, limits: Limits) -> str:
    return f"the file has {size:,} bytes, more than the {limits.max_bytes:,} allowed (OCR_OPS_MAX_BYTES)"
