"""The audit store: bytes under the name of their sha256, in a folder. Written once, never changed.

    objects/ab/<64 hex>     the bytes, read-only
    keys/ab/<64 hex>        `{"key", "result"}`: a step done under this key gave that object

Bytes come in and digests go out, and the reverse. Writers may be many, on many machines that share the folder: each
writes a file of its own and renames it. What the bytes mean, and which document they belong to, is Postgres' to say.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ocr_ops.codec import canonical_json, digest_of
from ocr_ops.errors import AuditBroken, TerminalError, TransientError
from ocr_ops.model import Digest, is_digest

_PART = ".part-"
_DAY_S = 86_400
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)


@dataclass(frozen=True, slots=True)
class ManifestStep:
    """One step of a processing run: its key, what went in, what came out."""

    step: str
    key: Digest
    inputs: tuple[Digest, ...]
    output: Digest
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Manifest:
    """How one document was processed, written by the pipeline into the same store as canonical JSON."""

    document: str
    steps: tuple[ManifestStep, ...]
    versions: dict[str, str] = field(default_factory=dict)


class BrokenKind(StrEnum):
    """What `verify` can find."""

    CHANGED = "changed"
    """The bytes no longer match their name: changed, cut off or emptied."""
    UNREADABLE = "unreadable"
    DANGLING_KEY = "dangling_key"
    """A key names an object that is not there, or cannot be read as a key."""
    STRAY_PART = "stray_part"
    """A temporary file older than a day: a writer died. Harmless."""
    FOREIGN = "foreign"
    """A file that no writer of ours could have put there."""


@dataclass(frozen=True, slots=True)
class Broken:
    """One finding. `path` is relative to the store."""

    path: str
    kind: BrokenKind
    detail: str


@dataclass(frozen=True, slots=True)
class StoreStats:
    """How much the store holds."""

    objects: int
    size_bytes: int
    keys: int


class AuditStore:
    """A folder of objects and keys; made with mode 0700 when it is missing.

    Writing raises TransientError when the disk is full and TerminalError when it may not be written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._objects = root / "objects"
        self._keys = root / "keys"

    def put(self, data: bytes) -> Digest:
        """Keep some bytes and return their name; known bytes are not written again."""
        digest = digest_of(data)
        path = self.path_of(digest)
        if not self._holds(path, len(data)):
            self._write(path, data, durable=True)
        return digest

    def get(self, digest: Digest) -> bytes:
        """The bytes of that name; AuditBroken when they are missing or no longer match it."""
        try:
            data = self.path_of(digest).read_bytes()
        except FileNotFoundError:
            raise AuditBroken(f"{digest} is not in the audit store at {self.root}") from None
        except OSError as problem:
            raise AuditBroken(
                f"{digest} cannot be read from the audit store: {problem.strerror}"
            ) from problem
        if digest_of(data) != digest:
            raise AuditBroken(f"the bytes stored as {digest} are not those that were put there")
        return data

    def has(self, digest: Digest) -> bool:
        """Whether there are bytes of that name; `get` alone proves them."""
        with _disk_errors(self.root):
            return self.path_of(digest).is_file()

    def size_of(self, digest: Digest) -> int:
        """How many bytes are stored under that name; AuditBroken when there are none."""
        try:
            return self.path_of(digest).stat().st_size
        except FileNotFoundError:
            raise AuditBroken(f"{digest} is not in the audit store at {self.root}") from None

    def path_of(self, digest: Digest) -> Path:
        """Where the bytes of that name lie, to be opened for reading; ValueError when it is not a digest."""
        return _path(self._objects, digest)

    def remember(self, key: Digest, result: Digest) -> None:
        """Note that the step of this key gave that object; the last writer wins, all being right."""
        self._write(_path(self._keys, key), canonical_json({"key": key, "result": result}), durable=False)

    def find(self, key: Digest) -> Digest | None:
        """What the step of this key gave; None when it is unknown, or its object is missing, so that it is done again."""
        with _disk_errors(self.root):
            result = _result_of(_path(self._keys, key), key)
        return result if result is not None and self.has(result) else None

    def verify(
        self, progress: Callable[[int, int], None] | None = None, *, now_s: float | None = None
    ) -> list[Broken]:
        """Read everything and compare it with its name; `progress(files done, files in all)` is told after each file."""
        before_s = (time.time() if now_s is None else now_s) - _DAY_S
        files = [path for folder in (self._objects, self._keys) for path in _files(folder)]
        broken: list[Broken] = []
        for done, path in enumerate(files, 1):
            found = self._fault(path, before_s)
            if found is not None:
                broken.append(Broken(path.relative_to(self.root).as_posix(), *found))
            if progress is not None:
                progress(done, len(files))
        return broken

    def stats(self) -> StoreStats:
        """Count objects, their bytes, and keys."""
        sizes = [p.stat().st_size for p in _files(self._objects) if not p.name.startswith(_PART)]
        keys = sum(not p.name.startswith(_PART) for p in _files(self._keys))
        return StoreStats(len(sizes), sum(sizes), keys)

    # --- writing ---

    def _holds(self, path: Path, size: int) -> bool:
        """Whether the object is there; AuditBroken when what is there cannot be it, since nothing is overwritten."""
        with _disk_errors(self.root):
            try:
                found = path.stat().st_size
            except FileNotFoundError:
                return False
        if found != size:
            raise AuditBroken(
                f"{path.name} is stored with {found} bytes but has {size}: run `ocr-ops audit verify`"
            )
        return True

    def _write(self, path: Path, data: bytes, *, durable: bool) -> None:
        """Write beside the target and rename; `durable` waits until disk holds it (a lost key costs only work)."""
        with _disk_errors(self.root):
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_shelf(path.parent, durable=durable)
            part = tempfile.NamedTemporaryFile(dir=path.parent, prefix=_PART, delete=False)  # noqa: SIM115
            try:
                with part:
                    part.write(data)
                    part.flush()
                    os.fchmod(part.fileno(), 0o440)
                    if durable:
                        os.fsync(part.fileno())
                Path(part.name).replace(path)
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise
            if durable:
                _sync_folder(path.parent)

    # --- verifying ---

    def _fault(self, path: Path, before_s: float) -> tuple[BrokenKind, str] | None:
        try:
            if path.name.startswith(_PART):
                old = path.stat().st_mtime < before_s
                return (BrokenKind.STRAY_PART, "left by a writer that died") if old else None
            digest = Digest(f"sha256:{path.name}")
            folder = self._objects if path.is_relative_to(self._objects) else self._keys
            if not is_digest(digest) or path != _path(folder, digest):
                return BrokenKind.FOREIGN, "not a name this store gives"
            return _object_fault(path, digest) if folder == self._objects else self._key_fault(path, digest)
        except FileNotFoundError:
            return None  # a writer's temporary file that got its name meanwhile
        except OSError as problem:
            return BrokenKind.UNREADABLE, problem.strerror or type(problem).__name__

    def _key_fault(self, path: Path, key: Digest) -> tuple[BrokenKind, str] | None:
        result = _result_of(path, key)
        if result is None:
            return BrokenKind.DANGLING_KEY, "not readable as a key; the step will be done again"
        if not self.has(result):
            return BrokenKind.DANGLING_KEY, f"names {result}, which is missing; the step will be done again"
        return None


def _path(folder: Path, digest: Digest) -> Path:
    if not is_digest(digest):
        raise ValueError(f"not a digest: {str(digest)[:80]!r}")
    name = digest.removeprefix("sha256:")
    return folder / name[:2] / name


def _files(folder: Path) -> Iterator[Path]:
    for shelf in sorted(folder.glob("*")):
        yield from sorted(shelf.iterdir()) if shelf.is_dir() else [shelf]


def _object_fault(path: Path, digest: Digest) -> tuple[BrokenKind, str] | None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    return (
        None
        if digest == f"sha256:{found}"
        else (BrokenKind.CHANGED, f"its {size} bytes no longer match its name")
    )


def _result_of(path: Path, key: Digest) -> Digest | None:
    try:
        noted = json.loads(path.read_bytes())
        result = Digest(noted["result"])
        return result if noted["key"] == key and is_digest(result) else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _make_shelf(shelf: Path, *, durable: bool) -> None:
    if not shelf.is_dir():
        shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
        if durable:
            _sync_folder(shelf.parent)


def _sync_folder(folder: Path) -> None:
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
def _disk_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        if problem.errno in _FULL:
            raise TransientError(
                f"no space left for the audit store at {root}: free some and try again"
            ) from problem
        if problem.errno in _FORBIDDEN:
            raise TerminalError(
                f"the audit store at {root} cannot be written to: {problem.strerror}"
            ) from problem
        raise TransientError(
            f"the audit store at {root} cannot be written to: {problem.strerror}"
        ) from problem
