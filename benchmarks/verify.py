"""How fast `ocr-ops audit verify` proves a store, against `sha256sum` on the very same files.

A store and a warehouse shaped like so many documents: objects of the kinds, sizes and packing that receipts photographed with
a telephone leave, their links, manifests and chain. `verify` reads and compares everything (bytes, links, manifests with
their steps, chain); `sha256sum` reads and hashes the files of the store, in one process for thousands of files, and
compares nothing. The two take turns, on files that the operating system has read before. Making the store is not part of any figure.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from _report import Report, add_options, tell
from sqlalchemy import Connection

from ocr_ops.audit import AuditStore, Manifest, ManifestStep
from ocr_ops.audit.folder import Folder
from ocr_ops.codec import canonical_json, digest_of, to_json
from ocr_ops.local.postgres import LocalPostgres
from ocr_ops.model import Digest
from ocr_ops.pipeline.proof import prove
from ocr_ops.tables import audit, ingest
from ocr_ops.warehouse import chain, migrate
from ocr_ops.warehouse.bulk import copy_rows
from ocr_ops.warehouse.connecting import connected

DOCUMENTS, QUICK_DOCUMENTS = 20_000, 1_000
TOGETHER = 500
TURNS = 3
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PICTURES = {"source": 146_000, "page/1/overlay": 172_000}
TEXTS = {
    "html": 15_000,
    "markdown": 600,
    "candidate/1": 1_200,
    "record": 2_700,
    "page/1/raw/1": 2_500,
    "page/1/blocks": 3_600,
    "step/open": 500,
    "step/read": 3_600,
    "step/render": 250,
    "step/extract": 300,
    "step/witness": 100,
}
"""Bytes of each kind of artefact of a receipt of one page, from `ocr-ops audit show` of one in `samples`."""

WORDS = [f"word{number}" for number in range(5_000)]


class _Unsynced(Folder):
    """A folder that does not wait for the disk: only for making a store that will be thrown away."""

    def add(self, name: str, data: bytes) -> None:
        """Write a file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def main() -> int:
    """Make, prove, hash; tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--documents", type=int, help=f"how many documents, {DOCUMENTS} without --quick")
    parser.add_argument("--turns", type=int, default=TURNS, help="how often each is timed; the best counts")
    options = parser.parse_args()
    documents = options.documents or (QUICK_DOCUMENTS if options.quick else DOCUMENTS)
    with tempfile.TemporaryDirectory(prefix="ocr-ops-verify-") as folder:
        server = LocalPostgres(Path(folder) / "server")
        try:
            server.ensure_running()
            server.ensure_database("verify")
            tell(measured(server.url("verify"), Path(folder) / "audit", documents, options.turns), options)
        finally:
            server.remove()
    return 0


def measured(url: str, root: Path, documents: int, turns: int) -> Report:
    """One run of everything."""
    migrate(url)
    fill(url, AuditStore(_Unsynced(root)), documents)
    store = AuditStore(root)
    names = b"\0".join(os.fsencode(path) for path in sorted((root / "objects").glob("*/*")))
    hashed, proved = [], []
    for _ in range(turns):
        hashed.append(_seconds(lambda: sha256sum(names)))
        started = time.perf_counter()
        proof = prove(store, url)
        proved.append(time.perf_counter() - started)
        if not proof.ok or proof.manifests != documents:
            raise SystemExit(f"the store should be whole: {proof.broken[:3]}")
    megabytes = proof.size_bytes / 1e6
    ours, theirs = megabytes / min(proved), megabytes / min(hashed)
    return Report(
        name="verify",
        command=f"python benchmarks/verify.py --documents {documents}",
        ratio=ours / theirs,
        definition="MB/s of `audit verify` (bytes, links, manifests, chain) over MB/s of sha256sum on the same files",
        columns=("what", "figure"),
        rows=(
            (
                "store",
                f"{documents} documents, {proof.objects} objects, {megabytes:.0f} MB, {proof.links} links",
            ),
            ("audit verify", f"{min(proved):.1f} s, {ours:.0f} MB/s"),
            ("sha256sum", f"{min(hashed):.1f} s, {theirs:.0f} MB/s"),
        ),
        raw={
            "documents": documents,
            "objects": proof.objects,
            "megabytes": round(megabytes),
            "verify_s": [round(one, 2) for one in proved],
            "sha256sum_s": [round(one, 2) for one in hashed],
            "verify_mb_per_s": round(ours, 1),
            "sha256sum_mb_per_s": round(theirs, 1),
        },
    )


def sha256sum(names: bytes) -> None:
    """Hash the files as a shell script would."""
    subprocess.run(
        ["xargs", "-0", "sha256sum", "--binary"], input=names, stdout=subprocess.DEVNULL, check=True
    )


def _seconds(do: Callable[[], None]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


# --- making a store ---


def fill(url: str, store: AuditStore, documents: int) -> None:
    """Keep and load so many documents, each different from every other."""
    noise, dice = os.urandom(1 << 20), random.Random(0)
    with connected(url) as connection:
        run = {"run_id": "verify", "trigger": "test", "started_at": NOW, "params": {}}
        copy_rows(connection, ingest.runs, [run])
        for first in range(0, documents, TOGETHER):
            numbers = range(first, min(first + TOGETHER, documents))
            _load(connection, [_kept(store, number, noise, dice) for number in numbers])
            connection.commit()


def _kept(store: AuditStore, number: int, noise: bytes, dice: random.Random) -> dict[str, Digest]:
    """Put everything of one document into the store; digests by role."""
    kept = {}
    for role, size in PICTURES.items():
        start = dice.randrange(len(noise) // 2)
        kept[role] = store.put(f"\x89PNG\0{role}{number}".encode("latin-1") + noise[start : start + size])
    for role, size in TEXTS.items():
        words = dice.choices(WORDS, k=size // 12)
        kept[role] = store.put(canonical_json({"role": role, "of": number, "words": words}))
    steps = tuple(
        ManifestStep(role, digest_of(role.encode()), (kept["source"],), digest)
        for role, digest in kept.items()
        if role.startswith("step/")
    )
    kept["manifest"] = store.put(to_json(Manifest(f"file:///{number}.jpg", steps, {"ocr-ops": "0"})))
    return kept


def _load(connection: Connection, batch: list[dict[str, Digest]]) -> None:
    copy_rows(connection, ingest.documents, [_document(one) for one in batch])
    artifacts = {digest: role for one in batch for role, digest in one.items()}
    noted = {"media_type": "application/json", "first_linked_at": NOW}
    copy_rows(connection, audit.artifacts, [{"digest": d, "kind": r, **noted} for d, r in artifacts.items()])
    copy_rows(connection, audit.links, [row for one in batch for row in _links(one)])
    copy_rows(connection, audit.manifests, [_manifest(one) for one in batch])
    events = [
        chain.loaded(
            one["source"], manifest=one["manifest"], content=one["record"], version=1, run_id="verify"
        )
        for one in batch
    ]
    chain.append(connection, events)


def _links(one: dict[str, Digest]) -> Iterator[dict[str, object]]:
    for role, digest in one.items():
        yield {
            "document_key": one["source"],
            "role": role,
            "digest": digest,
            "run_id": "verify",
            "linked_at": NOW,
        }


def _document(one: dict[str, Digest]) -> dict[str, object]:
    return {
        "document_key": one["source"],
        "uri": "file:///x",
        "name": "x",
        "status": "accepted",
        "content_digest": one["record"],
        "first_seen_at": NOW,
        "loaded_at": NOW,
        "version": 1,
        "page_count": 1,
        "tenant": "main",
    }


def _manifest(one: dict[str, Digest]) -> dict[str, object]:
    return {
        "digest": one["manifest"],
        "document_key": one["source"],
        "run_id": "verify",
        "content_digest": one["record"],
        "loaded_at": NOW,
    }


if __name__ == "__main__":
    sys.exit(main())
