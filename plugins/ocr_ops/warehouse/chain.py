"""The hash chain over what happened to documents: rows of `audit.chain`, each of which proves all rows before it.

Events come in, numbered and hashed rows go out, inside the caller's transaction. Nothing here decides what an event
means, and nothing reads the audit store. Payloads can never be erased: they hold digests, counts and names of rules,
never what a document says.

The hash of a row is the sha256 of these seven lines in UTF-8, each ended by one line feed (docs/auditors.md shows the
same in SQL):

    ocr-ops chain 1
    <sequence>          decimal, 1 for the first row, then without a gap
    <at>                UTC, 2026-11-21T10:26:20.000123Z, always six decimals
    <kind>              lower-case letters and _
    <subject>           what it is about: the key of a document, the name of a run; no line feed in it
    <payload digest>    sha256:<64 hex digits> of the payload's UTF-8 bytes
    <previous hash>     hash of the row before; sha256: and 64 zeros for the first row

Writers take turns: `append` takes one advisory lock that the end of the transaction gives back, reads the last row
and copies all its events behind it. Call it once, with all events of a transaction, as the last thing before the commit:
the lock is then held for one COPY and one commit, a few milliseconds for a hundred documents, while the
rest of other loaders' transactions goes on beside it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, text

from ocr_ops.codec import canonical_json, digest_of
from ocr_ops.model import Digest
from ocr_ops.tables import audit
from ocr_ops.warehouse.bulk import Row, copy_rows

GENESIS = Digest("sha256:" + "0" * 64)
"""What stands in place of a previous hash in the first row."""

_LOCK = 7_240_118_653_004_212  # any number, as long as every version of ocr-ops uses this one
_READ_AT_ONCE = 5_000
_KIND = re.compile(r"[a-z][a-z_]{0,39}")


class EventKind(StrEnum):
    """What can happen to a document, or to the chain. Others may be added: the chain takes any word."""

    LOADED = "loaded"
    """A run loaded a document; the payload names its manifest. One for every new row of `audit.manifests`."""
    PROPOSED = "proposed"
    PROMOTED = "promoted"
    DISCARDED = "discarded"
    REVIEWED = "reviewed"
    RETAINED = "retained"
    """A retention policy was carried out; the payload names the policy and counts what it removed."""
    ERASED = "erased"
    """Tombstone: bytes were removed; the payload names them, their class and the rule."""
    HELD = "held"
    RELEASED = "released"
    """A legal hold began, or ended."""
    ANCHORED = "anchored"
    """The head before this row was written down outside."""


@dataclass(frozen=True, slots=True)
class ChainEvent:
    """Something to note. `payload` is plain JSON and can never be erased."""

    kind: str
    subject: str
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChainRow:
    """One row of the chain as it is stored."""

    sequence: int
    at: datetime
    kind: str
    subject: str
    payload: str
    payload_digest: Digest
    previous_hash: Digest
    hash: Digest


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: how many rows there are, and the hash and time of the last."""

    sequence: int = 0
    hash: Digest = GENESIS
    at: datetime | None = None


def loaded(document_key: str, *, manifest: str, content: str, version: int, run_id: str) -> ChainEvent:
    """The event of a document version that was loaded with its manifest. `content` is its content digest."""
    payload = {"manifest": manifest, "content": content, "version": version, "run": run_id}
    return ChainEvent(EventKind.LOADED, document_key, payload)


def append(connection: Connection, events: Sequence[ChainEvent]) -> Head:
    """Put events at the end of the chain, in the caller's transaction; returns the new head.

    Holds the chain's lock until the transaction ends: call it last, once. The transaction must be READ COMMITTED. Times
    are the server's clock, never before the row ahead. ValueError on a kind or subject that the format cannot hold.
    """
    if not events:
        return head(connection)
    connection.execute(_TAKE_TURN, {"lock": _LOCK})
    last = head(connection)
    now: datetime = connection.scalars(_NOW).one()
    rows = list(_numbered(events, last, max(now, last.at) if last.at else now))
    copy_rows(connection, audit.chain, rows)
    return Head(rows[-1]["sequence"], rows[-1]["hash"], rows[-1]["at"])


_TAKE_TURN = text("select pg_advisory_xact_lock(:lock)")
_NOW = text("select clock_timestamp()")
_HEAD = text("select sequence, hash, at from audit.chain order by sequence desc limit 1")


def head(connection: Connection) -> Head:
    """Where the chain ends now."""
    row = connection.execute(_HEAD).one_or_none()
    return Head(row.sequence, row.hash, row.at) if row else Head()


def _numbered(events: Sequence[ChainEvent], last: Head, at: datetime) -> Iterator[Row]:
    previous = last.hash
    for sequence, event in enumerate(events, last.sequence + 1):
        payload = canonical_json(event.payload)
        digest = digest_of(payload)
        own = hash_of(sequence, at, str(event.kind), event.subject, digest, previous)
        yield {
            "sequence": sequence,
            "at": at,
            "kind": str(event.kind),
            "subject": event.subject,
            "payload": payload.decode(),
            "payload_digest": digest,
            "previous_hash": previous,
            "hash": own,
        }
        previous = own


def hash_of(
    sequence: int, at: datetime, kind: str, subject: str, payload_digest: str, previous_hash: str
) -> Digest:
    """The hash of one row, as the head of this module defines it."""
    if _KIND.fullmatch(kind) is None or "\n" in subject or not subject:
        raise ValueError(f"the chain cannot hold {kind[:40]!r} about {subject[:80]!r}")
    moment = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    lines = ("ocr-ops chain 1", str(sequence), moment, kind, subject, payload_digest, previous_hash)
    return Digest("sha256:" + hashlib.sha256(("\n".join(lines) + "\n").encode()).hexdigest())


_ROWS = text("""
select sequence, at, kind, subject, payload, payload_digest, previous_hash, hash
from audit.chain where sequence > :after order by sequence limit :limit
""")


def rows(connection: Connection, *, after: int = 0) -> Iterator[ChainRow]:
    """Every row behind that sequence number, in order, a few thousand in memory at a time."""
    while True:
        found = connection.execute(_ROWS, {"after": after, "limit": _READ_AT_ONCE}).all()
        for row in found:
            yield ChainRow(*row)
        if len(found) < _READ_AT_ONCE:
            return
        after = found[-1].sequence
