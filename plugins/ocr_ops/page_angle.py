"""How a page lies: on its side, on its head, or a little askew. Finds out without reading it.

In: grey pixels of a page. Out: the clockwise quarter turn that makes it upright, and the degrees its lines fall. This
costs about 20 ms. Letters stand nearer to each other along a line than across lines, which tells lines from columns; a
small classifier that ships with RapidOCR tells head from foot. A page with too few letters to tell is left as it is.
No file but the classifier's is opened.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ocr_ops.engines.rapid import model_path

VERSION = "3"
"""Part of the step's key: raise it when the same picture is found to lie otherwise."""

CLASSIFIER_FILE = "ch_ppocr_mobile_v2.0_cls_mobile.onnx"
LOOK_PIXELS = 800_000
"""Pixels of the reduced picture that is looked at; a larger one tells no more."""
ENOUGH_PIXELS = 600_000
"""Pixels down to which a picture may be reduced more cheaply before it comes here."""
INK_CONTRAST = 18
LEAST_LETTERS = 40
"""With fewer marks the size of letters a page may be a drawing or a photograph."""
LETTER_GAP = 0.6
"""Share of a letter's size that lies between letters of a word, and not between lines."""
SIDEWAYS = 1.04
"""Times as many pieces when letters are joined along rows as along columns, from which the lines run down the page."""
MOST_SKEW, LEAST_SKEW = 12.0, 0.6
"""Degrees beyond which lines are not looked for, and under which a page counts as level: scanners feed no straighter."""
CLEARLY = 1.2
"""Times sharper than level the rows must be for a page to be called askew."""
STRIPS = 32
LINES = 12
FIRST_LINES, LEAST_LINES = 6, 3
DOUBT = 0.2
"""Mean verdict of the classifier, 0..1, on the first lines below which a page stands upright and no more are looked at."""
SURE = 0.55
"""Mean verdict on all lines from which a page stands on its head."""

Grey = npt.NDArray[np.uint8]
Ink = npt.NDArray[np.uint8]

_one_at_a_time = threading.Lock()


def turn_and_skew(grey: Grey) -> tuple[int, float]:
    """Clockwise quarter turn that makes a page upright, and the degrees by which its lines fall to the right after it."""
    small = _reduced(grey)
    ink = _ink(small)
    size = _letter_size(ink)
    if not size:
        return 0, 0.0
    turn = 0
    if _pieces(ink, size, along_rows=True) > SIDEWAYS * _pieces(ink, size, along_rows=False):
        small, ink, turn = np.ascontiguousarray(np.rot90(small)), np.ascontiguousarray(np.rot90(ink)), 270
    skew = _skew(ink)
    if _on_its_head(small, ink, size, skew):
        turn = (turn + 180) % 360
    return turn, skew


def _reduced(grey: Grey) -> Grey:
    """No more pixels than are looked at, and an even number a side: marks are gathered twice as fast then."""
    height, width = grey.shape
    scale = math.sqrt(LOOK_PIXELS / (height * width))
    if scale >= 1:
        return grey[: height - height % 2 or 1, : width - width % 2 or 1]
    size = (max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2)))
    # pictures that are little too large are the most usual, and need no mean of many dots for one
    how = cv2.INTER_AREA if scale < 0.6 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, size, interpolation=how), np.uint8)


def _ink(grey: Grey) -> Ink:
    """Dots darker than their surroundings, ruled lines left out."""
    darker = cv2.subtract(cv2.blur(grey, (31, 31)), grey)
    _, ink = cv2.threshold(darker, INK_CONTRAST, 1, cv2.THRESH_BINARY)
    long = max(40, min(ink.shape) // 8)
    ruled: Any = None
    for shape in ((1, long), (long, 1)):
        line = np.ones(shape, np.uint8)
        core = cv2.erode(ink, line)
        if cv2.hasNonZero(core):  # most pages have no rules
            core = cv2.dilate(core, line)
            ruled = core if ruled is None else ruled | core
    if ruled is None:
        return np.asarray(ink, np.uint8)
    return np.asarray(ink & ~cv2.dilate(ruled, np.ones((3, 3), np.uint8)), np.uint8)


def _letter_size(ink: Ink) -> float:
    """Longer side of the median letter in pixels; 0 where there are too few to say."""
    found = _marks(ink)
    longer = np.maximum(found[:, cv2.CC_STAT_WIDTH], found[:, cv2.CC_STAT_HEIGHT])
    letters = longer[(longer >= 5) & (longer < max(ink.shape) // 8)]
    return float(np.median(letters)) if len(letters) >= LEAST_LETTERS else 0.0


def _marks(ink: Ink) -> npt.NDArray[np.int32]:
    """Left, top, width, height and dots of each connected mark."""
    # of OpenCV's algorithms this one is the fastest with figures
    _, _, found, _ = cv2.connectedComponentsWithStatsWithAlgorithm(ink, 8, cv2.CV_32S, cv2.CCL_BBDT)
    return np.asarray(found[1:], np.int32)


def _pieces(ink: Ink, size: float, *, along_rows: bool) -> int:
    gap = max(2, round(LETTER_GAP * size))
    joined = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((1, gap) if along_rows else (gap, 1), np.uint8))
    return int(cv2.connectedComponents(joined, connectivity=8)[0])


# --- askew ---


def _skew(ink: Ink) -> float:
    """Degrees by which lines fall to the right: where rows of ink and rows of paper differ most."""
    strips = _strips(ink)
    coarse = np.arange(-MOST_SKEW, MOST_SKEW + 0.5)
    sums, offsets = strips
    wider = sums[::2] + sums[1::2], (offsets[::2] + offsets[1::2]) / 2
    best = _sharpest(wider, coarse)
    for step in (0.3, 0.1):
        best = _sharpest(strips, np.asarray(best + step * np.arange(-3, 4), np.float64))
    is_askew = abs(best) >= LEAST_SKEW and abs(best) < MOST_SKEW
    if not is_askew or _sharpness(strips, best) < CLEARLY * _sharpness(strips, 0.0):
        return 0.0
    return round(best, 1)


Strips = tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]


def _strips(ink: Ink) -> Strips:
    """Ink of each row within upright strips, and how far each strip lies from the middle."""
    width = ink.shape[1]
    edges = np.linspace(0, width, min(STRIPS, width // 2 * 2) + 1).astype(int)
    sums = [ink[:, a:b].sum(axis=1, dtype=np.float32) for a, b in pairwise(edges)]
    return np.stack(sums), (edges[:-1] + edges[1:] - width) / 2


def _sharpest(strips: Strips, angles: npt.NDArray[np.float64]) -> float:
    return float(max(angles, key=lambda angle: _sharpness(strips, float(angle))))


def _sharpness(strips: Strips, degrees: float) -> float:
    sums, offsets = strips
    shifts = np.round(offsets * math.tan(math.radians(degrees))).astype(int)
    reach, height = int(np.abs(shifts).max(initial=0)), sums.shape[1]
    rows = np.zeros(height + 2 * reach, np.float32)
    for strip, shift in zip(sums, shifts, strict=True):
        rows[reach - shift : reach - shift + height] += strip
    return float(np.square(np.diff(rows)).sum())


# --- on its head ---


def _on_its_head(grey: Grey, ink: Ink, size: float, skew: float) -> bool:
    if skew:
        height, width = grey.shape
        level = cv2.getRotationMatrix2D((width / 2, height / 2), skew, 1.0)
        grey = np.asarray(cv2.warpAffine(grey, level, (width, height), borderValue=255), np.uint8)
        ink = np.asarray(cv2.warpAffine(ink, level, (width, height)), np.uint8)
    crops = _line_crops(grey, ink, size)
    if len(crops) < LEAST_LINES:
        return False
    verdicts = _verdicts(crops[:FIRST_LINES])
    if verdicts.mean() < DOUBT:
        return False
    return bool(np.append(verdicts, _verdicts(crops[FIRST_LINES:])).mean() > SURE)


def _verdicts(crops: Sequence[Grey]) -> npt.NDArray[np.float32]:
    """How sure the classifier is that each line stands on its head, 0..1."""
    if not crops:
        return np.empty(0, np.float32)
    with _one_at_a_time:
        seen = _classifier().infer([np.concatenate([_blob(crop) for crop in crops])])
        return np.array(next(iter(seen.values()))[:, 1], np.float32)


def _line_crops(grey: Grey, ink: Ink, size: float) -> list[Grey]:
    """The widest words of ordinary height."""
    joined = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((1, max(2, round(size))), np.uint8))
    words = [
        (int(w), int(x), int(y), int(h))
        for x, y, w, h, _ in _marks(joined)
        if 0.6 * size <= h <= 2.5 * size and w > 3 * h
    ]
    rim = max(1, round(0.15 * size))
    return [
        grey[max(0, y - rim) : y + h + rim, max(0, x - rim) : x + min(w, 6 * h) + rim]
        for w, x, y, h in sorted(words, reverse=True)[:LINES]
    ]


def _blob(crop: Grey) -> npt.NDArray[np.float32]:
    """A line as the classifier wants it: 48 x 192, -1..1, blank to the right."""
    height, width = crop.shape
    wide = min(192, math.ceil(48 * width / height))
    blob = np.zeros((1, 3, 48, 192), np.float32)
    blob[0, :, :, :wide] = cv2.resize(crop, (wide, 48)).astype(np.float32) / 127.5 - 1.0
    return blob


@cache
def _classifier() -> Any:
    # imported late, as it takes a while; a third of the work that OpenCV's own runtime has with it
    import openvino

    core = openvino.Core()
    model = core.read_model(str(model_path(CLASSIFIER_FILE)))
    model.reshape([-1, 3, 48, 192])
    wanted = {
        "INFERENCE_NUM_THREADS": 1,
        "ENABLE_CPU_PINNING": False,  # every process would pin its one thread to the same core
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    return core.compile_model(model, "CPU", wanted).create_infer_request()
