"""The audit store in an S3 bucket, or any server that speaks its API (MinIO, Ceph, R2), through boto3.

A PUT is atomic: an object is there whole or not at all, and S3 checks a checksum of the bytes on their way. New names are
written with `If-None-Match: *`, so that nothing is ever overwritten, whoever writes at the same moment. Credentials and
region come from boto3's own places, as `ocr_ops.s3` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ocr_ops.audit.shelves import Entry
from ocr_ops.errors import TransientError
from ocr_ops.s3 import CONNECTIONS, MISSING, TRIES, code_of, new_client, s3_errors

_THERE_ALREADY = frozenset({"PreconditionFailed", "412"})
_RACING = frozenset({"ConditionalRequestConflict", "409"})


class Bucket:
    """A bucket, or what lies below a prefix of it, as a place for bytes."""

    def __init__(self, bucket: str, prefix: str = "", *, client: Any = None) -> None:
        """`client`: a boto3 client for `s3` of one's own; otherwise one is made."""
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client = client or new_client()

    @property
    def where(self) -> str:
        """The bucket and prefix as a URI."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    @property
    def readers(self) -> int:
        """As many as there are connections: each answer is waited for."""
        return CONNECTIONS

    def size(self, name: str) -> int | None:
        """How many bytes the object has; None when there is no such object."""
        with s3_errors(f"the audit store at {self.where}"):
            try:
                found = self._client.head_object(**self._at(name))
            except self._client.exceptions.ClientError as problem:
                if code_of(problem) in MISSING:
                    return None
                raise
        return int(found["ContentLength"])

    def read(self, name: str) -> bytes | None:
        """The object's bytes; None when there is no such object."""
        with s3_errors(f"the audit store at {self.where}"):
            try:
                data: bytes = self._client.get_object(**self._at(name))["Body"].read()
            except self._client.exceptions.ClientError as problem:
                if code_of(problem) in MISSING:
                    return None
                raise
        return data

    def add(self, name: str, data: bytes) -> None:
        """Write a new object; one that is there already stays, and S3 keeps what it confirmed."""
        with s3_errors(f"the audit store at {self.where}"):
            for _ in range(TRIES):
                try:
                    self._client.put_object(**self._at(name), Body=data, IfNoneMatch="*")
                except self._client.exceptions.ClientError as problem:
                    if code_of(problem) in _THERE_ALREADY:
                        return
                    if code_of(problem) not in _RACING:
                        raise
                else:
                    return
        raise TransientError(f"another writer keeps {name} busy in the audit store at {self.where}")

    def replace(self, name: str, data: bytes) -> None:
        """Write an object, whatever was there."""
        with s3_errors(f"the audit store at {self.where}"):
            self._client.put_object(**self._at(name), Body=data)

    def remove(self, name: str) -> None:
        """Remove an object; in a versioned bucket, its versions stay until the bucket's own rules remove them."""
        with s3_errors(f"the audit store at {self.where}"):
            self._client.delete_object(**self._at(name))

    def folders(self, folder: str) -> list[str]:
        """What stands between a prefix and the next `/`, a thousand a request."""
        pages = self._client.get_paginator("list_objects_v2")
        prefix = f"{self._prefix}{folder}/"
        with s3_errors(f"the audit store at {self.where}"):
            return [
                one["Prefix"].removeprefix(prefix).rstrip("/")
                for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, Delimiter="/")
                for one in page.get("CommonPrefixes", ())
            ]

    def entries(self, folder: str) -> Iterator[Entry]:
        """Every object below a folder, a thousand a request."""
        pages = self._client.get_paginator("list_objects_v2")
        with s3_errors(f"the audit store at {self.where}"):
            for page in pages.paginate(Bucket=self._bucket, Prefix=f"{self._prefix}{folder}/"):
                for one in page.get("Contents", ()):
                    name = one["Key"].removeprefix(self._prefix)
                    yield Entry(name, one["Size"], one["LastModified"].timestamp())

    def close(self) -> None:
        """Close the connections to the server."""
        self._client.close()

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + name}
