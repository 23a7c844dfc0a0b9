"""What benchmarks say and keep: a table for people, one JSON line for programs, a dated entry in `RESULTS.md`."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"


@dataclass(frozen=True, slots=True)
class Report:
    """One run: `ratio` is the figure to watch, `definition` says of what to what, `raw` is what it was made from.

    `command` is how to repeat the run, without places of this machine.
    """

    name: str
    command: str
    ratio: float
    definition: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    raw: Mapping[str, object] = field(default_factory=dict)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The switches that every benchmark has."""
    parser.add_argument("--quick", action="store_true", help="less data, under a minute")
    parser.add_argument("--json", action="store_true", help="end with one JSON object on the last line")
    parser.add_argument("--record", action="store_true", help=f"add a dated entry to {RESULTS.name}")


def tell(report: Report, options: argparse.Namespace) -> None:
    """Print the table, then what the switches ask for."""
    console = Console()
    table = Table(*report.columns, title=report.name)
    for row in report.rows:
        table.add_row(*row)
    console.print(table)
    console.print(f"ratio {report.ratio:.3f}: {report.definition}", highlight=False)
    if options.record:
        record(report)
        console.print(f"recorded in benchmarks/{RESULTS.name}")
    if options.json:
        print(json.dumps({"name": report.name, "ratio": round(report.ratio, 4), **report.raw}))


def record(report: Report, results: Path = RESULTS) -> None:
    """Append an entry: when, on what machine, by which command, and the table."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines = (
        f"## {report.name}, {now}",
        "",
        f"- machine: {machine()}",
        f"- command: `{report.command}`",
        f"- ratio **{report.ratio:.3f}**: {report.definition}",
        "",
        *_markdown(report.columns, report.rows),
    )
    head = "" if results.exists() else "# Results of the benchmarks\n"
    with results.open("a", encoding="utf-8") as file:
        file.write(head + "\n" + "\n".join(lines) + "\n")


def machine() -> str:
    """Model of the processor, cores this process may use, Python."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{_processor()}, {cores} cores, Python {platform.python_version()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *rows)]
