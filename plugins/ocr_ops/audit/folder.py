"""The audit store in a local folder, or one that many machines share.

A writer writes a file of its own beside the target, waits until the disk holds it, and renames it; then waits for the
folder. Files are read-only; the folder is made with mode 0700 when it is missing.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from ocr_ops.audit.shelves import Entry
from ocr_ops.errors import TerminalError, TransientError

_PART = ".part-"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)


class Folder:
    """A folder as a place for bytes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # joined as text for every file, which is ten times as fast as pathlib
        self._at = f"{root}/"

    @property
    def where(self) -> str:
        """The folder."""
        return str(self.root)

    @property
    def readers(self) -> int:
        """As many as small machines have cores."""
        return 2

    def size(self, name: str) -> int | None:
        """How many bytes the file has; None when there is no such file."""
        with _disk_errors(self.root):
            try:
                return os.stat(self._at + name).st_size  # noqa: PTH116
            except FileNotFoundError:
                return None

    def read(self, name: str) -> bytes | None:
        """The file's bytes; None when there is no such file."""
        with _disk_errors(self.root, "read"):
            try:
                with FileIO(self._at + name) as file:
                    return file.readall()
            except FileNotFoundError:
                return None

    def add(self, name: str, data: bytes) -> None:
        """Write a new file; when this returns, it outlasts a power cut."""
        self._write(self._at + name, data, durable=True)

    def replace(self, name: str, data: bytes) -> None:
        """Write a file, whatever was there."""
        self._write(self._at + name, data, durable=False)

    def remove(self, name: str) -> None:
        """Remove a file, lasting when this returns."""
        path = self.root / name
        with _disk_errors(self.root):
            try:
                path.unlink()
            except FileNotFoundError:
                return
            _sync_folder(path.parent)

    def folders(self, folder: str) -> list[str]:
        """The names of the folders in a folder."""
        with _disk_errors(self.root, "read"):
            try:
                return sorted(one.name for one in os.scandir(self.root / folder) if one.is_dir())
            except FileNotFoundError:
                return []

    def entries(self, folder: str) -> Iterator[Entry]:
        """Every file below a folder; a file that vanishes meanwhile (it got its name) is left out."""
        with _disk_errors(self.root, "read"):
            yield from _entries(self.root / folder, folder)

    def _write(self, path: str, data: bytes, *, durable: bool) -> None:
        """Write beside the target and rename; `durable` waits until disk holds it (a lost key costs only work)."""
        shelf = path.rpartition("/")[0]
        part = f"{shelf}/{_PART}{secrets.token_hex(8)}"
        with _disk_errors(self.root):
            file = self._begun(part, durable=durable)
            try:
                with file:
                    _write_all(file, data)
                    os.fchmod(file.fileno(), 0o440)
                    if durable:
                        os.fsync(file.fileno())
                os.replace(part, path)  # noqa: PTH105
            except BaseException:
                Path(part).unlink(missing_ok=True)
                raise
            if durable:
                _sync_folder(shelf)

    def _begun(self, part: str, *, durable: bool) -> FileIO:
        """A new file, in a folder that is made when it is missing."""
        try:
            return FileIO(part, "x")
        except FileNotFoundError:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_shelf(Path(part).parent, durable=durable)
            return FileIO(part, "x")


def _entries(folder: Path, name: str) -> Iterator[Entry]:
    try:
        found = sorted(os.scandir(folder), key=lambda one: one.name)
    except FileNotFoundError:
        return
    for one in found:
        inner = f"{name}/{one.name}"
        if one.is_dir(follow_symlinks=False):
            yield from _entries(folder / one.name, inner)
            continue
        try:
            seen = one.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        yield Entry(inner, seen.st_size, seen.st_mtime, one.name.startswith(_PART))


def _write_all(file: FileIO, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def _make_shelf(shelf: Path, *, durable: bool) -> None:
    if not shelf.is_dir():
        shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
        if durable:
            _sync_folder(shelf.parent)


def _sync_folder(folder: Path | str) -> None:
    """Make the new name last through a power cut; some file systems cannot, which is no error."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as problem:
        if problem.errno != errno.EINVAL:
            raise
    finally:
        os.close(handle)


@contextmanager
def _disk_errors(root: Path, done: str = "written to") -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        if problem.errno in _FULL:
            raise TransientError(
                f"no space left for the audit store at {root}: free some and try again"
            ) from problem
        kind = TerminalError if problem.errno in _FORBIDDEN else TransientError
        raise kind(f"the audit store at {root} cannot be {done}: {problem.strerror}") from problem
