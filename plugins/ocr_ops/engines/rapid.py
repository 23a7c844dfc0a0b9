"""The PP-OCRv6 models of RapidOCR's wheel on OpenVINO: pictures in, text boxes and read lines out.

The only module that knows RapidOCR. It opens the model files by path, so RapidOCR has no reason to download
anything, and drives its detector and recogniser itself: the scale is chosen by the page, lines are cut from the
full picture, each is read at its own width, and blanks that the recogniser nearly saw are kept.
Not safe for two threads at once: the caller holds a lock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ocr_ops.engines.reading_order import Quads, sides
from ocr_ops.errors import TerminalError

Picture = npt.NDArray[np.uint8]
"""Pixels, height x width x 3 (blue, green, red)."""

MODEL = "PP-OCRv6 small"
DETECTOR_FILE = "PP-OCRv6_det_small.onnx"
RECOGNISER_FILE = "PP-OCRv6_rec_small.onnx"

NARROW = 1.6
"""Pages at least this many times higher than wide are till receipts: few letters a line, so large type."""

NARROW_SHORT_PX = 640
WIDE_SHORT_PX = 1120
SMALL_TYPE_PX = 18.0
"""Line boxes lower than this (detector pixels, margins included) lose words; the page is looked at again, larger."""

WANTED_TYPE_PX = 24.0
MAX_SCALE = 2.0
MAX_DETECTOR_PIXELS = 6_000_000
STEP_PX = 32

LINE_HEIGHT_PX = 48
MIN_LINE_PX = 64
MAX_LINE_PX = 4800
LINES_AT_ONCE = 8
BLANK_SCORE = 0.2
"""A blank between two letters is kept when the recogniser gave it this much although it preferred none."""

STANDING = 3.0
"""A box this many times higher than wide holds a line that runs down the page; less is one thin letter or digit."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line as read, with the mean score of its letters in 0..1."""

    text: str
    score: float


@cache
def rapidocr_version() -> str:
    """The installed RapidOCR's version."""
    return version("rapidocr")


@cache
def openvino_version() -> str:
    """The installed OpenVINO's version."""
    return version("openvino")


def model_path(name: str) -> Path:
    """Where RapidOCR's wheel keeps a model; TerminalError when it is not there."""
    path = Path(str(files("rapidocr"))) / "models" / name
    if not path.is_file():
        raise TerminalError(
            f"the OCR model {name} is missing from the rapidocr package: install rapidocr again"
        )
    return path


class Models:
    """Detector and recogniser, compiled once for `threads` threads (0: every core)."""

    def __init__(self, threads: int = 0) -> None:
        paths = {"Det": model_path(DETECTOR_FILE), "Rec": model_path(RECOGNISER_FILE)}
        # Imported late: it costs half a second, and only a process that reads pictures should pay it.
        from rapidocr import EngineType, RapidOCR

        parameters: dict[str, Any] = {
            "Global.use_cls": False,
            "Global.log_level": "error",
            "EngineConfig.openvino.inference_num_threads": threads or -1,
        }
        for part, path in paths.items():
            parameters[f"{part}.engine_type"] = EngineType.OPENVINO
            parameters[f"{part}.model_path"] = str(path)
        rapid = RapidOCR(params=parameters)
        self._detector: Any = rapid._load_det_model()
        self._recogniser: Any = rapid._load_rec_model()
        self._letters: list[str] = self._recogniser.postprocess_op.character

    def boxes(self, picture: Picture) -> Quads:
        """Corner points (pixels of `picture`) of every line found, in no order."""
        height, width = picture.shape[:2]
        short = NARROW_SHORT_PX if max(height, width) >= NARROW * min(height, width) else WIDE_SHORT_PX
        scale = _bounded(short / min(height, width), width, height)
        quads = self._detect(picture, scale)
        if not len(quads):
            return quads
        type_px = float(np.median(np.min(sides(quads), axis=0))) * scale
        larger = _bounded(scale * WANTED_TYPE_PX / max(type_px, 1.0), width, height)
        if type_px >= SMALL_TYPE_PX or larger < 1.15 * scale:
            return quads
        return self._detect(picture, larger)

    def _detect(self, picture: Picture, scale: float) -> Quads:
        height, width = picture.shape[:2]
        size = (_steps(width * scale), _steps(height * scale))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        seen = self._detector.session(cv2.dnn.blobFromImage(small, 1 / 127.5, mean=(127.5, 127.5, 127.5)))
        quads, _ = self._detector.postprocess_op(seen, (height, width))
        return np.asarray(quads, np.float32).reshape(-1, 4, 2)

    def read(self, crop: Picture) -> Line:
        """Read one line at its own width."""
        (scores,) = self._recogniser.session(line_input(crop, ())[None])
        return spell(scores, self._letters)


def line_input(crop: Picture, widths: Sequence[int], rows: int = LINE_HEIGHT_PX) -> npt.NDArray[np.float32]:
    """A line as the recogniser takes it: channels first, at its height, padded on the right.

    Every new input width costs it a fresh start: few `widths` to choose from save that.
    """
    height, width = crop.shape[:2]
    wide = min(MAX_LINE_PX, max(1, math.ceil(rows * width / height)))
    exact = max(MIN_LINE_PX, STEP_PX * math.ceil(wide / STEP_PX))
    padded = next((width for width in widths if width >= exact), exact)
    line = np.zeros((3, rows, padded), np.float32)
    pixels = cv2.resize(crop, (wide, rows)).astype(np.float32)
    line[:, :, :wide] = pixels.transpose(2, 0, 1) / 127.5 - 1.0
    return line


def spell(scores: npt.NDArray[np.float32], letters: list[str]) -> Line:
    """Turn scores (steps x letters; letter 0 is "nothing here", the last one is the blank) into a line."""
    best = scores.argmax(axis=1)
    text: list[str] = []
    kept: list[float] = []
    end = -1
    for step in np.flatnonzero(best).tolist():
        letter = int(best[step])
        if end == step - 1 and step and best[end] == letter:
            end = step
            continue
        if text and text[-1] != " " and _hidden_blank(scores[end + 1 : step, -1]) and letters[letter] != " ":
            text.append(" ")
        text.append(letters[letter])
        kept.append(float(scores[step, letter]))
        end = step
    return Line("".join(text).strip(), sum(kept) / len(kept) if kept else 0.0)


def cut(picture: Picture, quad: npt.NDArray[np.float32]) -> Picture:
    """Cut one line out level, at the picture's own resolution."""
    widths, heights = sides(np.stack([quad, quad[[2, 3, 0, 1]]]))
    width, height = max(1, int(widths.max())), max(1, int(heights.max()))
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    crop = cv2.warpPerspective(
        picture,
        cv2.getPerspectiveTransform(np.ascontiguousarray(quad, np.float32), corners),
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(np.rot90(crop) if height >= STANDING * width else crop, np.uint8)


def _hidden_blank(blank_scores: npt.NDArray[np.float32]) -> bool:
    return bool(len(blank_scores)) and float(blank_scores.max()) > BLANK_SCORE


def _bounded(scale: float, width: int, height: int) -> float:
    return min(scale, MAX_SCALE, math.sqrt(MAX_DETECTOR_PIXELS / (width * height)))


def _steps(length: float) -> int:
    return max(STEP_PX, STEP_PX * round(length / STEP_PX))
