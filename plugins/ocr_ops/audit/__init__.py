"""The audit store: bytes under the name of their sha256, in a folder or a bucket. Written once, never changed.

    objects/ab/<64 hex>       the bytes
    objects/ab/<64 hex>.zst   the same, packed by zstd where that pays; the name is always that of the bytes themselves
    keys/ab/<64 hex>          `{"key", "result"}`: a step done under this key gave that object
    tenants/<tenant>/...      objects and keys of a tenant other than the main one, in the same shape
    anchors/<name>.json       where the hash chain in Postgres ended on some day

Bytes come in and digests go out, and the reverse. Writers may be many, on many machines. What the bytes mean, and which
document they belong to, is Postgres' to say. Both places hold the same names, so that a store can be moved by copying it.
"""

from __future__ import annotations

from ocr_ops.audit.nouns import Broken, BrokenKind, Manifest, ManifestStep, StoreStats
from ocr_ops.audit.store import MAIN, AuditStore, open_store

__all__ = [
    "MAIN",
    "AuditStore",
    "Broken",
    "BrokenKind",
    "Manifest",
    "ManifestStep",
    "StoreStats",
    "open_store",
]
