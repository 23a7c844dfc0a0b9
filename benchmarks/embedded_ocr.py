"""Embedded OCR against RapidOCR's default configuration and tesseract: seconds per page and word F1.

    python benchmarks/embedded_ocr.py --data FOLDER [--files 24] [--quick] [--json] [--record]

FOLDER holds `<id>.jpg` and `<id>.boxes.json` (`{"text_complete": true, "boxes": [{"text": ...}, ...]}`), the layout
of the ICDAR 2019 SROIE receipts. Without it the pictures of `samples/` are read, for time only.
Each file is read by all engines in turn, in an order that moves on by one from file to file, so that a busy minute
of the machine hits all of them. `ratio` is our time over the default configuration's time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from _report import Report, add_options, tell
from rapidocr import RapidOCR

from ocr_ops.codec import digest_of
from ocr_ops.engines.embedded import EmbeddedEngine, decoded
from ocr_ops.model import PageImage, PixelSize

NAME = "embedded_ocr"
DEFINITION = (
    "word F1: runs of letters and digits, case-folded, compared as bags of words per page; "
    "hits summed over all pages, F1 = 2 * hits / (words printed + words read)"
)
QUICK_FILES = 4
SAMPLES = Path(__file__).resolve().parents[1] / "samples"

Reader = Callable[[Path, bytes], str]


@dataclass
class Tally:
    """What one engine took and hit."""

    seconds: list[float] = field(default_factory=list)
    hits: int = 0
    read: int = 0
    printed: int = 0

    def add(self, seconds: float, text: str, truth: str) -> None:
        """Count one page; `truth` is empty where nobody transcribed it."""
        seen, wanted = words(text), words(truth)
        self.seconds.append(seconds)
        self.hits += (seen & wanted).total()
        self.read += seen.total()
        self.printed += wanted.total()

    @property
    def per_page(self) -> float:
        """Mean seconds."""
        return sum(self.seconds) / len(self.seconds)

    @property
    def f1(self) -> float | None:
        """Word F1 over all pages, None without transcriptions."""
        return 2 * self.hits / (self.read + self.printed) if self.printed else None


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"[^\W_]+", text.casefold()))


def pages(data: Path | None, count: int) -> list[tuple[Path, str]]:
    """Pictures and their transcriptions, spread evenly over the folder."""
    if data is None:
        return [(path, "") for path in sorted(SAMPLES.glob("*.jpg"))[:count]]
    found = []
    for path in sorted(data.glob("*.boxes.json")):
        truth = json.loads(path.read_text())
        if truth["text_complete"]:
            picture = path.with_name(path.name.replace(".boxes.json", ".jpg"))
            found.append((picture, " ".join(box["text"] for box in truth["boxes"])))
    return found[:: max(1, len(found) // count)][:count]


def ours() -> Reader:
    engine = EmbeddedEngine()

    def read(path: Path, data: bytes) -> str:
        height, width = decoded(data).shape[:2]
        page = PageImage(1, digest_of(data), "image/jpeg", PixelSize(width, height))
        reply = asyncio.run(engine.read(page, data))
        return " ".join(line["text"] for line in json.loads(reply.text))

    return read


def rapidocr_default() -> Reader:
    engine = RapidOCR(params={"Global.log_level": "error"})
    return lambda path, data: " ".join(engine(decoded(data)).txts or ())


def tesseract() -> Reader | None:
    program = shutil.which("tesseract")
    if program is None:
        return None

    def read(path: Path, data: bytes) -> str:
        command = [program, str(path), "stdout", "--psm", "4"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return read


def measure(readers: dict[str, Reader], files: list[tuple[Path, str]]) -> dict[str, Tally]:
    tallies = {name: Tally() for name in readers}
    names = list(readers)
    for name in names:
        readers[name](files[0][0], files[0][0].read_bytes())  # models loaded and warm before the clock runs
    for n, (path, truth) in enumerate(files):
        data = path.read_bytes()
        for name in names[n % len(names) :] + names[: n % len(names)]:
            started = time.perf_counter()
            text = readers[name](path, data)
            tallies[name].add(time.perf_counter() - started, text, truth)
    return tallies


def report(tallies: dict[str, Tally], files: int, options: argparse.Namespace) -> Report:
    ratio = tallies["ours"].per_page / tallies["rapidocr default"].per_page
    rows = tuple(
        (name, f"{tally.per_page:.3f}", "" if tally.f1 is None else f"{tally.f1:.4f}")
        for name, tally in tallies.items()
    )
    raw = {
        name: {"seconds_per_page": round(tally.per_page, 4), "word_f1": tally.f1 and round(tally.f1, 4)}
        for name, tally in tallies.items()
    }
    data = f" --data DATA/{options.data.resolve().name}" if options.data else ""
    return Report(
        NAME,
        f"python benchmarks/embedded_ocr.py{data}{' --quick' if options.quick else f' --files {options.files}'}",
        ratio,
        f"our seconds a page to those of RapidOCR's default; {files} pages; "
        + (DEFINITION if options.data else "no transcriptions: time only"),
        ("engine", "s/page", "word F1"),
        rows,
        {"pages": files, "engines": raw},
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with <id>.jpg and <id>.boxes.json")
    parser.add_argument("--files", type=int, default=24)
    add_options(parser)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    files = pages(options.data, QUICK_FILES if options.quick else options.files)
    if not files:
        raise SystemExit(f"no pictures with a complete transcription in {options.data}")
    readers = {"ours": ours(), "rapidocr default": rapidocr_default(), "tesseract": tesseract()}
    if readers["tesseract"] is None:
        print("tesseract is not installed (Debian package tesseract-ocr): left out")
    tallies = measure({name: read for name, read in readers.items() if read is not None}, files)
    tell(report(tallies, len(files), options), options)


if __name__ == "__main__":
    main()
