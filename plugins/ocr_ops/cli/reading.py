"""`ocr-ops ocr`: read a file with an OCR engine, show the text while it comes, and leave everything beside the file."""

from __future__ import annotations

import asyncio
import io
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image
from rapidfuzz import fuzz

from ocr_ops import ocr, overlay, raster, source
from ocr_ops.cli.console import ERR, counting
from ocr_ops.codec import digest_of, to_json
from ocr_ops.engines import Engine
from ocr_ops.engines.tiles import tiling_of
from ocr_ops.errors import SettingsError, UnreadableDocument
from ocr_ops.geometry import to_pixels
from ocr_ops.html_page import document_html, document_markdown
from ocr_ops.local.machine import Machine
from ocr_ops.model import Digest, PageImage, Problem, RawPage, ReadPage
from ocr_ops.picture_prep import Preparation
from ocr_ops.pipeline.export import picture_name
from ocr_ops.prompts import OcrTask
from ocr_ops.settings import OcrEngine, Settings

FIGURES = frozenset({"image", "figure", "chart", "seal", "stamp", "signature", "logo"})
FOUND = 90.0
"""Likeness, of 100, from which a line is taken to hold the words that are looked for."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

Listener = Callable[[int, str], None]


def read_file(
    path: Annotated[
        Path, typer.Argument(help="A PDF or picture, or a folder of them.", metavar="FILE|FOLDER")
    ],
    engine: Annotated[
        OcrEngine | None,
        typer.Option("--ocr", help="embedded: on this CPU. vllm: the servers in OCR_OPS_OCR_URLS."),
    ] = None,
    mode: Annotated[
        OcrTask,
        typer.Option(
            "--mode",
            help="What to ask a vllm server for. document: blocks with boxes, tables as HTML. ocr: every piece of text with "
            "its box. free: text alone. figure: what a chart holds. describe: a picture in words.",
        ),
    ] = OcrTask.DOCUMENT,
    locate: Annotated[
        str, typer.Option("--locate", help="Mark where these words stand.", metavar="TEXT")
    ] = "",
    prompt: Annotated[
        str, typer.Option("--prompt", help="A prompt of your own for a vllm server.", metavar="TEXT")
    ] = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="Where results go; default: FILE.ocr beside the file.")
    ] = None,
    denoise: Annotated[
        bool, typer.Option("--denoise", help="Take specks out of pages before reading.")
    ] = False,
    contrast: Annotated[bool, typer.Option("--contrast", help="Even out light and shadow (CLAHE).")] = False,
    binarise: Annotated[bool, typer.Option("--binarise", help="Show pages in black and white.")] = False,
    perspective: Annotated[
        bool, typer.Option("--perspective", help="Find the sheet on a photograph and flatten it.")
    ] = False,
    text: Annotated[
        bool,
        typer.Option("--text/--no-text", help="Print the text as it comes, or only a bar over the pages."),
    ] = True,
) -> None:
    """Read a file and write Markdown, HTML, pictures with boxes, figures and raw replies beside it.

    Text is shown while a vllm server writes it, page by page with the embedded engine.

    You choose the task (--mode, --locate, --prompt) and the picture. Only the server decides the resolution mode: vLLM
    runs the model's tiled mode alone (Gundam; Tiny, Small, Base and Large exist in DeepSeek's own scripts, not in a
    request). A picture of at most 640 pixels a side (768 for DeepSeek-OCR-2) is seen as one view, anything larger as 2
    to 6 tiles and one view, whatever its dpi. Pages more than six times as high as wide are read in parts.

    Examples:
      ocr-ops ocr scan.jpg
      ocr-ops ocr invoice.pdf --ocr vllm --mode document --out results
      ocr-ops ocr scan.jpg --locate "Invoice No"
    """
    settings = Machine.from_env(os.environ).settings(
        dict(os.environ) | ({"OCR_OPS_OCR_ENGINE": engine} if engine else {})
    )
    task, sought = _task(settings, mode, locate, prompt)
    switches = Preparation(denoise=denoise, contrast=contrast, binarise=binarise, perspective=perspective)
    files = source.find_documents(
        path.expanduser(), allowed_roots=[Path(one) for one in settings.allowed_roots]
    )
    for file in files:
        folder = (
            (out / file.name if len(files) > 1 else out)
            if out
            else file.path.with_name(file.path.name + ".ocr")
        )
        try:
            _read_one(settings, task, sought, file, folder, locate, text, switches)
        except UnreadableDocument as problem:
            if len(files) == 1:
                raise
            ERR.print(f"{file.name}: {problem.detail}", markup=False, style="red")


def _task(settings: Settings, mode: OcrTask, locate: str, prompt: str) -> tuple[OcrTask, str]:
    """The task and its words; SettingsError where they do not go together."""
    if locate and prompt:
        raise SettingsError("--locate and --prompt exclude each other")
    if mode in (OcrTask.LOCATE, OcrTask.CUSTOM) and not (locate or prompt):
        raise SettingsError(f"--mode {mode} needs --locate or --prompt")
    if settings.ocr_engine is OcrEngine.EMBEDDED:
        if prompt or mode is not OcrTask.DOCUMENT:
            raise SettingsError("--mode and --prompt are for vllm servers; add --ocr vllm")
        return mode, ""
    if locate:
        return OcrTask.LOCATE, locate
    return (OcrTask.CUSTOM, prompt) if prompt else (mode, "")


def _engine(settings: Settings, task: OcrTask, sought: str, on_text: Listener | None) -> Engine:
    if settings.ocr_engine is OcrEngine.EMBEDDED:
        from ocr_ops.engines.embedded import EmbeddedEngine

        return EmbeddedEngine()
    from ocr_ops.engines.vllm import VllmEngine

    return VllmEngine(
        settings.ocr_urls,
        settings.ocr_model,
        api_key=settings.ocr_api_key,
        in_flight=settings.ocr_in_flight,
        task=task,
        sought=sought,
        on_text=on_text,
    )


def _read_one(
    settings: Settings,
    task: OcrTask,
    sought: str,
    file: source.FoundFile,
    folder: Path,
    locate: str,
    text: bool,
    switches: Preparation,
) -> None:
    found, data = source.load_source(file, settings.limits)
    on_servers = settings.ocr_engine is OcrEngine.VLLM
    scale = tiling_of(settings.ocr_model).scale if on_servers else None
    with (
        raster.open_document(found, data, settings.limits, scale) as document,
        _shown(document.page_count, text) as (speaker, advance),
        tempfile.TemporaryDirectory() as scratch,
    ):
        folder.mkdir(parents=True, exist_ok=True)
        engine = _engine(settings, task, sought, speaker.hear if speaker else None)
        in_flight = settings.ocr_in_flight * len(settings.ocr_urls) if on_servers else 1
        table = _Table(folder, Path(scratch), locate, speaker, not on_servers, advance, switches)
        pages = asyncio.run(table.read(engine, document.pages, in_flight))
    _write(file.name, pages, table, folder)


def _write(name: str, pages: list[ReadPage], table: _Table, folder: Path) -> None:
    html = document_html(
        name, pages, picture_src=lambda page: picture_name(page.image.number, page.image.media_type)
    )
    (folder / "document.html").write_text(html, encoding="utf-8")
    (folder / "document.md").write_text(document_markdown(pages), encoding="utf-8")
    for problem in (*table.problems, *(problem for page in pages for problem in page.problems)):
        where = f"page {problem.page}: " if problem.page else ""
        ERR.print(f"{where}{problem.detail}", style="yellow", markup=False)
    for number, box in table.hits:
        ERR.print(f"found on page {number} at pixels {box}", markup=False, highlight=False)
    ERR.print(
        f"written: {folder}/document.html, document.md, page-*-overlay.jpg and the raw replies", markup=False
    )


@dataclass
class _Speaker:
    """Prints pages in order while several are read: the first unfinished one at once, the others when it is done."""

    say: Callable[[str], None]
    live: int = 1
    waiting: dict[int, list[str]] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)

    def hear(self, number: int, piece: str) -> None:
        """Take a piece of a page; an empty one starts another attempt."""
        said = piece or (f"\n--- page {number} ---\n")
        if number == self.live:
            self.say(said)
        else:
            self.waiting.setdefault(number, []).append(said)

    def finish(self, number: int) -> None:
        """A page is whole: the next ones may be heard."""
        self.done.add(number)
        while self.live in self.done:
            self.live += 1
            self.say("".join(self.waiting.pop(self.live, [])))


@dataclass
class _Table:
    """The desk on which one document is read: what comes in is written to the folder page by page."""

    folder: Path
    scratch: Path
    locate: str
    speaker: _Speaker | None
    says_pages: bool
    advance: Callable[[], None]
    switches: Preparation
    replies: dict[int, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    hits: list[tuple[int, str]] = field(default_factory=list)

    async def read(self, engine: Engine, sheets: Iterator[raster.Sheet], in_flight: int) -> list[ReadPage]:
        """Read all pages, the engine is closed afterwards."""
        try:
            return await ocr.read_pages(
                engine,
                self._pictures(sheets),
                in_flight=in_flight,
                keep=self._keep,
                keep_picture=self._keep_picture,
                on_page=self._finish,
                preparation=ocr.preparation_for(engine, self.switches),
            )
        finally:
            await engine.close()

    async def _pictures(self, sheets: Iterator[raster.Sheet]) -> AsyncIterator[tuple[PageImage, bytes]]:
        while (sheet := await asyncio.to_thread(next, sheets, None)) is not None:
            self.problems += sheet.problems
            if sheet.image is None:
                self._done(sheet.number)
                continue
            self._keep_picture(sheet.picture)
            yield sheet.image, sheet.picture

    def _keep(self, raw: RawPage) -> Digest:
        data = to_json(raw)
        self.replies[raw.page] = self.replies.get(raw.page, 0) + 1
        (self.folder / f"page-{raw.page}-reply-{self.replies[raw.page]}.json").write_bytes(data)
        return digest_of(data)

    def _keep_picture(self, data: bytes) -> Digest:
        digest = digest_of(data)
        (self.scratch / digest.partition(":")[2]).write_bytes(data)
        return digest

    def _finish(self, page: ReadPage, sent: Digest) -> None:
        picture = (self.scratch / page.image.digest.partition(":")[2]).read_bytes()
        number = page.image.number
        (self.folder / picture_name(number, page.image.media_type)).write_bytes(picture)
        marks = self._marks(page)
        overlaid = overlay.draw_overlay(picture, page.blocks, marks)
        (self.folder / f"page-{number}-overlay.jpg").write_bytes(overlaid)
        self._cut_figures(page, picture)
        if self.speaker and self.says_pages:
            self.speaker.hear(number, "")
            self.speaker.hear(number, "\n".join(block.text for block in page.blocks) + "\n")
        self._done(number)

    def _done(self, number: int) -> None:
        if self.speaker:
            self.speaker.finish(number)
        self.advance()

    def _marks(self, page: ReadPage) -> dict[str, str]:
        """Blocks that hold the words looked for."""
        sought = self.locate.casefold().strip()
        if not sought:
            return {}
        found = [block for block in page.blocks if fuzz.partial_ratio(sought, block.text.casefold()) >= FOUND and len(block.text) >= len(sought) - 1]  # fmt: skip
        for block in found:
            for box in block.boxes:
                at = to_pixels(box, page.image.size)
                self.hits.append((page.image.number, f"{at.x1},{at.y1} to {at.x2},{at.y2}"))
        return {block.id: self.locate for block in found}

    def _cut_figures(self, page: ReadPage, picture: bytes) -> None:
        boxes = [box for block in page.blocks if block.label.casefold() in FIGURES for box in block.boxes]
        for place, box in enumerate(boxes, start=1):
            at = to_pixels(box, page.image.size)
            if at.x2 > at.x1 and at.y2 > at.y1:
                with Image.open(io.BytesIO(picture)) as image:
                    image.crop((at.x1, at.y1, at.x2, at.y2)).save(
                        self.folder / f"page-{page.image.number}-figure-{place}.png"
                    )


@contextmanager
def _shown(pages: int, text: bool) -> Iterator[tuple[_Speaker | None, Callable[[], None]]]:
    """Text on standard output, or a bar over the pages."""
    if text:
        yield _Speaker(_say), lambda: None
        return
    with counting("pages") as tell:
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1
            tell(done, pages)

        tell(0, pages)
        yield None, advance


def _say(text: str) -> None:
    """Print words of a document, which may hold what a terminal would obey."""
    sys.stdout.write(_CONTROL.sub("\ufffd", text))
    sys.stdout.flush()
