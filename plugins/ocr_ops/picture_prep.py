"""The picture an engine is shown instead of the page's own: upright, level, flat, clearer. OpenCV at work.

In: an encoded page picture as `raster` made it, and what to do. Out: the picture to show with the way back to the
page, or nothing where the page can be shown as it is. It reads no text and keeps nothing.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from ocr_ops import page_angle
from ocr_ops.model import PixelSize, Prepared
from ocr_ops.raster import without_colour

VERSION = "2"
"""Part of the step's key: raise it when the same picture is prepared otherwise."""

JPEG_QUALITY = 95
LEAST_SHEET = 0.25
"""Share of a photograph that an outline must cover to be taken for the sheet of paper."""
LEAST_EDGE_PX = 2.0
"""An outline this near to the picture's own corners leaves nothing to straighten."""
WIDEST_PX = 4800
"""Pixels that a padded strip keeps of its width: servers look at six tiles of 640 or 768 pixels."""

Pixels = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]

_CLOCKWISE = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


@dataclass(frozen=True, slots=True)
class Preparation:
    """What is done to pages before they are shown; all off: nothing is looked at."""

    upright: bool = False
    denoise: bool = False
    contrast: bool = False
    binarise: bool = False
    perspective: bool = False
    widest: float = 0.0
    """Width over height beyond which paper is added above and below, since the engine would squeeze the page; 0: never."""

    @property
    def identity(self) -> Mapping[str, str]:
        """What decides a prepared picture, for the step's key; empty when nothing is done."""
        done = {name: str(on) if name == "widest" else "on" for name, on in asdict(self).items() if on}
        return {"version": VERSION, "angle": page_angle.VERSION, **done} if done else {}


@dataclass(frozen=True, slots=True)
class Shown:
    """An encoded picture to show, and how it came from the page's."""

    picture: bytes
    media_type: str
    prepared: Prepared


def prepare(picture: bytes, wanted: Preparation) -> Shown | None:
    """Prepare a page; None where it can be shown as it is. ValueError on bytes that are no picture.

    Most pages are in order: a small grey picture is enough to see that, and nothing else is decoded then.
    """
    if not wanted.identity:
        return None
    lies = (0, 0.0)
    if wanted.upright and not wanted.perspective:
        lies = page_angle.turn_and_skew(_glimpse(picture))
    if not any(lies) and _is_only_looked_at(picture, wanted):
        return None
    page = _decoded(picture)
    if page.ndim == 3:
        page = np.asarray(without_colour(page), np.uint8)  # a third of the work
    bench = _Bench(page)
    _straighten(bench, wanted, lies)
    for name, clearer in _clearer(bench.pixels, wanted):
        bench.done(name, clearer)
    if wanted.widest and bench.pixels.shape[1] > wanted.widest * bench.pixels.shape[0]:
        bench.done("pad", *_padded(bench.pixels, wanted.widest))
    if not bench.steps:
        return None
    is_jpeg = picture[:2] == b"\xff\xd8" and not wanted.binarise
    size = PixelSize(bench.pixels.shape[1], bench.pixels.shape[0])
    done = Prepared(size, bench.turn, _way_back(bench.warp, page, bench.turn), tuple(bench.steps))
    return Shown(_encoded(bench.pixels, is_jpeg), "image/jpeg" if is_jpeg else "image/png", done)


@dataclass
class _Bench:
    """A picture being worked on, and where places of the page lie on it."""

    pixels: Pixels
    warp: Matrix = field(default_factory=lambda: np.eye(3))
    turn: int = 0
    steps: list[str] = field(default_factory=list)

    def done(self, step: str, pixels: Pixels, way: Matrix | None = None) -> None:
        self.pixels = pixels
        self.steps.append(step)
        if way is not None:
            self.warp = way @ self.warp


def _straighten(bench: _Bench, wanted: Preparation, lies: tuple[int, float]) -> None:
    if wanted.perspective:
        if (corners := sheet_corners(bench.pixels)) is not None:
            bench.done("perspective", *_flattened(bench.pixels, corners))
        if wanted.upright:
            lies = page_angle.turn_and_skew(_grey(bench.pixels))
    bench.turn, skew = lies
    if bench.turn:
        height, width = bench.pixels.shape[:2]
        turned = np.asarray(cv2.rotate(bench.pixels, _CLOCKWISE[bench.turn]), np.uint8)
        bench.done(f"turn {bench.turn}", turned, quarter_turn(bench.turn, width, height))
    if skew:
        bench.done(f"level {skew}", *_levelled(bench.pixels, skew))


def _is_only_looked_at(picture: bytes, wanted: Preparation) -> bool:
    """Whether a page that lies right is shown as it is."""
    if wanted.denoise or wanted.contrast or wanted.binarise or wanted.perspective:
        return False
    width, height = _size(picture)
    return not wanted.widest or width <= wanted.widest * height


def sheet_corners(pixels: Pixels) -> npt.NDArray[np.float32] | None:
    """Corners of the sheet of paper on a photograph, clockwise from the top left, in pixels; None where none is seen."""
    scale = min(1.0, 600 / max(pixels.shape[:2]))
    small = cv2.resize(_grey(pixels), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, paper = cv2.threshold(cv2.GaussianBlur(small, (5, 5), 0), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    paper = cv2.morphologyEx(paper, cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8))
    outlines, _ = cv2.findContours(paper, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    for outline in sorted(outlines, key=cv2.contourArea, reverse=True)[:1]:
        hull = cv2.convexHull(outline)
        corners = cv2.approxPolyDP(hull, 0.02 * cv2.arcLength(hull, True), True).reshape(-1, 2)
        if len(corners) == 4 and cv2.contourArea(corners) >= LEAST_SHEET * small.size:
            return _in_order((corners.astype(np.float32) + 0.5) / scale, pixels)
    return None


def _in_order(corners: npt.NDArray[np.float32], pixels: Pixels) -> npt.NDArray[np.float32] | None:
    sums, differences = corners.sum(axis=1), corners[:, 0] - corners[:, 1]
    places = [int(sums.argmin()), int(differences.argmax()), int(sums.argmax()), int(differences.argmin())]
    height, width = pixels.shape[:2]
    whole = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    found = corners[places]
    fills = bool(np.abs(found - whole).max() <= max(LEAST_EDGE_PX, 0.01 * max(width, height)))
    return None if len(set(places)) < 4 or fills else found


# Matrices map places, where (0, 0) is the picture's corner; OpenCV's warps count from the first pixel's middle.
_TO_MIDDLE = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
_FROM_MIDDLE = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])


def _flattened(pixels: Pixels, corners: npt.NDArray[np.float32]) -> tuple[Pixels, Matrix]:
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    height, width = pixels.shape[:2]
    wide = min(round(float(max(sides[0], sides[2]))), 2 * width)
    high = min(round(float(max(sides[1], sides[3]))), 2 * height)
    flat = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32)
    matrix = np.asarray(cv2.getPerspectiveTransform(corners, flat), np.float64)
    return _warped(pixels, matrix, wide, high), matrix


def _levelled(pixels: Pixels, degrees: float) -> tuple[Pixels, Matrix]:
    """Turn so that falling lines run level, on a picture large enough to lose no corner."""
    height, width = pixels.shape[:2]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    wide, high = math.ceil(width * cos + height * abs(sin)), math.ceil(height * cos + width * abs(sin))
    x, y = width / 2, height / 2
    turn = np.array(
        [[cos, sin, wide / 2 - cos * x - sin * y], [-sin, cos, high / 2 + sin * x - cos * y], [0, 0, 1]]
    )
    return _warped(pixels, turn, wide, high), turn


def _warped(pixels: Pixels, matrix: Matrix, width: int, height: int) -> Pixels:
    warp = _TO_MIDDLE @ matrix @ _FROM_MIDDLE
    warped = cv2.warpPerspective(
        pixels, warp, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, np.uint8)


def _padded(pixels: Pixels, ratio: float) -> tuple[Pixels, Matrix]:
    """A strip with paper of the colour of its edges above and below, `ratio` times as wide as high."""
    height, width = pixels.shape[:2]
    if width > WIDEST_PX:
        size = (WIDEST_PX, max(1, round(height * WIDEST_PX / width)))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    high, wide = pixels.shape[:2]
    missing = math.ceil(wide / ratio) - high
    above = missing // 2
    paper = np.median(np.concatenate((pixels[0], pixels[-1])), axis=0)
    padded = cv2.copyMakeBorder(
        pixels, above, missing - above, 0, 0, cv2.BORDER_CONSTANT, value=np.atleast_1d(paper).tolist()
    )
    way = np.array([[wide / width, 0, 0], [0, high / height, above], [0, 0, 1]])
    return np.asarray(padded, np.uint8), way


def quarter_turn(turn: int, width: float, height: float) -> Matrix:
    """Where places of a picture of `width` x `height` lie after a clockwise quarter turn."""
    moves = {
        0: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        90: [[0, -1, height], [1, 0, 0], [0, 0, 1]],
        180: [[-1, 0, width], [0, -1, height], [0, 0, 1]],
        270: [[0, 1, 0], [-1, 0, width], [0, 0, 1]],
    }
    return np.array(moves[turn], np.float64)


def _way_back(warp: Matrix, page: Pixels, turn: int) -> tuple[float, ...]:
    """From places of the shown picture to those of the page turned upright; nothing where they are the same."""
    height, width = page.shape[:2]
    back = quarter_turn(turn, width, height) @ np.linalg.inv(warp)
    back /= back[2, 2]
    return () if np.allclose(back, np.eye(3), atol=1e-9) else tuple(float(value) for value in back.ravel())


# --- clearer ---


def _clearer(pixels: Pixels, wanted: Preparation) -> Iterator[tuple[str, Pixels]]:
    """Each step on what the one before it left."""
    if wanted.denoise:
        pixels = np.asarray(cv2.medianBlur(pixels, 3), np.uint8)
        yield "denoise", pixels
    if wanted.contrast:
        pixels = _contrasted(pixels)
        yield "contrast", pixels
    if wanted.binarise:
        grey, wide = _grey(pixels), max(15, min(pixels.shape[:2]) // 20) | 1
        ink = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY, wide, 12)
        yield "binarise", np.asarray(ink, np.uint8)


def _contrasted(pixels: Pixels) -> Pixels:
    """Local contrast (CLAHE) of the lightness; colours stay."""
    clahe = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8))
    if pixels.ndim == 2:
        return np.asarray(clahe.apply(pixels), np.uint8)
    lab = cv2.cvtColor(pixels, cv2.COLOR_BGR2LAB)
    lab[:, :, 0] = clahe.apply(np.ascontiguousarray(lab[:, :, 0]))
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2BGR), np.uint8)


# --- bytes ---


_NO_PICTURE = "a page was handed over as bytes that are no picture"
_REDUCED = (
    (8, cv2.IMREAD_REDUCED_GRAYSCALE_8),
    (4, cv2.IMREAD_REDUCED_GRAYSCALE_4),
    (2, cv2.IMREAD_REDUCED_GRAYSCALE_2),
)


def _size(picture: bytes) -> tuple[int, int]:
    """Width and height from the header."""
    try:
        with Image.open(io.BytesIO(picture)) as header:
            return header.size
    except (OSError, SyntaxError) as problem:
        raise ValueError(_NO_PICTURE) from problem


def _glimpse(picture: bytes) -> Pixels:
    """Grey pixels, no more than are looked at: a JPEG gives half of them for a third of the work."""
    width, height = _size(picture)
    enough = page_angle.ENOUGH_PIXELS
    flag = next(
        (flag for part, flag in _REDUCED if width * height >= enough * part * part), cv2.IMREAD_GRAYSCALE
    )
    return _decoded(picture, flag)


def _decoded(picture: bytes, flag: int = cv2.IMREAD_ANYCOLOR) -> Pixels:
    flags = flag | cv2.IMREAD_IGNORE_ORIENTATION
    pixels: Any = cv2.imdecode(np.frombuffer(picture, np.uint8), flags) if picture else None
    if pixels is None:
        raise ValueError(_NO_PICTURE)
    return np.asarray(pixels, np.uint8)


def _grey(pixels: Pixels) -> Pixels:
    return pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)


def _encoded(pixels: Pixels, is_jpeg: bool) -> bytes:
    sharp = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]  # fmt: skip
    _, data = cv2.imencode(".jpg" if is_jpeg else ".png", pixels, sharp if is_jpeg else [])
    return data.tobytes()
