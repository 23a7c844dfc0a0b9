"""`ocr-ops calibrate`: labelled documents -> the file from which the judge takes probabilities and thresholds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ocr_ops.cli.console import ERR
from ocr_ops.cli.documents import DocType, Llm, Ocr, make_order, make_workshop
from ocr_ops.cli.evaluate import Datasets, run_cases
from ocr_ops.codec import to_plain
from ocr_ops.errors import SettingsError
from ocr_ops.evaluate.dataset import read_dataset
from ocr_ops.evaluate.figures import figures_by_source
from ocr_ops.evaluate.fit import MOST_HELD, MOST_WRONG, Limits, fit, half_of, reliability, rescored
from ocr_ops.evaluate.report import rate_words
from ocr_ops.evaluate.run import Evaluated
from ocr_ops.judge.calibration import SIGNS, Calibration
from ocr_ops.pipeline.journey import AUTO

_VERSIONED = re.compile(r"v(\d+)\.json")


def calibrate(
    datasets: Datasets,
    out: Annotated[
        Path, typer.Option("--out", help="The file to write, v<N>.json; one that exists is never changed.")
    ],
    doc_type: DocType = AUTO,
    ocr: Ocr = None,
    llm: Llm = None,
    most_wrong: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of wrong values among accepted ones to aim at, per field."),
    ] = MOST_WRONG,
    most_held: Annotated[
        float, typer.Option(min=0, max=1, help="Most of a field's values that a threshold may hold.")
    ] = MOST_HELD,
) -> None:
    """Fit the judge's probabilities and accept thresholds on labelled documents.

    Half of the documents, by their digests, are fitted on, the others only looked at; both halves are reported. A file in
    extraction_schemas/calibration/ is used from then on, the highest version first.

    Example:
      ocr-ops calibrate DATA/sroie.jsonl DATA/synth.jsonl --out extraction_schemas/calibration/v2.json
    """
    version = _version_of(out)
    cases = [case for path in datasets for case in read_dataset(path)]
    done = run_cases(make_workshop(ocr, llm), make_order(doc_type, ocr), cases)
    halves = {name: [one for one in done if half_of(one) == name] for name in ("fit", "check")}
    made = fit(halves["fit"], version, Limits(most_wrong, most_held))
    ERR.print(_halves_table(halves, made))
    ERR.print(_reliability_table(halves, made))
    for doc, least in made.accept_from.items():
        ERR.print(
            f"{doc} is accepted from " + ", ".join(f"{path} {p:.4f}" for path, p in least.items()),
            highlight=False,
        )
    _write(out, made)


def _version_of(out: Path) -> int:
    match = _VERSIONED.fullmatch(out.name)
    if match is None:
        raise SettingsError(f"--out: a calibration is called v<N>.json, not {out.name}")
    if out.exists():
        raise SettingsError(
            f"--out: {out} exists; a calibration that was used never changes, write the next version"
        )
    return int(match.group(1))


def _halves_table(halves: dict[str, list[Evaluated]], made: Calibration) -> Table:
    """Every source in both halves, without thresholds and with them."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in (
        "half",
        "source",
        "documents",
        "wrong among accepted before",
        "after",
        "held before",
        "after",
    ):
        table.add_column(name)
    bare = Calibration(made.version, SIGNS, {}, {})
    for half, some in halves.items():
        before = figures_by_source([rescored(one, bare) for one in some])
        after = figures_by_source([rescored(one, made) for one in some])
        for old, new in zip(before, after, strict=True):
            rates = (old.false_accepts, new.false_accepts, old.held, new.held)
            table.add_row(half, old.source, str(old.documents), *map(rate_words, rates))
    return table


def _reliability_table(halves: dict[str, list[Evaluated]], made: Calibration) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("half", "probability", "values", "promised right", "were right"):
        table.add_column(name)
    for half, some in halves.items():
        for band in reliability(some, made):
            shown = f"{band.low:.2f} – {band.high:.2f}"
            table.add_row(half, shown, str(band.values), f"{band.promised:.1%}", f"{band.right:.1%}")
    return table


def _write(out: Path, made: Calibration) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(_pretty(to_plain(made)), encoding="utf-8")
    except OSError as problem:
        raise SettingsError(f"--out: {out} cannot be written: {problem.strerror}") from problem
    ERR.print(f"written: {out}", highlight=False)


def _pretty(plain: dict[str, object]) -> str:
    """JSON with lists of numbers on one line."""
    text = json.dumps(plain, indent=1, ensure_ascii=False)
    return re.sub(r"\[[^\[\]{}]*\]", lambda m: re.sub(r"\s+", " ", m.group()), text) + "\n"
