"""What the audit store talks of: manifests, findings and counts. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ocr_ops.model import Digest


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
    MISSING = "missing"
    """A document links to bytes that are not in the store, and no tombstone says why."""
    ERASED_BUT_THERE = "erased_but_there"
    """A tombstone says that these bytes were removed."""
    UNCHAINED = "unchained"
    """A manifest or a row without its event in the chain, or an event without its manifest."""
    CHAIN_GAP = "chain_gap"
    """Rows of the chain are missing before this one."""
    CHAIN_ROW = "chain_row"
    """A row of the chain no longer gives its own hash: it was changed."""
    CHAIN_LINK = "chain_link"
    """A row of the chain does not follow the one ahead of it: rows were exchanged, replaced or removed."""
    CHAIN_TIME = "chain_time"
    """A row of the chain is dated before the one ahead of it."""
    ANCHOR = "anchor"
    """The chain does not hold what was once written down of it: it was cut or written anew."""


@dataclass(frozen=True, slots=True)
class Broken:
    """One finding. `path` is relative to the store, or names the row (`chain/17`, `audit.links/...`)."""

    path: str
    kind: BrokenKind
    detail: str


@dataclass(frozen=True, slots=True)
class StoreStats:
    """How much the store holds, as it lies there: packed objects count their packed size."""

    objects: int
    size_bytes: int
    keys: int
