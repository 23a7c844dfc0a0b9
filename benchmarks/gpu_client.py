"""Our OCR client against a bare asyncio loop, on a vLLM server that is up: pages a second from one GPU.

    python benchmarks/gpu_client.py --url http://127.0.0.1:8000/v1 [--workload receipt a4] [--in-flight 64 128 256]
        [--seconds 12] [--clients bare ours ours bare] [--quick] [--json] [--record]

Starts no server. Ours is `read_pages` with `VllmEngine` as in production: parser, detectors and evidence store at work,
the server's load watched. The bare client sends the same picture and prompt as bytes that were built before, over one
kept connection a slot, and looks only at the counts of the reply. `bare+extras` sends besides what the engine asks of vLLM
in particular (`repetition_detection`), and `ours-extras` is ours without it: both show what it costs the server.

Meant for a server with dummy weights, whose replies never end: all force every reply to the same length
(`max_tokens`, `ignore_eos`), so this says nothing of how well a model reads, and a page is asked once (`tries=1`), since
all such replies are bad. The clients take turns. Each keeps its slots full, its first replies of random length so that
slots do not run in step; once every slot had a reply, a window is measured. Pages a second are the server's count of
written tokens over the length of a reply (or the replies' own counts, where the server has no `/metrics`).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import itertools
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from _bare_client import BareConnection
from _printed_pages import Picture, a4_pages, receipts
from _report import Report, add_options, tell

from ocr_ops import prompts
from ocr_ops.audit import AuditStore
from ocr_ops.codec import to_json
from ocr_ops.engines.vllm import REPETITION_STOP, VllmEngine
from ocr_ops.model import Digest, RawPage, ReadPage
from ocr_ops.ocr import read_pages

NAME = "gpu_client"
DAY_S = 86_400
PICTURES = 16
BARE, EXTRAS, OURS, PLAIN = "bare", "bare+extras", "ours", "ours-extras"
TOKENS = {"receipt": 800, "a4": 1500}
DRAWN: Mapping[str, Callable[[int], list[Picture]]] = {"receipt": receipts, "a4": a4_pages}
PROMPT = prompts.ocr_prompt(prompts.OcrTask.DOCUMENT)
IDLE_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """One point: what is sent, how much at once, for how long (seconds)."""

    url: str
    model: str
    workload: str
    pictures: Sequence[Picture]
    in_flight: int
    tokens: int
    seconds: float
    warm_s: float

    def length(self, number: int) -> int:
        """Tokens of the reply to the n-th request, from 1; the first ones are of random length."""
        if number > self.in_flight:
            return self.tokens
        return random.Random(number).randint(max(1, self.tokens // 20), self.tokens)

    def picture(self, number: int) -> Picture:
        """What the n-th request shows."""
        page, data = self.pictures[number % len(self.pictures)]
        return replace(page, number=number), data


@dataclass(slots=True)
class Meter:
    """What became of the requests of one client."""

    began: dict[int, float] = field(default_factory=dict)
    ended: dict[int, tuple[float, int]] = field(default_factory=dict)
    prompt_tokens: set[int] = field(default_factory=set)
    short: int = 0
    problems: dict[str, int] = field(default_factory=dict)

    def begin(self, number: int) -> None:
        """Note that a request is on its way."""
        self.began[number] = time.perf_counter()

    def reply(self, number: int, wanted: int, tokens: int, prompt_tokens: int) -> None:
        """Note a reply and its counts."""
        self.ended[number] = time.perf_counter(), tokens
        self.prompt_tokens.add(prompt_tokens)
        self.short += tokens < wanted

    def problem(self, kind: str) -> None:
        """Count what the detectors found."""
        self.problems[kind] = self.problems.get(kind, 0) + 1


Drive = Callable[[Plan, Meter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Window:
    """What one client got through in one window; times in seconds, `cpu_s` of this process."""

    client: str
    workload: str
    in_flight: int
    seconds: float
    warm_s: float
    tokens: float
    wanted: int
    replies: int
    short: int
    waits: tuple[float, ...]
    cpu_s: float
    prompt_tokens: tuple[int, ...]
    problems: Mapping[str, int]

    @property
    def pages_per_s(self) -> float:
        """Tokens written, in pages of the wanted length."""
        return self.tokens / self.wanted / self.seconds

    def line(self) -> str:
        """For who watches."""
        return (
            f"{self.workload} x{self.in_flight} {self.client}: {self.pages_per_s:.2f} pages/s by tokens, "
            f"{self.replies / self.seconds:.2f} by replies; p50 {_share(self.waits, 0.5):.2f} s, p95 "
            f"{_share(self.waits, 0.95):.2f} s; warm {self.warm_s:.1f} s; cpu {self.cpu_s / self.seconds:.2f}; "
            f"short {self.short}; prompt {self.prompt_tokens[:3]}; { ({str(kind): n for kind, n in self.problems.items()}) }"
        )


class FixedLength(VllmEngine):
    """The engine as it is, but that dummy weights do not choose how long a reply is."""

    def __init__(self, plan: Plan, *, extras: bool) -> None:
        super().__init__([plan.url], plan.model, in_flight=plan.in_flight)
        self._plan = plan
        self._extras_refused = not extras

    def _request(self, page: Any, *given: Any, **named: Any) -> dict[str, Any]:
        body = super()._request(page, *given, **named)
        return body | {"max_tokens": self._plan.length(page.number), "ignore_eos": True}


# --- the clients ---


async def drive_ours(plan: Plan, meter: Meter, *, extras: bool = True) -> None:
    """Everything that happens to a page between its picture and its blocks, without end."""

    def pages() -> Iterator[Picture]:
        for number in itertools.count(1):
            meter.begin(number)
            yield plan.picture(number)

    raws: dict[int, RawPage] = {}

    def done(page: ReadPage, _: Digest) -> None:
        raw = raws.pop(page.image.number)
        meter.reply(raw.page, plan.length(raw.page), raw.completion_tokens, raw.prompt_tokens)
        for problem in page.problems:
            meter.problem(problem.kind)

    engine = FixedLength(plan, extras=extras)
    with tempfile.TemporaryDirectory() as folder:
        store = AuditStore(Path(folder))

        def keep(raw: RawPage) -> Digest:
            raws[raw.page] = raw
            return store.put(to_json(raw))

        try:
            await read_pages(
                engine,
                pages(),
                in_flight=plan.in_flight,
                keep=keep,
                keep_picture=store.put,
                on_page=done,
                tries=1,
            )
        finally:
            await engine.close()


async def drive_bare(plan: Plan, meter: Meter, extras: Mapping[str, Any] | None = None) -> None:
    """Prebuilt requests over one connection a slot, without end."""
    bodies = [_body(plan.model, data, extras or {}) for _, data in plan.pictures]
    numbers = itertools.count(1)

    async def slot() -> None:
        async with BareConnection(plan.url) as connection:
            while True:
                number = next(numbers)
                meter.begin(number)
                wanted = plan.length(number)
                body = bodies[number % len(bodies)], b', "max_tokens": %d}' % wanted
                status, answer = await connection.send("POST", "/v1/chat/completions", body)
                if status != 200:
                    raise ConnectionError(f"status {status}: {answer[:300]!r}")
                usage = json.loads(answer)["usage"]
                meter.reply(number, wanted, usage["completion_tokens"], usage["prompt_tokens"])

    async with asyncio.TaskGroup() as group:
        for _ in range(plan.in_flight):
            group.create_task(slot())


async def drive_with_extras(plan: Plan, meter: Meter) -> None:
    """The bare client, asking vLLM for what the engine asks it for."""
    await drive_bare(plan, meter, {"repetition_detection": dict(REPETITION_STOP)})


async def drive_ours_plainly(plan: Plan, meter: Meter) -> None:
    """Our client, asking vLLM for nothing of its own."""
    await drive_ours(plan, meter, extras=False)


CLIENTS: Mapping[str, Drive] = {
    BARE: drive_bare,
    EXTRAS: drive_with_extras,
    OURS: drive_ours,
    PLAIN: drive_ours_plainly,
}


def _body(model: str, data: bytes, extras: Mapping[str, Any]) -> bytes:
    """The request without its end, where the number of tokens comes."""
    url = f"data:image/jpeg;base64,{base64.b64encode(data).decode('ascii')}"
    parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": PROMPT}]
    fields = {
        "model": model,
        "messages": [{"role": "user", "content": parts}],
        "temperature": 0.0,
        "skip_special_tokens": False,
        "ignore_eos": True,
        **extras,
    }
    return json.dumps(fields).encode()[:-1]


# --- measuring ---


async def window_of(client: str, plan: Plan) -> Window:
    """Fill the slots, wait until each had a reply, measure, stop, and wait until the server is idle again."""
    meter = Meter()
    task = asyncio.ensure_future(CLIENTS[client](plan, meter))
    try:
        warm_s = await _warm(plan, meter, task)
        tokens, began, cpu = await _written(plan.url), time.perf_counter(), time.process_time()
        await asyncio.wait([task], timeout=plan.seconds)
        cpu, ended = time.process_time() - cpu, time.perf_counter()
        written = await _written(plan.url)
        if task.done():
            await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await _idle(plan.url)
    inside = {n: (at, tok) for n, (at, tok) in meter.ended.items() if began <= at <= ended}
    counted = None if tokens is None or written is None else written - tokens
    return Window(
        client,
        plan.workload,
        plan.in_flight,
        ended - began,
        warm_s,
        float(sum(tok for _, tok in inside.values())) if counted is None else counted,
        plan.tokens,
        len(inside),
        meter.short,
        tuple(sorted(at - meter.began[n] for n, (at, _) in inside.items() if n > plan.in_flight)),
        cpu,
        tuple(sorted(meter.prompt_tokens)),
        meter.problems,
    )


async def _warm(plan: Plan, meter: Meter, task: asyncio.Future[None]) -> float:
    began = time.perf_counter()
    while not task.done() and time.perf_counter() - began < plan.warm_s:
        if sum(number <= plan.in_flight for number in meter.ended) == plan.in_flight:
            break
        await asyncio.sleep(0.1)
    if task.done():
        await task
    return time.perf_counter() - began


async def _asked(url: str, path: str) -> tuple[int, bytes]:
    async with BareConnection(url) as connection:
        return await connection.send("GET", path)


async def _gauge(url: str, name: str) -> float | None:
    """A metric summed over its labels, None where the server does not tell."""
    status, answer = await _asked(url, "/metrics")
    lines = [line for line in answer.decode().splitlines() if line.split("{")[0].split(" ")[0] == name]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines) if status == 200 and lines else None


async def _written(url: str) -> float | None:
    return await _gauge(url, "vllm:generation_tokens_total")


async def _idle(url: str) -> None:
    """What one client left must not slow the next."""
    began = time.perf_counter()
    while await _gauge(url, "vllm:num_requests_running") and time.perf_counter() - began < IDLE_WITHIN_S:
        await asyncio.sleep(0.1)


async def served_model(url: str) -> str:
    """The first model the server lists; ConnectionError when it lists none."""
    status, answer = await _asked(url, "/v1/models")
    if status != 200:
        raise ConnectionError(f"status {status} from /v1/models")
    return str(json.loads(answer)["data"][0]["id"])


async def measure(options: argparse.Namespace) -> list[Window]:
    """All points, the clients taking turns at each; every window is said as soon as it is over."""
    model = await served_model(options.url)
    windows = []
    for workload in options.workload:
        pictures = DRAWN[workload](PICTURES)
        tokens = options.tokens or TOKENS[workload]
        for in_flight in options.in_flight:
            plan = Plan(
                options.url,
                model,
                workload,
                pictures,
                in_flight,
                tokens,
                options.seconds,
                options.warm,
            )
            for client in options.clients:
                window = await window_of(client, plan)
                print(window.line(), flush=True, file=sys.stderr)
                windows.append(window)
    return windows


# --- telling ---


def _share(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def _mean_pages(windows: Sequence[Window]) -> float:
    return statistics.fmean(window.pages_per_s for window in windows)


def _grouped(windows: Sequence[Window]) -> dict[tuple[str, int], dict[str, list[Window]]]:
    points: dict[tuple[str, int], dict[str, list[Window]]] = {}
    for window in windows:
        clients = points.setdefault((window.workload, window.in_flight), {})
        clients.setdefault(window.client, []).append(window)
    return points


def _row(client: str, windows: Sequence[Window], bare: float) -> tuple[str, ...]:
    first, mean = windows[0], _mean_pages(windows)
    rates = [window.pages_per_s for window in windows]
    waits = sorted(wait for window in windows for wait in window.waits)
    replies = sum(window.replies for window in windows)
    cpu_s = sum(window.cpu_s for window in windows)
    return (
        first.workload,
        str(first.in_flight),
        client,
        f"{mean:.2f} ({min(rates):.2f} - {max(rates):.2f})",
        f"{mean * DAY_S / 1000:,.0f} k",
        f"{mean * first.wanted:,.0f}",
        f"{_share(waits, 0.5):.1f} / {_share(waits, 0.95):.1f}",
        f"{1000 * cpu_s / replies:.1f}" if replies else "",
        f"{mean / bare:.3f}",
    )


def report(windows: Sequence[Window], options: argparse.Namespace) -> Report:
    rows, ratios = [], {}
    for (workload, in_flight), clients in _grouped(windows).items():
        bare = _mean_pages(clients[BARE])
        ratios[f"{workload} {in_flight}"] = round(_mean_pages(clients[OURS]) / bare, 4)
        rows += [_row(client, found, bare) for client, found in sorted(clients.items())]
    given = f"--workload {' '.join(options.workload)} --in-flight {' '.join(map(str, options.in_flight))}"
    given += f" --seconds {options.seconds:g} --clients {' '.join(options.clients)}"
    return Report(
        NAME,
        f"python benchmarks/gpu_client.py --url URL {given}",
        min(ratios.values()),
        "our pages/s to those of the bare client, the lowest of all points; one GPU, dummy weights, replies of fixed length "
        f"({', '.join(f'{name} {options.tokens or TOKENS[name]}' for name in options.workload)} tokens), mean and range of windows",
        (
            "pages",
            "in flight",
            "client",
            "pages/s",
            "pages/GPU-day",
            "tokens/s",
            "p50 / p95 s",
            "client CPU ms/page",
            "to bare",
        ),
        tuple(rows),
        {"ratios": ratios, "windows": [_plain(window) for window in windows]},
    )


def _plain(window: Window) -> dict[str, object]:
    return {
        "client": window.client,
        "workload": window.workload,
        "in_flight": window.in_flight,
        "pages_per_s": round(window.pages_per_s, 3),
        "replies": window.replies,
        "seconds": round(window.seconds, 2),
        "warm_s": round(window.warm_s, 2),
        "short": window.short,
        "cpu_s": round(window.cpu_s, 2),
        "p50_s": round(_share(window.waits, 0.5), 3),
        "p95_s": round(_share(window.waits, 0.95), 3),
        "problems": dict(window.problems),
    }


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", help="base URL of a vLLM server that is up, ending in /v1")
    parser.add_argument("--workload", nargs="+", choices=sorted(DRAWN), default=["receipt", "a4"])
    parser.add_argument("--in-flight", nargs="+", type=int, default=[64, 128, 256])
    parser.add_argument("--seconds", type=float, default=12.0, help="length of a window")
    parser.add_argument("--warm", type=float, default=60.0, help="most seconds before a window")
    parser.add_argument("--tokens", type=int, help=f"length of every reply; as a rule {TOKENS}")
    parser.add_argument("--clients", nargs="+", choices=list(CLIENTS), default=[BARE, OURS, OURS, BARE])
    add_options(parser)
    options = parser.parse_args(given)
    if not {BARE, OURS} <= set(options.clients):
        parser.error("--clients must name bare and ours")
    if options.quick:
        options.workload, options.in_flight, options.seconds = options.workload[:1], [8], 5.0
        options.clients = [BARE, OURS]
    return options


def main() -> None:
    options = arguments()
    if not options.url:
        print("needs --url of a vLLM server that is up")
        raise SystemExit(2)
    tell(report(asyncio.run(measure(options)), options), options)


if __name__ == "__main__":
    main()
