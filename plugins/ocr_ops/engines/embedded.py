"""The engine that needs nothing but a CPU: PP-OCRv6 through RapidOCR and OpenVINO, in this process.

In: the encoded picture of a page, lying any way round. Out: `RawPage` in `ReplyFormat.LINES`, boxes on the grid of
the upright picture, with the turn that made it upright. It opens no socket, downloads nothing, and keeps nothing
of a page after answering. A blank page is an answer without lines; a picture that cannot be decoded was let through
by a bug and raises ValueError.

One set of models serves a whole process, one page at a time, since a single page keeps every core busy.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ocr_ops.engines import orientation
from ocr_ops.engines.line_reader import LineReader
from ocr_ops.engines.rapid import MODEL, Line, Models, Picture, cut, openvino_version, rapidocr_version
from ocr_ops.engines.reading_order import Quads, reading_order
from ocr_ops.geometry import to_grid
from ocr_ops.model import PageImage, RawPage, ReplyFormat

NAME = "embedded"
REVISION = "1"
"""Of our own part of the reading (scales, order, orientation): raise it when the same picture gives other lines."""


@dataclass(frozen=True, slots=True)
class EmbeddedOptions:
    """`threads`: CPU threads of the models, 0 for every core. Lines scored under `min_score` (0..1) are left out."""

    threads: int = 0
    min_score: float = 0.5

    def __post_init__(self) -> None:
        if self.threads < 0 or not 0.0 <= self.min_score <= 1.0:
            raise ValueError(f"threads are 0 or more and min_score lies in 0..1, not {self}")


@dataclass(frozen=True, slots=True)
class _Reading:
    """An upright picture's size, how it was turned, its lines and where they stand."""

    width: int
    height: int
    turn: int
    quads: Quads
    lines: tuple[Line, ...]


_lock = threading.Lock()
_models: dict[int, Models] = {}
_readers: dict[bool, LineReader] = {}


def _forget_after_fork() -> None:
    """A fork copies the lock as it was and none of OpenVINO's threads: the child starts afresh."""
    global _lock
    _lock = threading.Lock()
    _models.clear()
    _readers.clear()


os.register_at_fork(after_in_child=_forget_after_fork)


class EmbeddedEngine:
    """`engines.Engine` over the models in RapidOCR's wheel."""

    def __init__(self, options: EmbeddedOptions | None = None) -> None:
        self._options = options or EmbeddedOptions()

    @property
    def identity(self) -> Mapping[str, str]:
        """Model, versions and the one option that decides a reply; the number of threads does not."""
        return {
            "engine": NAME,
            "model": MODEL,
            "version": rapidocr_version(),
            "backend": f"openvino {openvino_version()}",
            "revision": REVISION,
            "min_score": str(self._options.min_score),
        }

    async def read(self, page: PageImage, picture: bytes) -> RawPage:
        """Read one page in a thread; TerminalError when the models are missing, ValueError on broken bytes."""
        return await asyncio.to_thread(self._read, page, picture)

    async def close(self) -> None:
        """Nothing to let go of: the models belong to the process and serve its other engines."""

    def _read(self, page: PageImage, picture: bytes) -> RawPage:
        pixels = decoded(picture)
        with _lock:
            started = time.perf_counter()
            reading = _read_upright(_loaded(self._options.threads), pixels)
            seconds = time.perf_counter() - started
        return RawPage(
            page=page.number,
            engine=NAME,
            model=MODEL,
            version=rapidocr_version(),
            reply_format=ReplyFormat.LINES,
            text=_lines_json(reading, self._options.min_score),
            turn=reading.turn,
            seconds=round(seconds, 4),
        )


def decoded(picture: bytes) -> Picture:
    """Pixels exactly as stored (EXIF is the opener's business); ValueError when these are no picture."""
    data = np.frombuffer(picture, np.uint8)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(data, flags) if len(data) else None
    if pixels is None:
        raise ValueError("an engine was handed bytes that are no picture")
    return np.asarray(pixels, np.uint8)


@contextmanager
def line_reader(*, quick: bool) -> Iterator[LineReader]:
    """The process's reader of single lines, for one caller at a time."""
    with _lock:
        if quick not in _readers:
            _readers[quick] = LineReader(quick=quick)
        yield _readers[quick]


def _loaded(threads: int) -> Models:
    """The process's models; called with the lock held."""
    if threads not in _models:
        _models[threads] = Models(threads)
    return _models[threads]


def _read_upright(models: Models, picture: Picture) -> _Reading:
    quads, turn = models.boxes(picture), 0
    if orientation.is_sideways(quads):
        picture, turn = np.ascontiguousarray(np.rot90(picture)), 270
        quads = models.boxes(picture)
    known = _widest_lines(models, picture, quads)
    if _is_upside_down(models, picture, quads, known):
        # Looked at again rather than turning the boxes: the detector is sharper on upright letters.
        picture, turn = _half_turn(picture), (turn + 180) % 360
        quads, known = models.boxes(picture), {}
    height, width = picture.shape[:2]
    lines = tuple(known.get(n) or models.read(cut(picture, quad)) for n, quad in enumerate(quads))
    return _Reading(width, height, turn, quads, lines)


def _widest_lines(models: Models, picture: Picture, quads: Quads) -> dict[int, Line]:
    """Readings of the few lines that tell most about the page's orientation, by index."""
    return {n: models.read(cut(picture, quads[n])) for n in orientation.sample(quads)}


def _is_upside_down(models: Models, picture: Picture, quads: Quads, as_is: dict[int, Line]) -> bool:
    scores = [line.score for line in as_is.values()]
    if not orientation.is_doubtful(scores):
        return False
    flipped = [models.read(_half_turn(cut(picture, quads[n]))).score for n in as_is]
    return orientation.is_upside_down(scores, flipped)


def _half_turn(crop: npt.NDArray[np.uint8]) -> Picture:
    return np.ascontiguousarray(crop[::-1, ::-1])


def _lines_json(reading: _Reading, min_score: float) -> str:
    """The reply: lines in reading order, without empty and ill-read ones."""
    lines = []
    for n in reading_order(reading.quads):
        line = reading.lines[n]
        if not line.text or line.score < min_score:
            continue
        (x1, y1), (x2, y2) = reading.quads[n].min(axis=0).tolist(), reading.quads[n].max(axis=0).tolist()
        box = to_grid(x1, y1, x2, y2, reading.width, reading.height)
        lines.append(
            {"text": line.text, "box": [box.x1, box.y1, box.x2, box.y2], "score": round(line.score, 3)}
        )
    return json.dumps(lines, ensure_ascii=False)
