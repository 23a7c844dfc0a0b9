"""Folders and files -> `SourceDocument`s: what is there, whether it is complete, what it really is.

In: paths of a person or a schedule. Out: found files, then bytes with their digest and sniffed media type. Looks at
first bytes only to tell types apart and decodes nothing. A file that is no document is `UnreadableDocument`; a
folder that must not be read or does not exist is an error of the request.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from ocr_ops.codec import digest_of
from ocr_ops.einvoice import looks_like_einvoice
from ocr_ops.errors import ForbiddenFolder, TerminalError, UnreadableDocument
from ocr_ops.model import ProblemKind, SourceDocument
from ocr_ops.settings import Limits

READABLE = {
    "application/pdf": (".pdf",),
    "image/png": (".png",),
    "image/jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "image/tiff": (".tif", ".tiff"),
    "image/webp": (".webp",),
    "image/heic": (".heic", ".heif"),
    "image/avif": (".avif",),
}
"""Media types of pages that `raster` opens, with their usual extensions."""

XML = "application/xml"
"""`raster` opens it where it is an e-invoice."""

_READABLE_SUFFIXES = frozenset(suffix for suffixes in READABLE.values() for suffix in suffixes)
_DOCUMENT_SUFFIXES = _READABLE_SUFFIXES | {
    ".gif", ".bmp", ".jp2", ".jxl", ".svg", ".ps", ".eps", ".htm", ".html", ".xml", ".doc", ".docx", ".odt", ".rtf",
    ".xls", ".xlsx", ".ods", ".eml", ".msg", ".zip",
}  # fmt: skip
"""Files that somebody may have meant as a document: they are listed, even where they cannot be read."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),
    (b"MM\x00+", "image/tiff"),
    (b"GIF8", "image/gif"),
    (b"PK\x03\x04", "application/zip"),
    (b"\xd0\xcf\x11\xe0", "application/msword"),
)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"})
_PDF_WITHIN = 1024
"""Readers accept junk of up to so many bytes before `%PDF-` (ISO 32000-1, annex H, implementation note 13)."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file as it was listed. `fault` says why it must not be opened, or is empty."""

    path: Path
    name: str
    size_bytes: int
    modified_ns: int
    fault: str = ""
    changed_ns: int = field(default=0, compare=False)


def find_documents(folder: Path, *, allowed_roots: Sequence[Path] = ()) -> list[FoundFile]:
    """List the documents in a folder and below it, or the one file named, in the order of their paths.

    Hidden files and folders are passed over, and so is what nobody would take for a document. Raises ForbiddenFolder
    outside the allowed roots (links resolved), TerminalError where there is nothing.
    """
    try:
        root = folder.resolve()
        if allowed_roots and not any(root.is_relative_to(allowed.resolve()) for allowed in allowed_roots):
            allowed = ", ".join(str(path) for path in allowed_roots)
            raise ForbiddenFolder(
                f"{folder} lies outside the allowed roots ({allowed}); see OCR_OPS_ALLOWED_ROOTS"
            )
        if not root.exists():
            raise TerminalError(f"there is no folder or file {folder}")
        if not root.is_dir():
            return [_found(root, root.parent)]
        with os.scandir(root):
            pass
    except (
        OSError,
        RuntimeError,
    ) as problem:  # RuntimeError: a link that leads to itself (pathlib before 3.13)
        raise TerminalError(f"{folder} cannot be read: {_words_of(problem)}") from problem
    return sorted(_files_below(root), key=lambda file: file.path)


def found(uri: str) -> FoundFile:
    """The file that a `file://` URI names."""
    path = Path(os.fsdecode(unquote_to_bytes(urlsplit(uri).path)))
    return _found(path)  # where its links may lead was decided when the folder was listed


def wait_until_stable(
    files: Sequence[FoundFile],
    *,
    quiet_s: float,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[list[FoundFile], list[FoundFile]]:
    """Part files into complete ones and ones still being written.

    A file that did not change for `quiet_s` seconds is complete. If any changed more recently, all of those are looked
    at once more after `quiet_s`.
    """
    quiet_since = (clock() - quiet_s) * 1e9
    young = {file.path for file in files if not file.fault and file.modified_ns > quiet_since}
    if young:
        sleep(quiet_s)
    stable: list[FoundFile] = []
    still_written: list[FoundFile] = []
    for file in files:
        same = file.path not in young or _stamp(file.path) in (_stamp_of(file), None)
        (stable if same else still_written).append(file)
    return stable, still_written


def load_source(file: FoundFile, limits: Limits) -> tuple[SourceDocument, bytes]:
    """Read a file and say what it is; UnreadableDocument when it cannot be a document."""
    if file.fault:
        raise UnreadableDocument(ProblemKind.UNREADABLE_FILE, file.fault)
    if file.size_bytes > limits.max_bytes:
        raise UnreadableDocument(ProblemKind.TOO_LARGE, _too_large(file.size_bytes, limits))
    try:
        with file.path.open("rb") as stream:
            data = stream.read(limits.max_bytes + 1)
    except OSError as problem:
        raise UnreadableDocument(
            ProblemKind.UNREADABLE_FILE, f"cannot be read: {problem.strerror}"
        ) from problem
    if not data:
        raise UnreadableDocument(ProblemKind.EMPTY_FILE, "the file is empty")
    if len(data) > limits.max_bytes:
        raise UnreadableDocument(ProblemKind.TOO_LARGE, _too_large(len(data), limits))
    media_type = sniff(data)
    if media_type not in READABLE and not (media_type == XML and looks_like_einvoice(data)):
        raise _no_document(file, media_type)
    return SourceDocument(file.path.as_uri(), file.name, digest_of(data), media_type, len(data)), data


def einvoice_beside(file: FoundFile, limits: Limits) -> tuple[str, bytes] | None:
    """Name and bytes of the e-invoice that lies beside a PDF or a picture under the same name, None where none does."""
    if file.fault or file.path.suffix.lower() not in _READABLE_SUFFIXES:
        return None
    beside = next((path for end in (".xml", ".XML") if (path := file.path.with_suffix(end)).is_file()), None)
    if beside is None:
        return None
    try:
        source, data = load_source(_found(beside, beside.parent), limits)
    except UnreadableDocument:
        return None  # it is listed by itself, with its own fault
    return (source.name, data) if source.media_type == XML else None


def sniff(data: bytes) -> str:
    """The media type that the first bytes speak for, whatever the file is called; text/plain or octet-stream at last."""
    for magic, media_type in _MAGIC:
        if data.startswith(magic):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[:2] == b"BM" and data[6:10] == bytes(4):
        return "image/bmp"
    if data[4:8] == b"ftyp":
        return _boxed_type(data)
    if b"%PDF-" in data[:_PDF_WITHIN]:
        return "application/pdf"
    return XML if looks_like_einvoice(data) else _text_type(data[:_PDF_WITHIN])


def _boxed_type(data: bytes) -> str:
    """HEIC, AVIF or video: the major brand, and for brands that both pictures use the compatible ones."""
    length = min(int.from_bytes(data[:4]), 256)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, length, 4))]
    if any(brand in _AVIF_BRANDS for brand in brands):
        return "image/avif"
    return "image/heic" if brands[0] in _HEIF_BRANDS else "video/mp4"


def _text_type(head: bytes) -> str:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "text/html"
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in start):
        return "image/svg+xml"
    if start.startswith(b"<?xml"):
        return XML
    return "application/octet-stream" if b"\x00" in head else "text/plain"


_WORDS = {
    "text/plain": "plain text",
    "text/html": "a web page",
    "application/xml": "XML",
    "image/svg+xml": "an SVG drawing",
    "image/gif": "a GIF picture",
    "image/bmp": "a BMP picture",
    "application/zip": "a ZIP archive or an office document",
    "application/msword": "an old office document",
    "video/mp4": "a video",
}


def _no_document(file: FoundFile, media_type: str) -> UnreadableDocument:
    suffix, words = file.path.suffix.lower(), _WORDS.get(media_type, "something unknown")
    if suffix in _READABLE_SUFFIXES:
        return UnreadableDocument(ProblemKind.WRONG_EXTENSION, f"it is named {suffix} but holds {words}")
    readable = "PDF, PNG, JPEG, TIFF, WebP, HEIC, AVIF and e-invoices in XML"
    return UnreadableDocument(ProblemKind.UNSUPPORTED_TYPE, f"it holds {words}; {readable} can be read")


def _too_large(size: int, limits: Limits) -> str:
    return f"the file has {size:,} bytes, more than the {limits.max_bytes:,} allowed (OCR_OPS_MAX_BYTES)"


def _files_below(root: Path) -> Iterator[FoundFile]:
    unread: list[OSError] = []
    for folder, below, names in os.walk(root, onerror=unread.append):
        below[:] = sorted(name for name in below if not name.startswith("."))
        here = Path(folder)
        called_so = [name for name in below if Path(name).suffix.lower() in _READABLE_SUFFIXES]
        meant = [name for name in names if not name.startswith(".") and _may_be_document(here / name)]
        yield from (_found(here / name, root) for name in (*called_so, *meant))
    for problem in unread:  # nobody should believe that a folder was empty when it could not be looked into
        path = Path(os.fsdecode(problem.filename))
        yield FoundFile(path, _printable(path.name), 0, 0, f"the folder cannot be read: {problem.strerror}")


def _may_be_document(path: Path) -> bool:
    if path.suffix:
        return path.suffix.lower() in _DOCUMENT_SUFFIXES
    try:
        if not path.is_file():  # opening a pipe would wait for its other end
            return False
        with path.open("rb") as stream:
            return sniff(stream.read(_PDF_WITHIN)) in READABLE
    except OSError:
        return False


def _printable(name: str) -> str:
    """A name that can be stored and shown: bytes that are no text and control characters become U+FFFD."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in name)


def _found(path: Path, root: Path | None = None) -> FoundFile:
    """Look at a file without opening it. Links out of `root` are a fault; without a root any link will do."""
    name = _printable(path.name)
    try:
        # resolving asks for every folder on the way, which a listing of many files feels
        linked = path.is_symlink()
        target, info = path.resolve(strict=True) if linked else path, path.stat()
    except (OSError, RuntimeError) as problem:
        nowhere = path.is_symlink() and not isinstance(problem, PermissionError)
        fault = "it is a link that leads nowhere" if nowhere else f"cannot be read: {_words_of(problem)}"
        return FoundFile(path, name, 0, 0, fault)
    fault = ""
    if not stat.S_ISREG(info.st_mode):
        fault = "it is a folder, not a file" if stat.S_ISDIR(info.st_mode) else "it is no regular file"
    elif root is not None and linked and not target.is_relative_to(root):
        fault = "it is a link that leads out of the folder"
    size = info.st_size if not fault else 0
    return FoundFile(path, name, size, info.st_mtime_ns, fault, info.st_ctime_ns)


def _stamp_of(file: FoundFile) -> tuple[int, int]:
    return file.size_bytes, file.modified_ns


def _stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of last change, None when the file is gone: opening it will say so."""
    try:
        info = path.stat()
    except OSError:
        return None
    return info.st_size, info.st_mtime_ns


def _words_of(problem: OSError | RuntimeError) -> str:
    return str(problem.strerror) if isinstance(problem, OSError) else "a link that leads to itself"
