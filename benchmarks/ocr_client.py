"""Our OCR client against a bare asyncio loop of the openai client, over simulated GPU servers on loopback.

    python benchmarks/ocr_client.py [--pages 2000] [--in-flight 128] [--many 5000] [--quick] [--json] [--record]

A simulated server is a process of its own that spends GPU time as a real vLLM with DeepSeek-OCR was seen to do on one
H200: a step encodes at most one picture (28 ms with prefill) and gives all running requests a token, and it takes longer the
more of them run (1.1 ms for one, 5.8 ms for 256). It runs at most 256 requests, the others wait.
Every reply has 800 tokens. Both clients send the same receipt of about 250 kB and keep as many requests in flight; ours
reads it as production does, with parser, detectors and an evidence store that waits for the disk.

Three servers: one at half speed, one that dies a third into the run and is back after a while. The bare loop keeps as
many requests on every server and takes its next page wherever one is free. A request that fails stays with its server
and is sent again every half second until it is answered, so no page is lost there either.
The two clients run at the same time, each with servers of its own, so that other work on the machine slows both.
Memory and CPU are those of a client process of its own, without imports. For memory and for the CPU time of A4 scans of
1.3 MB the servers are 10 times as fast.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import heapq
import io
import json
import multiprocessing
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice, pairwise
from pathlib import Path

from _printed_pages import Picture, a4_pages
from _report import Report, add_options, tell
from PIL import Image

from ocr_ops import prompts
from ocr_ops.audit import AuditStore
from ocr_ops.codec import digest_of, to_json
from ocr_ops.engines.vllm import VllmEngine
from ocr_ops.model import Digest, PageImage, PixelSize, RawPage, ReadPage
from ocr_ops.ocr import read_pages

MODEL = "deepseek-ai/DeepSeek-OCR"
TOKENS = 800
ENCODE_S = 0.028
STEPS_MS = ((1, 1.08), (8, 1.97), (32, 2.74), (64, 3.30), (128, 4.14), (256, 5.84))
MOST_RUNNING = 256
TICK_S = 0.005
FAST = 10.0
A4_BYTES = 1_000_000
"""Longer requests show an A4 page, which takes 913 tokens; a receipt takes 703."""
REPLY = "".join(
    f"<|ref|>text<|/ref|><|det|>[[60, {20 + 24 * n}, 900, {40 + 24 * n}]]<|/det|>\nArticle {n * 37} of the list {n}.90\n"
    for n in range(40)
)


# --- the server ---


class Gpu:
    """What a GPU does with its time; one `tick` spends some of it.

    A step encodes one picture, if one waits and there is a place, and gives a token to every request that runs. So first tokens come
    soon, and what begins together does not end together: vLLM showed first tokens after 0.4 s and replies after 15 to 16 s at 256 in
    flight.
    """

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[None]] = []
        self.running: list[tuple[float, int, asyncio.Future[None]]] = []
        self.written = 0.0
        self.left_s = 0.0
        self.order = 0
        self.replies = 0

    def tick(self, seconds: float) -> None:
        """Take steps until the time is spent; a step that takes longer is paid for by the next ticks."""
        self.left_s += seconds
        while self.left_s > 0 and (self.waiting or self.running):
            encodes = self.waiting and len(self.running) < MOST_RUNNING
            if encodes:
                self.order += 1
                heapq.heappush(self.running, (self.written + TOKENS, self.order, self.waiting.pop(0)))
            step_s = step_ms(len(self.running)) / 1000
            # where nobody waits, as many steps as there is time for, but none beyond the next end of a reply
            steps = 1.0 if encodes else min(self.left_s / step_s, self.running[0][0] - self.written)
            self.left_s -= steps * step_s + (ENCODE_S if encodes else 0.0)
            self.written += steps
            self._end_replies()
        self.left_s = min(self.left_s, 0.0)

    def _end_replies(self) -> None:
        while self.running and self.running[0][0] <= self.written + 1e-6:
            done = heapq.heappop(self.running)[2]
            self.replies += 1
            if not done.done():
                done.set_result(None)


def step_ms(running: int) -> float:
    """Milliseconds of one decode step, between the measured points."""
    for (low, a), (high, b) in pairwise(STEPS_MS):
        if running <= high:
            return a + (b - a) * (running - low) / (high - low)
    return STEPS_MS[-1][1]


def serve(port: int, speed: float) -> None:
    """Be a server until killed."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    asyncio.run(_serve(port, speed))


async def _serve(port: int, speed: float) -> None:
    gpu = Gpu()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = head.partition("content-length: ")[2].partition("\r\n")[0]
                await reader.readexactly(int(length or 0))
                prompt_tokens = 913 if int(length or 0) > A4_BYTES else 703
                status, body = await _answer(gpu, head.split(" ", 2)[1], prompt_tokens)
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n".encode())
                writer.write(b"content-type: application/json\r\n\r\n" + body)
                await writer.drain()
        writer.close()

    await asyncio.start_server(handle, "127.0.0.1", port, limit=2**22)
    last = time.perf_counter()
    while True:
        await asyncio.sleep(TICK_S)
        now = time.perf_counter()
        gpu.tick((now - last) * speed)
        last = now


async def _answer(gpu: Gpu, path: str, prompt_tokens: int) -> tuple[int, bytes]:
    if path == "/v1/chat/completions":
        turn = asyncio.get_running_loop().create_future()
        gpu.waiting.append(turn)
        await turn
        choice = {"index": 0, "message": {"role": "assistant", "content": REPLY}, "finish_reason": "stop"}
        usage = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": TOKENS,
            "total_tokens": prompt_tokens + TOKENS,
        }
        reply = {"id": "x", "object": "chat.completion", "created": 1, "model": MODEL}
        return 200, json.dumps({**reply, "choices": [choice], "usage": usage}).encode()
    if path == "/metrics":
        gauges = (
            f"vllm:num_requests_running {len(gpu.running)}\nvllm:num_requests_waiting {len(gpu.waiting)}\n"
            f"vllm:generation_tokens_total {gpu.replies * TOKENS}\n"
        )
        return 200, gauges.encode()
    told = {"/v1/models": {"data": [{"id": MODEL, "max_model_len": 8192}]}, "/version": {"version": "0.32.0"}}
    told |= {"/health": {}}
    return (200, json.dumps(told[path]).encode()) if path in told else (404, b"{}")


@contextlib.contextmanager
def servers(
    speeds: Sequence[float], sets: int = 1, *, restart_after_s: float = 0.0, away_s: float = 0.0
) -> Iterator[list[list[str]]]:
    """Start equal sets of servers; the last one of each may be killed after a while, and started again."""
    ports = [[_free_port() for _ in speeds] for _ in range(sets)]
    keeper = multiprocessing.get_context("spawn")
    running = []
    for some in ports:
        running += [keeper.Process(target=serve, args=pair) for pair in zip(some, speeds, strict=True)]
        if restart_after_s:
            given = (some[-1], speeds[-1], restart_after_s, away_s)
            running[-1] = keeper.Process(target=_restarted, args=given)
    for process in running:
        process.start()
    try:
        for port in chain(*ports):
            _wait_for(port)
        yield [[f"http://127.0.0.1:{port}/v1" for port in some] for some in ports]
    finally:
        for process in running:
            process.terminate()
            process.join()


def _restarted(port: int, speed: float, after_s: float, away_s: float) -> None:
    """A server that is killed once and comes back; ends its child when it is ended itself."""
    child = multiprocessing.get_context("spawn").Process(target=serve, args=(port, speed), daemon=True)
    child.start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _wait_for(port)
    time.sleep(after_s)
    child.kill()
    child.join()
    time.sleep(away_s)
    serve(port, speed)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    for _ in range(300):
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5),
        ):
            return
        time.sleep(0.1)
    raise SystemExit(f"no server came up on port {port}")


# --- the clients ---


def receipt() -> list[Picture]:
    """A JPEG of about 250 kB."""
    noise = random.Random(7).randbytes(1000 * 1000)
    image = Image.frombytes("L", (1000, 1000), noise).point(lambda value: 200 + value // 8)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    data = out.getvalue()
    return [(PageImage(1, digest_of(data), "image/jpeg", PixelSize(1000, 1000)), data)]


def a4() -> list[Picture]:
    """A few scans."""
    return a4_pages(4)


async def ours(urls: Sequence[str], count: int, in_flight: int, pictures: Sequence[Picture]) -> int:
    engine = VllmEngine(urls, MODEL, in_flight=in_flight, tries=20)
    good = 0

    def count_good(read: ReadPage, sent: Digest) -> None:
        nonlocal good
        good += not read.problems and len(read.attempts) == 1

    with tempfile.TemporaryDirectory() as folder:
        store = AuditStore(Path(folder))

        def keep(raw: RawPage) -> Digest:
            return store.put(to_json(raw))

        await read_pages(
            engine,
            islice(cycle(pictures), count),
            in_flight=in_flight * len(urls),
            keep=keep,
            keep_picture=store.put,
            on_page=count_good,
            collect=False,
        )
        await engine.close()
    return good


async def bare(urls: Sequence[str], count: int, in_flight: int, pictures: Sequence[Picture]) -> int:
    from openai import AsyncOpenAI, OpenAIError

    text = prompts.ocr_prompt(prompts.OcrTask.DOCUMENT)
    shown = [f"data:image/jpeg;base64,{base64.b64encode(data).decode()}" for _, data in pictures]
    left = islice(cycle(shown), count)
    good = 0

    async def work(client: AsyncOpenAI) -> None:
        nonlocal good
        for url in left:
            parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": text}]
            while True:
                try:
                    reply = await client.chat.completions.create(
                        model=MODEL,
                        messages=[{"role": "user", "content": parts}],  # type: ignore[list-item,misc]
                        temperature=0,
                        max_tokens=7000,
                        extra_body={"skip_special_tokens": False},
                    )
                    break
                except OpenAIError:
                    await asyncio.sleep(0.5)
            good += reply.choices[0].finish_reason == "stop"

    clients = [AsyncOpenAI(base_url=one, api_key="none", max_retries=0, timeout=600) for one in urls]
    await asyncio.gather(*(work(client) for client in clients for _ in range(in_flight)))
    for client in clients:
        await client.close()
    return good


CLIENTS = {"ours": ours, "bare": bare}
PICTURES = {"receipt": receipt, "a4": a4}


def client_main(options: argparse.Namespace) -> None:
    """Run one client in this process and print what it took."""
    import openai  # noqa: F401  the import is no part of the work

    pictures, count = PICTURES[options.show](), options.pages
    before, started = os.times(), time.perf_counter()
    good = asyncio.run(CLIENTS[options.client](options.urls, count, options.in_flight, pictures))
    seconds, after = time.perf_counter() - started, os.times()
    cpu = after.user + after.system - before.user - before.system
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps({"good": good, "pages_s": good / seconds, "cpu_ms": 1000 * cpu / count, "peak_mib": peak})
    )


Result = dict[str, float]


def run_clients(
    urls: Mapping[str, Sequence[str]], count: int, in_flight: int, show: str = "receipt"
) -> dict[str, Result]:
    """Clients at the same time, each in a process of its own with servers of its own."""
    given = ["--pages", str(count), "--in-flight", str(in_flight), "--show", show, "--urls"]
    started = {
        which: subprocess.Popen(
            [sys.executable, __file__, "--client", which, *given, *some], stdout=subprocess.PIPE, text=True
        )
        for which, some in urls.items()
    }
    said = {which: process.communicate()[0] for which, process in started.items()}
    results: dict[str, Result] = {}
    for which, process in started.items():
        if process.returncode:
            raise SystemExit(f"{which}: the client failed")
        results[which] = json.loads(said[which].splitlines()[-1])
        if results[which]["good"] != count:
            raise SystemExit(f"{which}: {results[which]['good']:.0f} of {count} pages were read well")
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=128)
    parser.add_argument(
        "--many", type=int, default=5000, help="pages of the longer memory run; 200 is the shorter"
    )
    parser.add_argument("--client", choices=list(CLIENTS), help=argparse.SUPPRESS)
    parser.add_argument("--show", choices=list(PICTURES), help=argparse.SUPPRESS)
    parser.add_argument("--urls", nargs="*", default=[], help=argparse.SUPPRESS)
    add_options(parser)
    options = parser.parse_args()
    if options.client:
        client_main(options)
        return
    sizes = (
        Sizes(80, 240, 32, 3.0) if options.quick else Sizes(options.pages, options.many, options.in_flight)
    )
    tell(measure(sizes), options)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Pages of a run and of the longer memory run, requests in flight to a server, and its speed to an H200's."""

    pages: int
    many: int
    in_flight: int
    speed: float = 1.0


def measure(sizes: Sizes) -> Report:
    """All runs."""
    with servers([sizes.speed], 2) as (first, second):
        one = run_clients({"bare": first, "ours": second}, sizes.pages, sizes.in_flight)
    three = _three(sizes, one["bare"]["pages_s"])
    few = min(200, sizes.pages)
    with servers([FAST]) as (urls,):
        memory = {
            count: run_clients({"ours": urls}, count, sizes.in_flight)["ours"] for count in (few, sizes.many)
        }
        scans = {
            which: run_clients({which: urls}, 2 * few, sizes.in_flight, "a4")[which] for which in CLIENTS
        }
    grown = memory[sizes.many]["peak_mib"] / memory[few]["peak_mib"]
    rows = (
        ("one server", *_row(one)),
        ("three, one slow, one restarts", *_row(three)),
        (f"A4 scans, a server {FAST:g} times as fast", *_row(scans)),
        (f"{few} pages, the same server", *_alone(memory[few], "")),
        (f"{sizes.many} pages, the same server", *_alone(memory[sizes.many], f"{grown:.3f}")),
    )
    return Report(
        "ocr_client",
        f"python benchmarks/ocr_client.py --pages {sizes.pages} --many {sizes.many} --in-flight {sizes.in_flight}",
        _ratio(one),
        f"our pages/s over the bare loop's, {sizes.pages} pages, {sizes.in_flight} in flight to each simulated server",
        ("run", "bare pages/s", "our pages/s", "ratio", "bare / our CPU ms/page", "our peak MiB", "growth"),
        rows,
        {
            "ratio_three": round(_ratio(three), 4),
            "memory_growth": round(grown, 4),
            "cpu_ms_per_page": round(one["ours"]["cpu_ms"], 2),
            "cpu_ms_per_a4_page": round(scans["ours"]["cpu_ms"], 2),
            "bare_cpu_ms_per_page": round(one["bare"]["cpu_ms"], 2),
            "our_pages_s": round(one["ours"]["pages_s"], 3),
            "bare_pages_s": round(one["bare"]["pages_s"], 3),
            "our_pages_s_three": round(three["ours"]["pages_s"], 3),
            "bare_pages_s_three": round(three["bare"]["pages_s"], 3),
            "peak_mib": {str(count): round(run["peak_mib"], 1) for count, run in memory.items()},
        },
    )


def _three(sizes: Sizes, pages_s: float) -> dict[str, Result]:
    """One of three servers is slow, another dies a third into the run, for half as long."""
    third = sizes.pages / pages_s / 2.5 / 3
    speeds = [sizes.speed * share for share in (1.0, 0.5, 1.0)]
    with servers(speeds, 2, restart_after_s=2 + third, away_s=third / 2) as (first, second):
        return run_clients({"bare": first, "ours": second}, sizes.pages, sizes.in_flight)


def _ratio(run: dict[str, Result]) -> float:
    return run["ours"]["pages_s"] / run["bare"]["pages_s"]


def _row(run: dict[str, Result]) -> tuple[str, ...]:
    bare, ours = run["bare"], run["ours"]
    return (
        f"{bare['pages_s']:.2f}",
        f"{ours['pages_s']:.2f}",
        f"{_ratio(run):.3f}",
        f"{bare['cpu_ms']:.1f} / {ours['cpu_ms']:.1f}",
        f"{ours['peak_mib']:.0f}",
        "",
    )


def _alone(ours: Result, grown: str) -> tuple[str, ...]:
    return "", f"{ours['pages_s']:.2f}", "", f"{ours['cpu_ms']:.1f}", f"{ours['peak_mib']:.0f}", grown


if __name__ == "__main__":
    main()
