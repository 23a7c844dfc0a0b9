"""Objects and keys over a place that holds bytes: naming, packing, proving. The package's head shows how they lie."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from ocr_ops.audit.folder import Folder
from ocr_ops.audit.nouns import Broken, BrokenKind, StoreStats
from ocr_ops.audit.packing import SUFFIX, packed, unpacked
from ocr_ops.audit.shelves import Entry, Shelves
from ocr_ops.codec import canonical_json, digest_of
from ocr_ops.errors import AuditBroken, OcrOpsError, SettingsError
from ocr_ops.model import Digest, is_digest

MAIN = "main"
"""The tenant whose objects lie at the top; the only one where there is one company."""

_TENANTS = "tenants"
_DAY_S = 86_400
_AHEAD = 256
"""Files handed to the readers before the first of them is waited for."""

Progress = Callable[[int, int], None]
T = TypeVar("T")
R = TypeVar("R")


def open_store(uri: str) -> AuditStore:
    """The store at a `file://` folder or an `s3://bucket/prefix`; SettingsError on any other URI."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return AuditStore(Path(uri.removeprefix("file://")))
    if parts.scheme == "s3" and parts.netloc:
        from ocr_ops.audit.bucket import Bucket

        return AuditStore(Bucket(parts.netloc, parts.path))
    raise SettingsError(f"OCR_OPS_AUDIT_URI must be file:// and a folder or s3:// and a bucket, not {uri!r}")


class AuditStore:
    """Objects and keys in a place, a folder being one; those of each tenant but the main one below a folder of their own.

    Without a tenant it reads, proves and erases what any tenant has, and writes to the main one. Writing raises TransientError
    when the disk is full or the server busy and TerminalError when it may not be written.
    """

    def __init__(self, place: Path | Shelves, tenant: str = "") -> None:
        self.place: Shelves = Folder(place) if isinstance(place, Path) else place
        self.tenant = tenant
        self._own = f"{_TENANTS}/{tenant}/" if tenant else ""
        self._tenants: list[str] | None = None

    def for_tenant(self, tenant: str) -> AuditStore:
        """The store as a tenant's work sees it: it writes and remembers in its own folder alone, and knows what the main one has."""
        return self if tenant == MAIN else AuditStore(self.place, tenant)

    def put(self, data: bytes) -> Digest:
        """Keep some bytes and return their name; known bytes are not written again."""
        digest = digest_of(data)
        if not self._holds(digest, len(data)):
            small = packed(data)
            self.place.add(self._own + name_of(digest, small is not None), data if small is None else small)
        return digest

    def get(self, digest: Digest) -> bytes:
        """The bytes of that name; AuditBroken when they are missing or no longer match it."""
        data = self._read(digest)
        if data is None and not self.tenant:
            self._tenants = None  # a tenant may be new
            data = self._read(digest)
        if data is None:
            raise AuditBroken(f"{digest} is not in the audit store at {self.place.where}")
        if digest_of(data) != digest:
            raise AuditBroken(f"the bytes stored as {digest} are not those that were put there")
        return data

    def has(self, digest: Digest) -> bool:
        """Whether there are bytes of that name; `get` alone proves them."""
        return any(self.place.size(name) is not None for name in self._places(digest))

    def has_own(self, digest: Digest) -> bool:
        """Whether bytes of that name lie where this store writes."""
        return any(self.place.size(self._own + name) is not None for name in _names(digest))

    def size_of(self, digest: Digest) -> int:
        """How many bytes that name stands for; AuditBroken when there are none, or they cannot be unpacked."""
        for name in self._places(digest):
            if not name.endswith(SUFFIX) and (size := self.place.size(name)) is not None:
                return size
        return len(self.get(digest))

    def remember(self, key: Digest, result: Digest) -> None:
        """Note that the step of this key gave that object; the last writer wins, all being right."""
        self.place.replace(self._own + _name("keys", key), canonical_json({"key": key, "result": result}))

    def find(self, key: Digest) -> Digest | None:
        """What the step of this key gave; None when it is unknown, or its object is missing, so that it is done again."""
        result = _noted(self.place.read(self._own + _name("keys", key)), key)
        return result if result is not None and self.has(result) else None

    def erase(self, digest: Digest) -> bool:
        """Remove bytes for good, and say whether there were any. Only retention may, after it noted a tombstone."""
        found = [name for name in self._places(digest) if self.place.size(name) is not None]
        for name in found:
            self.place.remove(name)
        return bool(found)

    def put_anchor(self, name: str, data: bytes) -> str:
        """Keep a checkpoint of the chain under a name of its own, and return its path in the store."""
        path = f"anchors/{name}.json"
        self.place.add(path, data)
        return path

    def anchors(self) -> list[tuple[str, bytes]]:
        """Every checkpoint of the chain kept here: its path and what it says."""
        names = [entry.name for entry in self.place.entries("anchors") if not entry.part]
        return [(name, self.place.read(name) or b"") for name in names]

    def objects(self) -> dict[Digest, int]:
        """Every object with the bytes it takes in the store, without reading any; what is no object is left out."""
        sizes: dict[Digest, int] = {}
        for entry in self._entries():
            if (digest := digest_in(entry)) is not None:
                sizes[digest] = sizes.get(digest, 0) + entry.size_bytes
        return sizes

    def verify(
        self,
        progress: Progress | None = None,
        *,
        now_s: float | None = None,
        only: Collection[Digest] | None = None,
        gone: Collection[Digest] = (),
    ) -> list[Broken]:
        """Read everything and compare it with its name; `progress(files done, files in all)` is told after each file.

        `only`: read no other objects than these, and no keys. `gone`: erased on purpose; keys may still name them.
        """
        before_s = (time.time() if now_s is None else now_s) - _DAY_S
        entries = list(self._entries())
        if only is not None:
            entries = [entry for entry in entries if digest_in(entry) in only]
        there = {digest for entry in entries if (digest := digest_in(entry))} | set(gone)
        broken: list[Broken] = []
        found = _in_order(entries, lambda entry: self._fault(entry, before_s, there), self.place.readers)
        for done, (entry, fault) in enumerate(found, 1):
            if fault is not None:
                broken.append(Broken(entry.name, *fault))
            if progress is not None:
                progress(done, len(entries))
        return broken

    def stats(self) -> StoreStats:
        """Count objects, the bytes they take, and keys."""
        names = [(_within_tenant(one.name), one.size_bytes) for one in self._entries() if not one.part]
        sizes = [size for name, size in names if name.startswith("objects/")]
        return StoreStats(len(sizes), sum(sizes), len(names) - len(sizes))

    def _entries(self) -> Iterator[Entry]:
        """Every object and key of this tenant, or of all of them."""
        for folder in ("objects", "keys"):
            yield from self.place.entries(self._own + folder)
        if not self.tenant:
            yield from self.place.entries(_TENANTS)

    def _places(self, digest: Digest) -> Iterator[str]:
        """Every name under which the bytes may lie, the likeliest first."""
        prefixes = [self._own, ""] if self.tenant else [""]
        for prefix in prefixes:
            yield from (prefix + name for name in _names(digest))
        if not self.tenant:
            if self._tenants is None:
                self._tenants = self.place.folders(_TENANTS)
            for tenant in self._tenants:
                yield from (f"{_TENANTS}/{tenant}/{name}" for name in _names(digest))

    def _holds(self, digest: Digest, size: int) -> bool:
        """Whether the object is there; AuditBroken when what is there cannot be it, since nothing is overwritten."""
        plain, small = (self._own + name for name in _names(digest))
        found = self.place.size(plain)
        if found is None:
            return self.place.size(small) is not None
        if found != size:
            raise AuditBroken(
                f"{digest} is stored with {found} bytes but has {size}: run `ocr-ops audit verify`"
            )
        return True

    def _read(self, digest: Digest) -> bytes | None:
        for name in self._places(digest):
            data = self.place.read(name)
            if data is None:
                continue
            try:
                return unpacked(data) if name.endswith(SUFFIX) else data
            except ValueError as problem:
                raise AuditBroken(f"the bytes stored as {digest} cannot be unpacked: {problem}") from problem
        return None

    # --- verifying ---

    def _fault(
        self, entry: Entry, before_s: float, there: Collection[Digest]
    ) -> tuple[BrokenKind, str] | None:
        if entry.part:
            old = entry.written_s < before_s
            return (BrokenKind.STRAY_PART, "left by a writer that died") if old else None
        digest, key = digest_in(entry), _digest_in(_within_tenant(entry.name), "keys")
        if digest is None and key is None:
            return BrokenKind.FOREIGN, "not a name this store gives"
        try:
            data = self.place.read(entry.name)
        except OcrOpsError as problem:
            return BrokenKind.UNREADABLE, str(problem)
        if data is None:
            return None  # erased since it was listed
        return _object_fault(entry, digest, data) if digest else _key_fault(data, Digest(key or ""), there)


def name_of(digest: Digest, small: bool) -> str:
    """Where an object lies, relative to the store; `small`: packed."""
    return _name("objects", digest) + (SUFFIX if small else "")


def digest_in(entry: Entry) -> Digest | None:
    """Which object an entry is; None when it is none."""
    return _digest_in(_within_tenant(entry.name).removesuffix(SUFFIX), "objects")


def _within_tenant(name: str) -> str:
    """A name without the folder of its tenant."""
    return name.split("/", 2)[2] if name.startswith(f"{_TENANTS}/") and name.count("/") > 1 else name


def _names(digest: Digest) -> tuple[str, str]:
    return name_of(digest, False), name_of(digest, True)


def _name(folder: str, digest: Digest) -> str:
    if not is_digest(digest):
        raise ValueError(f"not a digest: {str(digest)[:80]!r}")
    name = digest.removeprefix("sha256:")
    return f"{folder}/{name[:2]}/{name}"


def _digest_in(name: str, folder: str) -> Digest | None:
    digest = Digest("sha256:" + name.rpartition("/")[2])
    return digest if is_digest(digest) and name == _name(folder, digest) else None


def _object_fault(entry: Entry, digest: Digest, data: bytes) -> tuple[BrokenKind, str] | None:
    size = len(data)
    try:
        whole = unpacked(data) if entry.name.endswith(SUFFIX) else data
    except ValueError as problem:
        return BrokenKind.CHANGED, f"its {size} bytes cannot be unpacked: {problem}"
    return (
        None
        if digest_of(whole) == digest
        else (BrokenKind.CHANGED, f"its {size} bytes no longer match its name")
    )


def _key_fault(data: bytes, key: Digest, there: Collection[Digest]) -> tuple[BrokenKind, str] | None:
    result = _noted(data, key)
    if result is None:
        return BrokenKind.DANGLING_KEY, "not readable as a key; the step will be done again"
    if result not in there:
        return BrokenKind.DANGLING_KEY, f"names {result}, which is missing; the step will be done again"
    return None


def _noted(data: bytes | None, key: Digest) -> Digest | None:
    """What a key's file says; None when there is none, or it is not this key's."""
    try:
        noted = json.loads(data or b"")
        result = Digest(noted["result"])
        return result if noted["key"] == key and is_digest(result) else None
    except (ValueError, KeyError, TypeError):
        return None


def _in_order(items: Iterable[T], do: Callable[[T], R], threads: int) -> Iterator[tuple[T, R]]:
    """Do something to each item in some threads; results in order, and only so many items ahead."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[T, Future[R]]] = deque()
        for item in items:
            waiting.append((item, pool.submit(do, item)))
            if len(waiting) > _AHEAD:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()
