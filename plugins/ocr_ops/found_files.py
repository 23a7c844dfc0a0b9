"""Files of a folder as they are listed: what is there, without opening it (a file without an extension is sniffed at).

Listing is lazy and in the order of paths: of a folder with very many files only the names are in memory.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ocr_ops.errors import UnreadableDocument
from ocr_ops.media_types import DOCUMENT_SUFFIXES, HEAD, READABLE, READABLE_SUFFIXES, printable, sniff
from ocr_ops.model import ProblemKind


@dataclass(frozen=True)  # without slots: what is worked out of the path is asked for many times in a listing
class FoundFile:
    """A file as it was listed. `fault` says why it must not be opened, or is empty."""

    path: Path
    name: str
    size_bytes: int
    modified_ns: int
    fault: str = ""
    changed_ns: int = field(default=0, compare=False)

    @cached_property
    def uri(self) -> str:
        """Its place."""
        return self.path.as_uri()

    @cached_property
    def suffix(self) -> str:
        """Its extension in small letters, with the dot."""
        return _suffix(str(self.path))

    @cached_property
    def stem(self) -> str:
        """Its path without the extension."""
        path = str(self.path)
        return path[: len(path) - len(self.suffix)]

    def read(self, most: int) -> bytes:
        """Its first `most` bytes; UnreadableDocument when it cannot be read."""
        try:
            with self.path.open("rb") as stream:
                return stream.read(most)
        except OSError as problem:
            words = f"cannot be read: {problem.strerror}"
            raise UnreadableDocument(ProblemKind.UNREADABLE_FILE, words) from problem

    def again(self) -> FoundFile:
        """The file as it looks now."""
        return look_at(self.path)


def files_below(root: Path) -> Iterator[FoundFile]:
    """Every file below a folder that may be a document, in the order of paths; hidden ones are passed over."""
    waiting = [_entries(str(root))]
    while waiting:
        entry = next(waiting[-1], None)
        if entry is None:
            waiting.pop()
            continue
        path, is_folder, enter = entry
        if isinstance(path, FoundFile):
            yield path
        elif not is_folder:
            if _may_be_document(path):
                yield look_at(Path(path), root)
        else:
            if _suffix(path) in READABLE_SUFFIXES:
                yield look_at(Path(path), root)
            if enter:
                waiting.append(_entries(path))


def _entries(folder: str) -> Iterator[tuple[str | FoundFile, bool, bool]]:
    """Path, whether it is a folder, and whether to look into it; a folder that cannot be read is a file with a fault."""
    names: list[str] = []
    folders: dict[str, bool] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                names.append(entry.name)
                if _is_folder(entry):
                    folders[entry.name] = not entry.is_symlink()
    except OSError as problem:
        # nobody should believe that a folder was empty when it could not be looked into
        path = Path(folder)
        yield (
            FoundFile(path, printable(path.name), 0, 0, f"the folder cannot be read: {problem.strerror}"),
            False,
            False,
        )
        return
    names.sort()
    for name in names:
        yield f"{folder.rstrip('/')}/{name}", name in folders, folders.get(name, False)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _suffix(path: str) -> str:
    stem, dot, end = path[path.rfind("/") + 1 :].rpartition(".")
    return f".{end.lower()}" if dot and stem and end else ""  # what `Path.suffix` says, without making one


def _may_be_document(path: str) -> bool:
    suffix = _suffix(path)
    if suffix:
        return suffix in DOCUMENT_SUFFIXES
    try:
        if not Path(path).is_file():  # opening a pipe would wait for its other end
            return False
        with Path(path).open("rb") as stream:
            return sniff(stream.read(HEAD)) in READABLE
    except OSError:
        return False


def look_at(path: Path, root: Path | None = None) -> FoundFile:
    """Look at a file without opening it. Links out of `root` are a fault; without a root any link will do."""
    name = printable(path.name)
    try:
        info = os.lstat(path)
        # resolving asks for every folder on the way, which a listing of many files feels
        linked = stat.S_ISLNK(info.st_mode)
        target, info = (path.resolve(strict=True), path.stat()) if linked else (path, info)
    except (OSError, RuntimeError) as problem:
        nowhere = path.is_symlink() and not isinstance(problem, PermissionError)
        fault = "it is a link that leads nowhere" if nowhere else f"cannot be read: {words_of(problem)}"
        return FoundFile(path, name, 0, 0, fault)
    fault = ""
    if not stat.S_ISREG(info.st_mode):
        fault = "it is a folder, not a file" if stat.S_ISDIR(info.st_mode) else "it is no regular file"
    elif root is not None and linked and not target.is_relative_to(root):
        fault = "it is a link that leads out of the folder"
    size = info.st_size if not fault else 0
    return FoundFile(path, name, size, info.st_mtime_ns, fault, info.st_ctime_ns)


def words_of(problem: OSError | RuntimeError) -> str:
    """What went wrong with a path, in the words of the system."""
    return str(problem.strerror) if isinstance(problem, OSError) else "a link that leads to itself"
