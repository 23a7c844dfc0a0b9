"""Store, links, manifests and chain -> what is broken, and exactly what. For the command line and for a DAG.

In: an open audit store and the warehouse's URL. Out: a `Proof`. Reads only, except for `write_anchor`. The database is
read first, in one snapshot, and the store after it: what a loader adds meanwhile is not yet looked for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, text

from ocr_ops.audit import AuditStore, Broken, BrokenKind, Manifest
from ocr_ops.codec import canonical_json, from_json
from ocr_ops.errors import OcrOpsError
from ocr_ops.model import Digest
from ocr_ops.pipeline.chain_proof import Anchor, ChainProof, anchor_from, anchor_of, left_over, prove_chain
from ocr_ops.warehouse import chain
from ocr_ops.warehouse.chain import ChainEvent, EventKind, Head
from ocr_ops.warehouse.connecting import connected

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Proof:
    """What was looked at, and what is broken. `ok` when nothing is."""

    broken: tuple[Broken, ...]
    rows: int = 0
    """Rows of the chain."""
    links: int = 0
    manifests: int = 0
    objects: int = 0
    """Objects whose bytes were read."""
    size_bytes: int = 0
    """Bytes read of them, as they lie in the store."""
    erased: int = 0
    """Objects that tombstones account for."""
    anchors: int = 0
    head: Head = field(default_factory=Head)

    @property
    def ok(self) -> bool:
        """Whether everything is as it was put there."""
        return not self.broken


@dataclass(frozen=True, slots=True)
class _Said:
    """What the database says, as of one moment."""

    chain: ChainProof
    links: Mapping[Digest, str]
    """Digest -> the first link that names it, `audit.links/<document>/<role>`."""
    link_count: int
    manifests: Mapping[str, str]
    """Manifest -> document."""
    recent: Collection[Digest] | None
    """What was linked since the date asked for; None for everything."""


def prove(
    store: AuditStore,
    database_url: str,
    *,
    sample: int | None = None,
    since: datetime | None = None,
    anchors: Sequence[tuple[str, bytes]] = (),
    progress: Progress | None = None,
) -> Proof:
    """Prove bytes, links, manifests and chain; TransientError or TerminalError where they cannot be read at all.

    The chain, the links and the anchors are always proved whole. `sample`: read the bytes of so many objects, drawn
    anew each time; `since`: of those linked since then. `anchors`: name and bytes of files kept elsewhere.
    """
    kept = [*store.anchors(), *anchors]
    read = [anchor_from(where, data) for where, data in kept]
    known = [one for one in read if isinstance(one, Anchor)]
    with connected(database_url) as connection:
        connection.execution_options(isolation_level="REPEATABLE READ")
        said = _said(connection, known, since)
    sizes = store.objects()
    chosen = _chosen(sizes, said.recent, sample)
    proved = store.verify(progress, only=chosen, gone=said.chain.erased)
    broken = [
        *(one for one in read if isinstance(one, Broken)),
        *said.chain.broken,
        *_lost_anchors(said.chain, {where for where, _ in kept}),
        *_unchained(said),
        *_links_faults(store, said, sizes, database_url),
        *_manifest_faults(store, said, sizes, chosen),
        *proved,
    ]
    read_sizes = [sizes[digest] for digest in (sizes if chosen is None else chosen)]
    return Proof(
        tuple(broken),
        rows=said.chain.head.sequence,
        links=said.link_count,
        manifests=len(said.manifests),
        objects=len(read_sizes),
        size_bytes=sum(read_sizes),
        erased=len(said.chain.erased),
        anchors=len(known),
        head=said.chain.head,
    )


def write_anchor(store: AuditStore, database_url: str, *, at: datetime) -> tuple[bytes, Head]:
    """Write down where the chain ends: a file in the store and a row in the chain. Returns the file's bytes and that end.

    Copy the bytes to where whoever may write to the store and the database may not: printed, mailed, on write-once media.
    """
    with connected(database_url) as connection:
        head = chain.head(connection)
        data = canonical_json(anchor_of(head, at))
        kept = store.put_anchor(f"{at:%Y-%m-%dT%H%M%S}Z-{head.sequence}", data)
        payload = {"sequence": head.sequence, "hash": head.hash, "kept": kept}
        chain.append(connection, [ChainEvent(EventKind.ANCHORED, "chain", payload)])
        connection.commit()
    return data, head


# --- what the database says ---

_LINKS = text("""
select digest, min('audit.links/' || document_key || '/' || role) as link, count(*) as links,
  coalesce(bool_or(linked_at >= cast(:since as timestamptz)), true) as recent
from audit.links group by digest
""")
_MANIFESTS = text("select digest, document_key from audit.manifests")


def _said(connection: Connection, anchors: Sequence[Anchor], since: datetime | None) -> _Said:
    proof = prove_chain(chain.rows(connection), anchors)
    links = connection.execute(_LINKS, {"since": since}).all()
    return _Said(
        chain=proof,
        links={Digest(row.digest): row.link for row in links},
        link_count=sum(row.links for row in links),
        manifests={row.digest: row.document_key for row in connection.execute(_MANIFESTS)},
        recent=None if since is None else {Digest(row.digest) for row in links if row.recent},
    )


def _chosen(
    sizes: Collection[Digest], recent: Collection[Digest] | None, sample: int | None
) -> set[Digest] | None:
    """Which objects to read; None for all."""
    if recent is None and sample is None:
        return None
    among = sorted(set(sizes) if recent is None else set(sizes) & set(recent))
    # not predictable on purpose: nobody should know which object is not looked at
    return set(among if sample is None else random.SystemRandom().sample(among, min(sample, len(among))))


# --- comparing ---


def _lost_anchors(proof: ChainProof, kept: Collection[str]) -> list[Broken]:
    return [
        Broken(
            noted.where,
            BrokenKind.ANCHOR,
            f"the chain says that it noted row {noted.sequence}, and it is gone",
        )
        for noted in proof.noted
        if noted.where not in kept
    ]


def _unchained(said: _Said) -> list[Broken]:
    """Manifests and events that do not have each other: a cut chain leaves the one, a removed row the other."""
    in_chain, in_table = said.chain.manifests, said.manifests
    lone = [digest for digest, document in in_table.items() if in_chain.get(digest) != document]
    lost = [digest for digest in in_chain if digest not in in_table]
    return [
        *(
            _unchained_one(f"audit.manifests/{one}", "no row of the chain tells of it")
            for one in sorted(lone)
        ),
        *(
            _unchained_one(f"audit.manifests/{one}", "the chain tells of it, and its row is gone")
            for one in sorted(lost)
        ),
    ]


def _unchained_one(path: str, detail: str) -> Broken:
    return Broken(path, BrokenKind.UNCHAINED, detail)


def _links_faults(
    store: AuditStore, said: _Said, sizes: Collection[Digest], database_url: str
) -> list[Broken]:
    """Links whose bytes are gone without a tombstone, and tombstones whose bytes are there."""
    missing = [digest for digest in said.links if digest not in sizes and digest not in said.chain.erased]
    if missing:  # unless they were erased while we read
        with connected(database_url) as connection:
            erased = prove_chain(chain.rows(connection, after=said.chain.head.sequence)).erased
        missing = [digest for digest in missing if digest not in erased]
    back = [digest for digest in left_over(said.chain, sizes) if store.has(digest)]
    return [
        *(
            Broken(said.links[one], BrokenKind.MISSING, f"{one} is not in the store")
            for one in sorted(missing)
        ),
        *(
            Broken(
                said.chain.erased[one], BrokenKind.ERASED_BUT_THERE, f"{one} was erased and is in the store"
            )
            for one in sorted(back)
        ),
    ]


def _manifest_faults(
    store: AuditStore, said: _Said, sizes: Collection[Digest], chosen: Collection[Digest] | None
) -> list[Broken]:
    """Manifests that name a result which is gone; those whose bytes are not to be read are left out."""
    there = [
        Digest(one) for one in sorted(said.manifests) if one in sizes and (chosen is None or one in chosen)
    ]
    return [fault for one in there for fault in _steps_missing(store, one, sizes, said.chain.erased)]


def _steps_missing(
    store: AuditStore, digest: Digest, sizes: Collection[Digest], erased: Collection[Digest]
) -> Iterable[Broken]:
    try:
        manifest = from_json(Manifest, store.get(digest))
    except OcrOpsError:
        return  # reading its bytes reports it
    except ValueError as problem:
        yield Broken(f"audit.manifests/{digest}", BrokenKind.UNREADABLE, f"is no manifest: {problem}")
        return
    for step in manifest.steps:
        if step.output not in sizes and step.output not in erased:
            detail = f"{step.output}, the result of step {step.step}, is not in the store"
            yield Broken(f"audit.manifests/{digest}", BrokenKind.MISSING, detail)
