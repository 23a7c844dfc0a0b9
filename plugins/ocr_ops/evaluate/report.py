"""Scores -> `report.json` and `report.md`. Text of documents goes into the JSON only.

The rate of wrong values among what was accepted comes first: it is the figure that matters to whoever trusts the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocr_ops.codec import to_plain
from ocr_ops.evaluate.compare import DEFINITION
from ocr_ops.evaluate.figures import Figures, LineFigures, Rate
from ocr_ops.evaluate.score import DocumentScore

MOST_REASONS = 12


@dataclass(frozen=True, slots=True)
class Prices:
    """What computing costs in US dollars: an hour of the machine, a million tokens in and out. 0: not priced."""

    machine_hour: float = 0.0
    million_in: float = 0.0
    million_out: float = 0.0

    def page(self, part: Figures) -> float | None:
        """Dollars a page, or None where nothing was priced."""
        if not (self.machine_hour or self.million_in or self.million_out):
            return None
        seconds = part.read_s_per_page + part.other_s_per_page
        tokens = part.tokens_per_page
        return (
            self.machine_hour * seconds / 3600
            + (self.million_in * tokens[0] + self.million_out * tokens[1]) / 1e6
        )


@dataclass(frozen=True, slots=True)
class Report:
    """A finished evaluation. `asked` is what decides its figures: dataset, engine, LLM, versions."""

    asked: Mapping[str, str]
    wall_s: float
    parts: tuple[Figures, ...]
    scores: tuple[DocumentScore, ...]
    prices: Prices = field(default_factory=Prices)


def write_json(report: Report) -> dict[str, Any]:
    """The whole report as plain JSON values."""
    return {
        "asked": dict(report.asked),
        "definition": DEFINITION,
        "wall_seconds": round(report.wall_s, 1),
        "sources": [{**to_plain(part), "usd_per_page": report.prices.page(part)} for part in report.parts],
        "documents": [
            {**to_plain(score), "accepted": score.accepted, "wrong_critical": list(score.wrong_critical)}
            for score in report.scores
        ],
    }


def write_markdown(report: Report) -> str:
    """The report for people; the curve lies beside it as `curve.svg`."""
    return "\n".join(
        [
            "# Evaluation",
            "",
            *(f"- {name}: {value}" for name, value in report.asked.items()),
            f"- wall time of this run: {report.wall_s:.1f} s (stored steps are not done again)",
            "",
            f"{DEFINITION} A document is accepted wrongly when it is accepted with a wrong critical value, or as another type. "
            "Intervals are Wilson's, 95 %.",
            "",
            *_table(_HEAD, [_headline(part) for part in report.parts]),
            "",
            "![risk over coverage](curve.svg)",
            "",
            *(line for part in report.parts for line in _section(part, report.prices)),
        ]
    )


_HEAD = (
    "source",
    "documents",
    "accepted",
    "**wrong documents among accepted**",
    "**wrong values among accepted critical ones**",
    "held for review",
    "whole document right",
    "evidence in place",
)


def _headline(part: Figures) -> tuple[str, ...]:
    return (
        part.source,
        str(part.documents),
        str(part.accepted),
        f"**{rate_words(part.false_accepts)}**",
        f"**{rate_words(part.false_values)}**",
        rate_words(part.held),
        rate_words(part.whole),
        rate_words(part.evidence),
    )


def _section(part: Figures, prices: Prices) -> list[str]:
    fields = [
        (
            name + (" (critical)" if one.critical else ""),
            rate_words(one.exact),
            str(one.wrong),
            str(one.exact.of - one.exact.hits - one.wrong),
        )
        for name, one in part.fields.items()
    ]
    price = prices.page(part)
    reasons = list(part.reasons.items())[:MOST_REASONS]
    return [
        f"## {part.source}",
        "",
        *_table(("field", "right", "wrong", "missing"), fields),
        "",
        *([f"- line items: {line_words(part.lines)}"] if part.lines else []),
        f"- taken for another type: {rate_words(part.other_type)}",
        f"- pages {part.pages}, lost {part.pages_lost}; documents quarantined {part.quarantined}",
        f"- reading {part.read_s_per_page:.2f} s a page when it was read, everything else {part.other_s_per_page:.3f} s a page in this run",
        f"- tokens a page: {part.tokens_per_page[0]:.0f} in, {part.tokens_per_page[1]:.0f} out; "
        + (f"{price:.5f} USD a page" if price is not None else "not priced"),
        *(f"- held for {kind}: {count}" for kind, count in reasons),
        "",
    ]


def rate_words(rate: Rate) -> str:
    """A rate with its counts and interval, for people."""
    if rate.rate is None:
        return "–"
    return f"{rate.rate:.1%} ({rate.hits} of {rate.of}; {rate.low:.1%} – {rate.high:.1%})"


def line_words(lines: LineFigures) -> str:
    """Line-item figures in a sentence."""
    return (
        f"F1 {lines.f1:.3f} (precision {lines.precision:.3f}, recall {lines.recall:.3f} of {lines.true}; a row is right when every "
        f"labelled cell is, in any order); line totals alone F1 {lines.totals_f1:.3f}"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return lines + [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write named texts into a folder, made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
