"""How fast a folder of very many documents is listed, and with how much memory, against `find -type f | wc -l` on the same files.

Small files of different bytes, in folders of a thousand. The first listing finds all of them new: it reads and hashes every file
and stores batches. Then all of them are loaded (as plain rows, outside of any figure) and listed again: nothing is opened, and
Postgres is asked for each part what it knows. Each listing is a process of its own, as in Airflow, so that its peak memory is
its own. `find` runs in turn with the listings, on names that the operating system has seen before.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from _report import Report, add_options, tell
from sqlalchemy import text

from ocr_ops.audit import AuditStore
from ocr_ops.local.postgres import LocalPostgres
from ocr_ops.pipeline import planning
from ocr_ops.pipeline.journey import Order
from ocr_ops.pipeline.workshop import Workshop
from ocr_ops.settings import Settings
from ocr_ops.warehouse import migrate
from ocr_ops.warehouse.connecting import connected

SIZES, QUICK_SIZES = (10_000, 100_000), (1_000, 5_000)
TURNS = 3
A_FOLDER = 1_000
LONG_AGO_S = 1_700_000_000
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(2_000)

# what the loader would write of documents that are known: one row each is all that a listing asks for
LOADED = text("""
insert into ingest.documents
  (document_key, digest, uri, name, media_type, size_bytes, page_count, status, doc_type, content_digest, first_seen_at, loaded_at,
   version)
select l.document_key, l.document_key, l.uri_key, l.uri_key, 'image/png', l.size_bytes, 1, 'accepted', 'receipt',
  l.document_key, :now, :now, 1
from ingest.listed l on conflict do nothing
""")


@dataclass(frozen=True, slots=True)
class Listing:
    """One listing: documents planned, seconds of the listing alone and of it processor time (without Postgres), peak memory of
    its process in MiB and what it has without listing."""

    planned: int
    seconds: float
    cpu_s: float
    peak_mib: float
    empty_mib: float


def main() -> None:
    """List folders of two sizes, first all new and then all known."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*options.child)
        return
    sizes = QUICK_SIZES if options.quick else SIZES
    rows: list[tuple[str, ...]] = []
    raw: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="ocr-ops-listing-") as name:
        server = LocalPostgres(Path(name) / "server")
        try:
            server.ensure_running()
            for files in sizes:
                measured = measure(Path(name) / str(files), server, files)
                rows += told(files, *measured)
                raw |= {str(files): figures(*measured)}
        finally:
            server.remove()
    largest = raw[str(sizes[-1])]
    ratio = largest["known_s"] / largest["find_s"]  # type: ignore[index]
    tell(
        Report(
            "listing",
            f"python benchmarks/listing.py{' --quick' if options.quick else ''}",
            ratio,
            f"seconds to list {sizes[-1]:,} known files over seconds of `find -type f`, counted, on them",
            ("files", "what", "seconds", "processor s", "files/s", "peak MiB", "of it the program itself"),
            tuple(rows),
            raw,
        ),
        options,
    )


def measure(folder: Path, server: LocalPostgres, files: int) -> tuple[float, float, Listing, Listing]:
    """Seconds of `find` and of `os.walk`, the first listing, the second listing."""
    inbox = folder / "inbox"
    fill(inbox, files)
    server.ensure_database(f"listing_{files}")
    url = server.url(f"listing_{files}")
    migrate(url)
    finds = [find(inbox, files) for _ in range(TURNS)]
    new = listed(folder, url)
    if new.planned != files:
        raise SystemExit(f"{new.planned} of {files} files were found new")
    with connected(url) as connection:
        connection.execute(LOADED, {"now": datetime.now(UTC)})
        connection.execute(text("analyze"))
        connection.commit()
    known = []
    for _ in range(TURNS):
        known.append(listed(folder, url))
        finds.append(find(inbox, files))
    if known[-1].planned:
        raise SystemExit(f"{known[-1].planned} known files were opened again")
    return min(finds), min(walk(inbox) for _ in range(TURNS)), new, min(known, key=lambda one: one.seconds)


def fill(inbox: Path, files: int) -> None:
    """Write so many different pictures, some thousand in a folder, that look as if nobody had touched them for long."""
    for number in range(files):
        below = inbox / f"{number // A_FOLDER:03}"
        if number % A_FOLDER == 0:
            below.mkdir(parents=True)
        path = below / f"receipt-{number:06}.png"
        path.write_bytes(PICTURE + str(number).encode())
        os.utime(path, (LONG_AGO_S, LONG_AGO_S))


def find(inbox: Path, files: int) -> float:
    """Seconds of `find -type f | wc -l`."""
    begun = time.perf_counter()
    done = subprocess.run(
        f"find {inbox} -type f | wc -l", shell=True, capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - begun
    if int(done.stdout) != files:
        raise SystemExit(f"find saw {done.stdout.strip()} files, not {files}")
    return seconds


def walk(inbox: Path) -> float:
    """Seconds to look at every file, in plain Python."""
    begun = time.perf_counter()
    for folder, _, names in os.walk(inbox):
        for name in names:
            os.stat(f"{folder}/{name}")  # noqa: PTH116 - as plain as can be
    return time.perf_counter() - begun


def listed(folder: Path, url: str) -> Listing:
    """One listing in a process of its own."""
    command = [sys.executable, __file__, "--child", str(folder), url, str(time.time_ns())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return Listing(**json.loads(done.stdout.splitlines()[-1]))


def child(folder: str, url: str, run_id: str) -> None:
    """List the folder as the task `find` of a scheduled DAG does; one JSON line."""
    settings = Settings.from_env({"OCR_OPS_DATABASE_URL": url})
    shop = Workshop(settings, AuditStore(Path(folder) / "audit"))
    empty = peak_mib()
    begun, used = time.perf_counter(), time.process_time()
    inbox = Path(folder) / "inbox"
    batches = planning.plan(shop, inbox, Order(), run_id=run_id, dag_id="benchmark", note_known=False)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - used
    peak = peak_mib()
    planned = sum(len(json.loads(shop.store.get(batch))["documents"]) for batch in batches)
    print(
        json.dumps(
            {"planned": planned, "seconds": seconds, "cpu_s": cpu, "peak_mib": peak, "empty_mib": empty}
        )
    )


def peak_mib() -> float:
    """Most memory this process had so far, as the kernel counts it; not its parent's, as `getrusage` would say."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def figures(found: float, walked: float, new: Listing, known: Listing) -> dict[str, float]:
    """What `--json` says of one size."""
    return {
        "find_s": round(found, 3),
        "walk_s": round(walked, 3),
        "new_s": round(new.seconds, 2),
        "new_cpu_s": round(new.cpu_s, 2),
        "new_mib": round(new.peak_mib, 1),
        "known_s": round(known.seconds, 2),
        "known_cpu_s": round(known.cpu_s, 2),
        "known_mib": round(known.peak_mib, 1),
        "empty_mib": round(known.empty_mib, 1),
    }


def told(files: int, found: float, walked: float, new: Listing, known: Listing) -> list[tuple[str, ...]]:
    """The lines of the table of one size."""
    plain = (("find -type f, counted", found), ("os.walk and os.stat", walked))
    lines = [(f"{files:,}", what, f"{s:.2f}", "", f"{files / s:,.0f}", "", "") for what, s in plain]
    for what, one in (("all new, read and hashed", new), ("all known", known)):
        row = (
            f"{one.seconds:.2f}",
            f"{one.cpu_s:.2f}",
            f"{files / one.seconds:,.0f}",
            f"{one.peak_mib:.0f}",
            f"{one.empty_mib:.0f}",
        )
        lines.append((f"{files:,}", what, *row))
    return lines


if __name__ == "__main__":
    main()
