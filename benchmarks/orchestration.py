"""A whole DAG run in a real Airflow against the same engines driven by a bare client.

    python benchmarks/orchestration.py [--pages 2000] [--servers 1] [--slots 4] [--quick] [--json] [--record]
    python benchmarks/orchestration.py --embedded DATA/sroie [--files 24] [--json] [--record]

Scheduler, API server, DAG processor, triggerer, LocalExecutor, all on the embedded Postgres, started for the benchmark in a
folder of its own. The OCR servers are those of `ocr_client.py`: processes that spend GPU time as a real vLLM with
DeepSeek-OCR did on one H200, slowed to what came through HTTP of it: 18 receipts/s when full. With `--speed 0.58` they give
10.7 pages/s, which an H200 did with A4 pages. The LLM server answers at once with an empty record.

Every document is one receipt picture with bytes of its own. The page cache is made before: the audit store already holds
pictures and the results of the open step, so that drawing and decoding pages are not measured; everything else is, from
listing the folder to rows in Postgres. The bare client is the openai client in plain asyncio, with as many requests in
flight as all read tasks together may have; it runs alone, before Airflow starts.

With `--embedded` nothing is simulated: real pictures, the embedded OCR, and the whole run against `ocr-ops process`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from _airflow_runs import Airflow, Ran, airflow, by_task, sampled
from _report import Report, add_options, tell
from ocr_client import MODEL, TOKENS, receipt, run_clients, servers
from ocr_client import _free_port as free_port
from ocr_client import _wait_for as wait_for

from ocr_ops.audit import AuditStore
from ocr_ops.audit.folder import Folder
from ocr_ops.codec import digest_of, to_json
from ocr_ops.engines.tiles import tiling_of
from ocr_ops.model import PageImage, SourceDocument
from ocr_ops.pipeline.journey import Opened, OpenedPage
from ocr_ops.pipeline.opening import open_key
from ocr_ops.pools import LLM_POOL, OCR_POOL, READERS, WAREHOUSE_POOL
from ocr_ops.settings import Settings

LONG_AGO_S = 1_700_000_000
THROUGH_HTTP = 0.85
"""Of 21.3 receipts/s that the engine did by itself, 18.0 came through HTTP, the best of several settings of the server."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Pages of the runs (the last is the one that counts), servers and their speed, read tasks at once, their requests."""

    pages: tuple[int, ...]
    servers: int
    speed: float
    slots: int
    in_flight: int
    batch: int
    bare: int
    """Pages of the bare client."""

    @property
    def together(self) -> int:
        """Requests to one server from all read tasks."""
        return self.slots * self.in_flight


# --- documents ---


class _Unhurried(Folder):
    """Writes without waiting for the disk: what is made here needs to outlast nothing."""

    def add(self, name: str, data: bytes) -> None:
        self.replace(name, data)


def make_documents(folder: Path, audit: Path, first: int, count: int) -> None:
    """Receipts with bytes of their own, and for each what the open step would have left."""
    [(image, data)] = receipt()
    limits = Settings().limits
    store = AuditStore(_Unhurried(audit))
    folder.mkdir(parents=True)
    for number in range(first, first + count):
        picture = data + f"\n{number:07d}".encode()
        file = folder / f"receipt_{number:07d}.jpg"
        file.write_bytes(picture)
        os.utime(file, (LONG_AGO_S, LONG_AGO_S))
        digest = digest_of(picture)
        page = PageImage(1, digest, image.media_type, image.size)
        found = SourceDocument(file.as_uri(), file.name, digest, image.media_type, len(picture))
        key = open_key(limits, tiling_of(MODEL), found)
        store.put(picture)
        store.remember(key, store.put(to_json(Opened((OpenedPage(page),)))))


# --- the LLM ---


class _EmptyRecords(BaseHTTPRequestHandler):
    """Answers every request for a record with one that holds nothing."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._say({"data": [{"id": "empty", "max_model_len": 131_072}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        record = _nothing(body["response_format"]["json_schema"]["schema"])
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": json.dumps(record)},
            "finish_reason": "stop",
        }
        usage = {"prompt_tokens": 2000, "completion_tokens": 200, "total_tokens": 2200}
        self._say({"object": "chat.completion", "model": "empty", "choices": [choice], "usage": usage})

    def log_message(self, *words: object) -> None:
        pass

    def _say(self, body: Mapping[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _nothing(schema: Mapping[str, Any]) -> Any:
    kinds = schema.get("type", "null")
    if "null" in kinds or "anyOf" in schema:
        return None
    if "array" in kinds:
        return []
    return {name: _nothing(part) for name, part in schema.get("properties", {}).items()}


def _serve_records(port: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ThreadingHTTPServer(("127.0.0.1", port), _EmptyRecords).serve_forever()


@contextmanager
def language_model() -> Iterator[str]:
    """A server that answers at once."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=_serve_records, args=(port,))
    process.start()
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.join()


# --- the OCR servers, from outside ---


def look_at(urls: Sequence[str]) -> tuple[int, int]:
    """Requests running on all servers, and replies given by all of them."""
    running = replies = 0
    for url in urls:
        with urllib.request.urlopen(url.removesuffix("/v1") + "/metrics", timeout=5) as reply:
            told = dict(line.rsplit(" ", 1) for line in reply.read().decode().splitlines())
        running += int(told["vllm:num_requests_running"])
        replies += int(told["vllm:generation_tokens_total"]) // TOKENS
    return running, replies


@dataclass(frozen=True, slots=True)
class Busy:
    """How full the servers were, from the first request to the last reply, and before it."""

    idle: float
    """Share of the time with nothing running while pages were left."""
    free: float
    """Share of the places that were free while pages were left to fill them."""
    first_s: float
    last_s: float


def busy(seen: Sequence[tuple[float, tuple[int, int]]], started: float, pages: int, places: int) -> Busy:
    """Sum up what `look_at` saw."""
    base = seen[0][1][1]
    left = [(at, running, pages - (replies - base)) for at, (running, replies) in seen]
    first = next((at for at, running, _ in left if running), started)
    working = [(running, min(places, rest)) for at, running, rest in left if at >= first and rest > 0]
    last = max((at for at, _, rest in left if rest > 0), default=first)
    idle = sum(running == 0 for running, _ in working) / len(working)
    # what has been answered is not waiting: only places that unread pages could fill count
    free = sum(max(0, wanted - running) for running, wanted in working) / sum(want for _, want in working)
    return Busy(idle, free, first - started, last - started)


# --- runs ---


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run of the DAG over so many pages, and how busy the servers were."""

    pages: int
    ran: Ran
    busy: Busy

    @property
    def pages_s(self) -> float:
        """From the trigger to the end of the run."""
        return self.pages / self.ran.seconds


def environment(var: Path, urls: Sequence[str], llm: str, in_flight: int) -> dict[str, str]:
    return {
        "OCR_OPS_OCR_ENGINE": "vllm",
        "OCR_OPS_OCR_URLS": ",".join(urls),
        "OCR_OPS_OCR_MODEL": MODEL,
        "OCR_OPS_OCR_IN_FLIGHT": str(in_flight),
        "OCR_OPS_LLM_URL": llm,
        "OCR_OPS_LLM_MODEL": "empty",
        "OCR_OPS_ALLOWED_ROOTS": str(var),
        "OCR_OPS_AUDIT_URI": f"file://{var / 'audit'}",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",  # as in docker/compose.yaml
    }


def run_once(on: Airflow, folder: Path, pages: int, plan: Plan, urls: Sequence[str]) -> Outcome:
    """One run over a folder that nobody has read."""
    started = time.monotonic()
    with sampled(lambda: look_at(urls)) as seen:
        ran = on.run({"folder": str(folder), "doc_type": "receipt", "batch_size": plan.batch or None})
    if ran.state != "success":
        raise SystemExit(f"the run of {pages} pages {ran.state}")
    return Outcome(pages, ran, busy(seen, started, pages, 256 * len(urls)))


def measure(plan: Plan, var: Path) -> Report:
    """The bare client, then runs of growing size in one Airflow."""
    with servers([THROUGH_HTTP * plan.speed] * plan.servers) as (urls,):
        bare = run_clients({"bare": urls}, plan.bare, plan.together)["bare"]
        print(f"bare client: {bare['pages_s']:.2f} pages/s", flush=True)
    first = 0
    for pages in plan.pages:
        make_documents(var / "in" / str(pages), var / "audit", first, pages)
        first += pages
    slots = {OCR_POOL: plan.slots, LLM_POOL: 2, WAREHOUSE_POOL: 2}
    outcomes = []
    with servers([THROUGH_HTTP * plan.speed] * plan.servers) as (urls,), language_model() as llm:
        env = environment(var, urls, llm, plan.in_flight)
        with airflow(var, slots, env, parallelism=plan.slots + 4) as on:
            for pages in plan.pages:
                outcomes.append(run_once(on, var / "in" / str(pages), pages, plan, urls))
                print(told(outcomes[-1]), timeline(outcomes[-1].ran), sep="\n", flush=True)
    return report(plan, bare["pages_s"], outcomes)


def told(outcome: Outcome) -> str:
    """A run in a few lines."""
    ran, seen = outcome.ran, outcome.busy
    tasks = (
        f"  {name}: {number}, waited {wait:.1f} s, took {took:.1f} s"
        for name, (number, wait, took) in by_task(ran.tasks).items()
    )
    processes = (
        f"  {name}: {used.cpu_s:.1f} CPU s, {max(used.rss_mib, default=0):.0f} MiB, grown {used.grown():.2f}"
        for name, used in ran.usage.items()
    )
    head = (
        f"{outcome.pages} pages in {ran.seconds:.1f} s = {outcome.pages_s:.2f} pages/s; first request after "
        f"{seen.first_s:.1f} s, last reply after {seen.last_s:.1f} s, idle {seen.idle:.1%}, places free {seen.free:.1%}"
    )
    return "\n".join((head, *tasks, *processes))


def timeline(ran: Ran) -> str:
    """When each task began and ended, in seconds after the first one was queued."""
    start = min(one.queued for one in ran.tasks)
    return "\n".join(
        f"  {one.begun - start:7.1f} - {one.ended - start:7.1f}  {one.name} (waited {one.begun - one.queued:.1f})"
        for one in sorted(ran.tasks, key=lambda one: one.begun)
    )


def report(plan: Plan, bare_pages_s: float, outcomes: Sequence[Outcome]) -> Report:
    last, first = outcomes[-1], outcomes[0]
    overhead_ms = 1000 * (1 / last.pages_s - 1 / bare_pages_s)
    exponent = math.log(last.ran.seconds / first.ran.seconds) / math.log(last.pages / first.pages)
    rows = tuple(_row(outcome, bare_pages_s) for outcome in outcomes)
    return Report(
        "orchestration",
        f"python benchmarks/orchestration.py --pages {last.pages} --servers {plan.servers} --slots {plan.slots} --speed {plan.speed:g} "
        f"--in-flight {plan.in_flight} --batch {plan.batch}",
        last.pages_s / bare_pages_s,
        f"pages/s of the whole DAG run over those of a bare client ({bare_pages_s:.2f} over {plan.bare} pages), {plan.together} in flight to "
        f"each of {plan.servers} simulated servers",
        (
            "pages",
            "seconds",
            "pages/s",
            "ratio",
            "first request, s",
            "idle",
            "places free",
            "CPU ms/page: Airflow / tasks",
            "MiB: scheduler / api / largest task",
        ),
        rows,
        {
            "bare_pages_s": round(bare_pages_s, 3),
            "pages_s": round(last.pages_s, 3),
            "overhead_ms_per_document": round(overhead_ms, 2),
            "exponent": round(exponent, 3),
            "idle": round(last.busy.idle, 4),
            "places_free": round(last.busy.free, 4),
            "load_average": round(os.getloadavg()[0], 1),
            "memory_growth": {name: round(used.grown(), 3) for name, used in last.ran.usage.items()},
            "cpu_s": {name: round(used.cpu_s, 1) for name, used in last.ran.usage.items()},
        },
    )


def _row(outcome: Outcome, bare_pages_s: float) -> tuple[str, ...]:
    usage = outcome.ran.usage
    tasks = usage["tasks"].cpu_s
    own = sum(used.cpu_s for used in usage.values()) - tasks
    most = [max(usage[name].rss_mib, default=0.0) for name in ("scheduler", "api-server", "tasks")]
    return (
        str(outcome.pages),
        f"{outcome.ran.seconds:.1f}",
        f"{outcome.pages_s:.2f}",
        f"{outcome.pages_s / bare_pages_s:.3f}",
        f"{outcome.busy.first_s:.1f}",
        f"{outcome.busy.idle:.1%}",
        f"{outcome.busy.free:.1%}",
        f"{1000 * own / outcome.pages:.1f} / {1000 * tasks / outcome.pages:.1f}",
        " / ".join(f"{size:.0f}" for size in most),
    )


# --- the embedded engine ---


def embedded(source: Path, files: int, var: Path) -> Report:
    """The same pictures by `ocr-ops process` and by a whole run; the machine's cores, one after the other."""
    folder = var / "in"
    folder.mkdir(parents=True)
    for file in sorted(source.rglob("*.jpg"))[:files]:
        os.utime(shutil.copy(file, folder), (LONG_AGO_S, LONG_AGO_S))
    count = len(list(folder.iterdir()))
    command = [
        str(Path(sys.executable).with_name("ocr-ops")),
        "process",
        str(folder),
        "--jsonl",
        str(var / "out.jsonl"),
    ]
    env = os.environ | {
        "OCR_OPS_AUDIT_URI": f"file://{var / 'audit-alone'}",
        "OCR_OPS_VAR": str(var / "alone"),
    }
    started = time.monotonic()
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
    alone = time.monotonic() - started
    slots = {OCR_POOL: 1, LLM_POOL: 2, WAREHOUSE_POOL: 4}
    given = {"OCR_OPS_ALLOWED_ROOTS": str(var), "OCR_OPS_AUDIT_URI": f"file://{var / 'audit'}"}
    with airflow(var, slots, given, parallelism=8) as on:
        ran = on.run({"folder": str(folder)})
    if ran.state != "success":
        raise SystemExit(f"the run {ran.state}")
    rows = (
        ("ocr-ops process", f"{alone:.1f}", f"{count / alone:.2f}"),
        ("whole DAG run", f"{ran.seconds:.1f}", f"{count / ran.seconds:.2f}"),
    )
    print("\n".join(f"  {name}: {by}" for name, by in by_task(ran.tasks).items()))
    return Report(
        "orchestration_embedded",
        f"python benchmarks/orchestration.py --embedded DATA/sroie --files {count}",
        alone / ran.seconds,
        f"documents/s of the whole DAG run over those of `ocr-ops process`, {count} scanned receipts, embedded OCR",
        ("way", "seconds", "documents/s"),
        rows,
        {
            "process_s": round(alone, 1),
            "run_s": round(ran.seconds, 1),
            "load_average": round(os.getloadavg()[0], 1),
        },
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", type=int, default=2000, help="of the largest run; one of 100 goes before")
    parser.add_argument("--servers", type=int, default=1, help="simulated OCR servers")
    parser.add_argument("--speed", type=float, default=1.0, help="of a server, to an H200 with receipts")
    parser.add_argument("--slots", type=int, default=READERS, help="read tasks at once")
    parser.add_argument(
        "--in-flight",
        type=int,
        default=Settings().ocr_in_flight,
        help="requests of one read task to each server",
    )
    parser.add_argument("--batch", type=int, default=0, help="most documents in a batch; 0: as set up")
    parser.add_argument("--bare", type=int, default=0, help="pages of the bare client; 0: as many")
    parser.add_argument("--embedded", type=Path, metavar="FOLDER", help="real pictures, the embedded engine")
    parser.add_argument("--files", type=int, default=48, help="how many of them")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="work there and leave it, logs of tasks and all"
    )
    add_options(parser)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.keep or stack.enter_context(
            tempfile.TemporaryDirectory(prefix="ocr-ops-bench-", ignore_cleanup_errors=True)
        )
        if options.embedded:
            tell(embedded(options.embedded, options.files, Path(folder)), options)
            return
        pages = (20, 120) if options.quick else (100, options.pages)
        plan = Plan(
            pages,
            options.servers,
            options.speed,
            options.slots,
            options.in_flight,
            options.batch,
            options.bare or pages[-1],
        )
        tell(measure(plan, Path(folder)), options)


if __name__ == "__main__":
    main()
