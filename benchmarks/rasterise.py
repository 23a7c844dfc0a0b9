"""Opening PDFs against pdftoppm: pages a second.

    python benchmarks/rasterise.py [--data FOLDER] [--rounds 5] [--quick] [--json] [--record]

Ours is `raster.open_document` on bytes in memory: draw at 200 dpi, read the text layer, tell grey from colour, encode
as JPEG (quality 92, one channel where the page is grey), name by digest, in this process. Theirs is one `pdftoppm -r 200` a file, as a script would call it, at its own
defaults (JPEG quality 75, three channels), writing to a temporary folder: its start and its writing count, and it reads
no text. Both use one core. They take turns file by file, in an order that changes from round to round, so that
a busy minute of the machine hits both; the figures are the medians of the rounds.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from _report import Report, add_options, tell

from ocr_ops.errors import UnreadableDocument
from ocr_ops.model import SourceDocument
from ocr_ops.raster import open_document
from ocr_ops.settings import Limits
from ocr_ops.source import find_documents, load_source

NAME = "rasterise"
DPI = 200
QUICK_FILES, QUICK_ROUNDS = 6, 3
SAMPLES = Path(__file__).resolve().parents[1] / "samples"
LIMITS = Limits(dpi=DPI)
OURS, JPEG, PNG = "ocr-ops (JPEG, text layer)", "pdftoppm -jpeg", "pdftoppm -png"


@dataclass(frozen=True, slots=True)
class Pdf:
    """A PDF that opens, and how many pages it has."""

    path: Path
    source: SourceDocument
    data: bytes
    pages: int


@dataclass
class Tally:
    """Seconds of each round."""

    rounds: list[float] = field(default_factory=list)

    def pages_per_second(self, pages: int) -> float:
        """Pages a second in the median round."""
        return pages / statistics.median(self.rounds)


Way = Callable[[Pdf], object]


def pdfs(folder: Path) -> list[Pdf]:
    """The PDFs of a folder that open; broken ones are left out."""
    found = []
    for file in find_documents(folder):
        try:
            source, data = load_source(file, LIMITS)
            if source.media_type == "application/pdf":
                with open_document(source, data, LIMITS) as opened:
                    found.append(Pdf(file.path, source, data, opened.page_count))
        except UnreadableDocument:
            continue
    return found


def ours(pdf: Pdf) -> object:
    with open_document(pdf.source, pdf.data, LIMITS) as opened:
        return [sheet.picture for sheet in opened.pages]


def pdftoppm(program: str, form: str, folder: Path) -> Way:
    def draw(pdf: Pdf) -> object:
        command = [program, "-r", str(DPI), form, str(pdf.path), str(folder / "page")]
        return subprocess.run(command, capture_output=True, check=True)

    return draw


def measure(ways: dict[str, Way], files: list[Pdf], rounds: int) -> dict[str, Tally]:
    tallies = {name: Tally() for name in ways}
    names = list(ways)
    for name in names:
        ways[name](files[0])  # libraries loaded and files in the page cache before the clock runs
    for turn in range(rounds):
        spent = dict.fromkeys(names, 0.0)
        for n, pdf in enumerate(files):
            first = (n + turn) % len(names)
            for name in names[first:] + names[:first]:
                started = time.perf_counter()
                ways[name](pdf)
                spent[name] += time.perf_counter() - started
        for name in names:
            tallies[name].rounds.append(spent[name])
    return tallies


def report(tallies: dict[str, Tally], files: list[Pdf], options: argparse.Namespace) -> Report:
    pages = sum(pdf.pages for pdf in files)
    speed = {name: tally.pages_per_second(pages) for name, tally in tallies.items()}
    rounds = len(tallies[OURS].rounds)
    rows = tuple(
        (name, f"{speed[name]:.1f}", f"{1000 / speed[name]:.1f}", f"{speed[OURS] / speed[name]:.2f}")
        for name in tallies
    )
    data = f" --data DATA/{options.data.resolve().name}" if options.data else ""
    return Report(
        NAME,
        f"python benchmarks/rasterise.py{data}{' --quick' if options.quick else f' --rounds {rounds}'}",
        speed[OURS] / speed[JPEG],
        f"our pages/s to those of pdftoppm -r {DPI} -jpeg; {len(files)} files, {pages} pages, median of {rounds} rounds; "
        "ours in one process with the text layer, grey where grey, quality 92; theirs one process a file, defaults",
        ("way", "pages/s", "ms/page", "ours to it"),
        rows,
        {
            "ratio_png": round(speed[OURS] / speed[PNG], 4),
            "ours_pages_per_s": round(speed[OURS], 2),
            "pdftoppm_jpeg_pages_per_s": round(speed[JPEG], 2),
            "pdftoppm_png_pages_per_s": round(speed[PNG], 2),
            "files": len(files),
            "pages": pages,
            "rounds": rounds,
            "dpi": DPI,
        },
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with PDFs (samples/ if not given)")
    parser.add_argument("--rounds", type=int, default=5)
    add_options(parser)
    return parser.parse_args()


def main() -> int:
    options = arguments()
    program = shutil.which("pdftoppm")
    if program is None:
        print("pdftoppm is missing: install the Debian package poppler-utils", file=sys.stderr)
        return 2
    files = pdfs(options.data or SAMPLES)
    if not files:
        print(f"no PDF that opens in {options.data or SAMPLES}", file=sys.stderr)
        return 2
    files = files[:: max(1, len(files) // QUICK_FILES)][:QUICK_FILES] if options.quick else files
    with tempfile.TemporaryDirectory() as folder:
        ways: dict[str, Way] = {
            OURS: ours,
            JPEG: pdftoppm(program, "-jpeg", Path(folder)),
            PNG: pdftoppm(program, "-png", Path(folder)),
        }
        tallies = measure(ways, files, QUICK_ROUNDS if options.quick else max(1, options.rounds))
    tell(report(tallies, files, options), options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
