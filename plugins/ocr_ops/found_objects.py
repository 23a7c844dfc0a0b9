"""Objects of an S3 bucket as they are listed, a thousand a request; read, never moved, changed or deleted.

A place is `s3://bucket/prefix`; keys stand in it as they are, without any quoting, as in the AWS command line. An object appears
whole or not at all, so that an old LastModified means a complete one; its ETag takes the part of a file's time of change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ocr_ops.errors import ForbiddenFolder, TerminalError, UnreadableDocument
from ocr_ops.media_types import DOCUMENT_SUFFIXES, HEAD, READABLE, printable, sniff
from ocr_ops.model import ProblemKind
from ocr_ops.s3 import MISSING, S3Access, client, code_of, s3_errors

SCHEME = "s3://"
_FORBIDDEN = frozenset({"403", "AccessDenied", "InvalidObjectState"})


@dataclass(frozen=True)
class FoundObject:
    """An object as it was listed. `fault` says why it must not be opened, or is empty."""

    bucket: str
    key: str
    size_bytes: int
    modified_ns: int
    fault: str = ""
    changed_ns: int = 0
    """A number made of its ETag: another one when the bytes are others."""
    access: S3Access | None = field(default=None, compare=False, repr=False)

    @cached_property
    def uri(self) -> str:
        """Its place."""
        return f"{SCHEME}{self.bucket}/{self.key}"

    @cached_property
    def name(self) -> str:
        """The last part of its key, as it can be shown."""
        return printable(self.key.rpartition("/")[2])

    @cached_property
    def suffix(self) -> str:
        """Its extension in small letters, with the dot."""
        return _suffix(self.key)

    @cached_property
    def stem(self) -> str:
        """Its URI without the extension."""
        return self.uri[: len(self.uri) - len(self.suffix)]

    def read(self, most: int) -> bytes:
        """Its first `most` bytes; UnreadableDocument when it is gone or may not be read, TransientError when S3 is away."""
        s3 = client(self.access)
        with s3_errors(self.uri):
            try:
                with s3.get_object(Bucket=self.bucket, Key=self.key)["Body"] as body:
                    data: bytes = body.read(most)
            except s3.exceptions.ClientError as problem:
                if code_of(problem) in MISSING | _FORBIDDEN:
                    words = f"cannot be read: S3 answers {code_of(problem)}"
                    raise UnreadableDocument(ProblemKind.UNREADABLE_FILE, words) from problem
                raise
        return data

    def again(self) -> FoundObject:
        """The object as it looks now."""
        return look_at(self.uri, self.access)


def is_bucket(place: object) -> bool:
    """Whether a place is in a bucket."""
    return isinstance(place, str) and place.startswith(SCHEME)


def look_at(uri: str, access: S3Access | None = None) -> FoundObject:
    """Look at one object without opening it; one that is not there has a fault."""
    bucket, key = _parts(uri)
    info = _head(bucket, key, access)
    if info is None:
        return FoundObject(bucket, key, 0, 0, "cannot be read: there is no such object", access=access)
    return _found(bucket, key, info["ContentLength"], info, access)


def objects_below(
    place: str, *, allowed_roots: Sequence[str] = (), access: S3Access | None = None
) -> Iterator[FoundObject]:
    """Every object under a prefix that may be a document, or the one object named, in the order of keys.

    Hidden ones (a part of the key begins with a dot) are passed over. Raises ForbiddenFolder outside the allowed roots and
    TerminalError on a bucket that is not there or may not be listed; a prefix without objects is just empty.
    """
    bucket, prefix = _parts(place)
    prefix = prefix.strip("/")
    home = f"{SCHEME}{bucket}/{prefix}/"
    if allowed_roots and not any(home.startswith(f"{root.rstrip('/')}/") for root in allowed_roots):
        raise ForbiddenFolder(
            f"{place} lies outside the allowed roots ({', '.join(allowed_roots)}); see OCR_OPS_ALLOWED_ROOTS"
        )
    return _listed(bucket, prefix, access)


def _listed(bucket: str, prefix: str, access: S3Access | None) -> Iterator[FoundObject]:
    if prefix and (info := _head(bucket, prefix, access)) is not None:
        yield _found(bucket, prefix, info["ContentLength"], info, access)
        return
    below = f"{prefix}/" if prefix else ""
    pages = client(access).get_paginator("list_objects_v2")
    with s3_errors(f"{SCHEME}{bucket}/{prefix}"):
        for page in pages.paginate(Bucket=bucket, Prefix=below):
            for one in page.get("Contents", ()):
                inner = one["Key"].removeprefix(below)
                if inner.endswith("/") or any(part.startswith(".") for part in inner.split("/")):
                    continue
                found = _found(bucket, one["Key"], one["Size"], one, access)
                if found.suffix in DOCUMENT_SUFFIXES or (not found.suffix and _is_readable(found)):
                    yield found


def _is_readable(found: FoundObject) -> bool:
    """Whether an object without an extension begins as a document does; costs a request."""
    try:
        return sniff(found.read(HEAD)) in READABLE
    except UnreadableDocument:
        return False


def _found(bucket: str, key: str, size: int, info: Any, access: S3Access | None) -> FoundObject:
    etag = hashlib.sha256(str(info.get("ETag", "")).encode()).digest()
    modified_ns = int(info["LastModified"].timestamp()) * 1_000_000_000
    frozen = info.get("StorageClass") in ("GLACIER", "DEEP_ARCHIVE")
    fault = "it is in an archive class of S3 and has to be restored first" if frozen else ""
    return FoundObject(bucket, key, size, modified_ns, fault, int.from_bytes(etag[:8]) >> 1, access)


def _head(bucket: str, key: str, access: S3Access | None) -> Any:
    s3 = client(access)
    with s3_errors(f"{SCHEME}{bucket}/{key}"):
        try:
            return s3.head_object(Bucket=bucket, Key=key)
        except s3.exceptions.ClientError as problem:
            if (
                code_of(problem) in MISSING | _FORBIDDEN
            ):  # without the right to list, S3 says 403 of what is missing
                return None
            raise


def _suffix(key: str) -> str:
    name = key.rpartition("/")[2]
    stem, dot, end = name.rpartition(".")
    return f".{end.lower()}" if dot and stem and end else ""


def _parts(place: str) -> tuple[str, str]:
    bucket, _, key = place.removeprefix(SCHEME).partition("/")
    if not bucket:
        raise TerminalError(f"{place} names no bucket: s3://bucket/prefix")
    return bucket, key
