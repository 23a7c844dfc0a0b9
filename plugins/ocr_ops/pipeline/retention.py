"""A retention policy, carried out: bytes are removed, and a tombstone in the chain says which, when and under which rule.

`plan` looks and changes nothing; `carry_out` removes what a plan names. The tombstone is committed before the first byte goes: a
run that is killed leaves tombstones whose bytes are there, which `verify` reports and the next run removes. Links, rows and digests
stay, so that what was removed stays provable; values in the warehouse's tables are not touched. For the command line and
for a DAG.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from ocr_ops.audit import AuditStore
from ocr_ops.codec import digest_of
from ocr_ops.errors import AuditBroken
from ocr_ops.model import Digest
from ocr_ops.pipeline.chain_proof import left_over, prove_chain
from ocr_ops.pipeline.retention_policy import Policy, Verdict, read_policy, verdict
from ocr_ops.warehouse import chain
from ocr_ops.warehouse.chain import ChainEvent, EventKind
from ocr_ops.warehouse.connecting import connected

_TOGETHER = 100
_NAMED = re.compile(rb"sha256:[0-9a-f]{64}")
_DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be removed of one document under one rule."""

    document: str
    name: str
    doc_type: str | None
    rule: str
    roles: tuple[str, ...]
    digests: tuple[Digest, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a policy asks for now. `left_over`: a killed run noted it as removed and did not get to it."""

    policy: bytes
    due: tuple[Due, ...] = ()
    held: Mapping[str, int] = field(default_factory=dict)
    """Artefacts that a rule would remove and a hold keeps, by the hold's name."""
    shared: int = 0
    """Artefacts that a rule would remove and another document still needs."""
    left_over: tuple[Digest, ...] = ()

    @property
    def digests(self) -> int:
        """How many objects would be removed."""
        return sum(len(one.digests) for one in self.due)

    @property
    def size_bytes(self) -> int:
        """How many bytes they take in the store."""
        return sum(one.size_bytes for one in self.due)


@dataclass(frozen=True, slots=True)
class _Link:
    document: str
    name: str
    doc_type: str | None
    role: str
    digest: Digest
    verdict: Verdict


def plan(store: AuditStore, database_url: str, policy: bytes, *, now: datetime) -> Plan:
    """What the policy (the bytes of its file) asks to be removed now; SettingsError when it cannot be read."""
    rules = read_policy(policy)
    sizes = store.objects()
    with connected(database_url) as connection:
        said = prove_chain(chain.rows(connection))
        links = [link for link in _links(connection, rules, now) if link.digest in sizes]
    needed = {link.digest for link in links if not link.verdict.remove}
    removing = [link for link in links if link.verdict.remove]
    held: dict[str, int] = {}
    for link in links:
        if link.verdict.hold:
            held[link.verdict.hold] = held.get(link.verdict.hold, 0) + 1
    erasures = {one.name for one in rules.erasures if not one.classes}
    linked = {link.digest for link in links}
    return Plan(
        policy,
        due=tuple(_due(store, removing, needed, linked, erasures, sizes)),
        held=held,
        shared=len({link.digest for link in removing} & needed),
        left_over=tuple(sorted(left_over(said, sizes))),
    )


def carry_out(
    store: AuditStore,
    database_url: str,
    plan: Plan,
    *,
    by: str,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Remove what a plan names, and note it in the chain; `progress(documents done, of)`. Safe to kill and to repeat.

    The policy's own bytes are kept in the store, under the digest that every tombstone names.
    """
    policy = store.put(plan.policy)
    for digest in plan.left_over:
        store.erase(digest)
    done = 0
    with connected(database_url) as connection:
        for batch in _batches(plan.due):
            chain.append(connection, [_tombstone(due, policy, by) for due in batch])
            connection.commit()
            for due in batch:
                for digest in due.digests:
                    store.erase(digest)
                done += 1
                if progress is not None:
                    progress(done, len(plan.due))
        chain.append(connection, [_summary(plan, policy, by)])
        connection.commit()


def _batches(due: tuple[Due, ...]) -> Iterator[tuple[Due, ...]]:
    for first in range(0, len(due), _TOGETHER):
        yield due[first : first + _TOGETHER]


def _tombstone(due: Due, policy: Digest, by: str) -> ChainEvent:
    payload = {
        "rule": due.rule,
        "policy": policy,
        "by": by,
        "doc_type": due.doc_type,
        "roles": list(due.roles),
        "digests": list(due.digests),
        "bytes": due.size_bytes,
    }
    return ChainEvent(EventKind.ERASED, due.document, payload)


def _summary(plan: Plan, policy: Digest, by: str) -> ChainEvent:
    payload: dict[str, Any] = {
        "policy": policy,
        "by": by,
        "documents": len({due.document for due in plan.due}),
        "objects": plan.digests,
        "bytes": plan.size_bytes,
        "held": dict(plan.held),
        "finished": len(plan.left_over),
    }
    return ChainEvent(EventKind.RETAINED, "retention", payload)


# --- what is due ---

_LINKS = text("""
select l.document_key, d.name, d.doc_type, d.first_seen_at, l.role, l.digest
from audit.links l join ingest.documents d using (document_key)
order by l.document_key, l.role, l.digest
""")


def _links(connection: Connection, policy: Policy, now: datetime) -> Iterator[_Link]:
    for row in connection.execution_options(stream_results=True).execute(_LINKS):
        found = verdict(
            policy,
            document=row.document_key,
            doc_type=row.doc_type,
            role=row.role,
            first_seen=row.first_seen_at,
            now=now,
        )
        yield _Link(row.document_key, row.name, row.doc_type, row.role, Digest(row.digest), found)


def _due(
    store: AuditStore,
    removing: list[_Link],
    needed: Collection[Digest],
    linked: Collection[Digest],
    erasures: Collection[str],
    sizes: Mapping[Digest, int],
) -> Iterator[Due]:
    """One a document and rule. An object that several documents share goes with the first of them."""
    by_rule: dict[tuple[str, str], list[_Link]] = {}
    for link in removing:
        by_rule.setdefault((link.document, link.verdict.rule), []).append(link)
    taken: set[Digest] = set()
    for (document, rule), links in by_rule.items():
        own = {link.digest for link in links if link.digest not in needed} - taken
        if rule in erasures:
            own |= _named_by(store, own, sizes) - set(linked) - taken
        taken |= own
        if own:
            roles = tuple(sorted({link.role for link in links if link.digest in own}))
            size = sum(sizes[digest] for digest in own)
            yield Due(document, links[0].name, links[0].doc_type, rule, roles, tuple(sorted(own)), size)


def _named_by(store: AuditStore, digests: Collection[Digest], sizes: Collection[Digest]) -> set[Digest]:
    """Objects that these name, and those name in turn: intermediates that no link leads to."""
    found, new = set(digests), set(digests)
    for _ in range(_DEEPEST):
        new = {named for digest in new for named in _digests_in(store, digest) if named in sizes} - found
        found |= new
    return found - set(digests)


def _digests_in(store: AuditStore, digest: Digest) -> set[Digest]:
    try:
        data = store.get(digest)
        json.loads(data)
    except (AuditBroken, ValueError):
        return set()
    return {Digest(name.decode()) for name in _NAMED.findall(data)} - {digest_of(data)}
