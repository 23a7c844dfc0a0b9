"""Rows of the hash chain -> what is wrong with them. Pure: rows and anchors come in, findings go out.

Each row is recomputed from what it says and compared with its own hash, its number and the row ahead. Whoever changes a
row and computes every later hash anew leaves a chain without a fault in itself: an anchor, written down before, then
names the row from which on it is another chain.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ocr_ops.audit import Broken, BrokenKind
from ocr_ops.codec import digest_of
from ocr_ops.model import Digest
from ocr_ops.warehouse.chain import ChainRow, EventKind, Head, hash_of

ANCHOR_FORMAT = "ocr-ops anchor 1"


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where the chain ended once: `where` says which file or row tells so."""

    where: str
    sequence: int
    hash: str


@dataclass(slots=True)
class ChainProof:
    """What reading the whole chain gave; filled by `prove_chain`."""

    head: Head = field(default_factory=Head)
    broken: list[Broken] = field(default_factory=list)
    manifests: dict[str, str] = field(default_factory=dict)
    """Manifest -> document, as events say."""
    erased: dict[Digest, str] = field(default_factory=dict)
    """Digest -> the tombstone's row, `chain/17`."""
    erased_of: dict[str, set[Digest]] = field(default_factory=dict)
    kept_again: set[Digest] = field(default_factory=set)
    """Erased once, and perhaps in the store again: their document was loaded later."""
    noted: list[Anchor] = field(default_factory=list)
    """Anchors that events say were written."""


def prove_chain(rows: Iterable[ChainRow], anchors: Sequence[Anchor] = ()) -> ChainProof:
    """Recompute every row, in order from the first; compares it with what was once written down of it."""
    proof = ChainProof()
    sought: dict[int, list[Anchor]] = {}
    for anchor in anchors:
        sought.setdefault(anchor.sequence, []).append(anchor)
    for row in rows:
        proof.broken += _faults(row, proof.head)
        proof.broken += _forked(row, sought.pop(row.sequence, ()))
        _note(row, proof)
        proof.head = Head(row.sequence, row.hash, max(row.at, proof.head.at or row.at))
    proof.broken += [
        _cut(anchor, proof.head) for late in sought.values() for anchor in late if anchor.sequence
    ]
    return proof


def _faults(row: ChainRow, ahead: Head) -> Iterator[Broken]:
    path = f"chain/{row.sequence}"
    if row.sequence != ahead.sequence + 1:
        missing = _rows_in_words(ahead.sequence + 1, row.sequence - 1)
        yield Broken(path, BrokenKind.CHAIN_GAP, f"{missing} missing before it")
    elif row.previous_hash != ahead.hash:
        yield Broken(
            path, BrokenKind.CHAIN_LINK, "does not follow the row ahead of it: its previous hash is another"
        )
    if wrong := _own_fault(row):
        yield Broken(path, BrokenKind.CHAIN_ROW, wrong)
    if ahead.at is not None and row.at < ahead.at:
        detail = f"dated {row.at.isoformat()}, before a row ahead of it, {ahead.at.isoformat()}"
        yield Broken(path, BrokenKind.CHAIN_TIME, detail)


def _own_fault(row: ChainRow) -> str | None:
    if digest_of(row.payload.encode()) != row.payload_digest:
        return f"its payload ({row.kind}) no longer matches its digest"
    try:
        own = hash_of(row.sequence, row.at, row.kind, row.subject, row.payload_digest, row.previous_hash)
    except ValueError as problem:
        return str(problem)
    if own != row.hash:
        return f"its number, time, kind ({row.kind}), subject, payload or previous hash was changed: it gives {own}"
    return None


def _rows_in_words(first: int, last: int) -> str:
    return f"row {first} is" if first == last else f"rows {first} to {last} are"


def _forked(row: ChainRow, anchors: Iterable[Anchor]) -> Iterator[Broken]:
    for anchor in anchors:
        if anchor.hash != row.hash:
            detail = f"row {row.sequence} had the hash {anchor.hash} when this was written: rows up to it were written anew"
            yield Broken(anchor.where, BrokenKind.ANCHOR, detail)


def _cut(anchor: Anchor, head: Head) -> Broken:
    if anchor.sequence > head.sequence:
        detail = f"the chain had {anchor.sequence} rows when this was written and has {head.sequence} now: its end was cut off"
    else:
        detail = f"row {anchor.sequence}, which this names, is missing"
    return Broken(anchor.where, BrokenKind.ANCHOR, detail)


# --- what rows say ---


def _note(row: ChainRow, proof: ChainProof) -> None:
    """Gather what other proofs need; a payload that is no longer JSON was reported with its row already."""
    try:
        payload = json.loads(row.payload)
    except ValueError:
        return
    if not isinstance(payload, dict):
        return
    match row.kind:
        case EventKind.LOADED | EventKind.PROPOSED if payload.get("manifest"):
            proof.manifests[str(payload["manifest"])] = row.subject
            proof.kept_again |= proof.erased_of.get(row.subject, set())
        case EventKind.ERASED:
            digests = {Digest(digest) for digest in payload.get("digests", ())}
            proof.erased |= dict.fromkeys(digests, f"chain/{row.sequence}")
            proof.erased_of.setdefault(row.subject, set()).update(digests)
            proof.kept_again -= digests
        case EventKind.ANCHORED:
            proof.noted.append(
                Anchor(str(payload.get("kept", "")), int(payload.get("sequence", 0)), payload.get("hash", ""))
            )


def left_over(said: ChainProof, sizes: Collection[Digest]) -> set[Digest]:
    """What a tombstone says is gone and is there, and was not kept anew by a later load of its document."""
    return {digest for digest in said.erased if digest in sizes and digest not in said.kept_again}


def anchor_of(head: Head, written_at: datetime) -> dict[str, Any]:
    """What an anchor's file says, as plain JSON."""
    return {
        "format": ANCHOR_FORMAT,
        "sequence": head.sequence,
        "hash": head.hash,
        "written_at": written_at.isoformat(),
    }


def anchor_from(where: str, data: bytes) -> Anchor | Broken:
    """Read an anchor's file; a finding where it is none."""
    try:
        plain = json.loads(data)
        if plain["format"] != ANCHOR_FORMAT:
            raise ValueError(plain["format"])
        return Anchor(where, int(plain["sequence"]), str(plain["hash"]))
    except (ValueError, KeyError, TypeError):
        return Broken(where, BrokenKind.ANCHOR, f"cannot be read as {ANCHOR_FORMAT}")
