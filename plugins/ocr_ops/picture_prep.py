"""The picture an engine is shown instead of the page's own: upright, level, flat, clearer. OpenCV at work.

In: an encoded page picture as `raster` made it, and what to do. Out: the picture to show with the way back to the
page, or nothing where the page can be shown as it is. It reads no text and keeps nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ocr_ops import page_angle
from ocr_ops.model import PixelSize, Prepared

VERSION = "1"
"""Part of the step's key: raise it when the same picture is prepared otherwise."""

JPEG_QUALITY = 95
LEAST_SHEET = 0.25
"""Share of a photograph that an outline must cover to be taken for the sheet of paper."""
LEAST_EDGE_PX = 2.0
"""An outline this near to the picture's own corners leaves nothing to straighten."""

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

    @property
    def identity(self) -> Mapping[str, str]:
        """What decides a prepared picture, for the step's key; empty when nothing is done."""
        done = {name: "on" for name, on in asdict(self).items() if on}
        return {"version": VERSION, "angle": page_angle.VERSION, **done} if done else {}


@dataclass(frozen=True, slots=True)
class Shown:
    """An encoded picture to show, and how it came from the page's."""

    picture: bytes
    media_type: str
    prepared: Prepared


def prepare(picture: bytes, wanted: Preparation) -> Shown | None:
    """Prepare a page; None where it can be shown as it is. ValueError on bytes that are no picture."""
    if not wanted.identity:
        return None
    pixels = page = _decoded(picture)
    turn, warp, steps = 0, np.eye(3), []
    if wanted.perspective and (found := sheet_corners(pixels)) is not None:
        pixels, warp = _flattened(pixels, found)
        steps.append("perspective")
    skew = 0.0
    if wanted.upright:
        turn, skew = page_angle.turn_and_skew(_grey(pixels))
    if turn:
        warp = _turned(warp, pixels, turn)
        pixels = np.asarray(cv2.rotate(pixels, _CLOCKWISE[turn]), np.uint8)
        steps.append(f"turn {turn}")
    if skew:
        pixels, level = _levelled(pixels, skew)
        warp = level @ warp
        steps.append(f"level {skew}")
    for name, changed in _clearer(pixels, wanted):
        pixels = changed
        steps.append(name)
    if not steps:
        return None
    is_jpeg = picture[:2] == b"\xff\xd8" and not wanted.binarise
    size = PixelSize(pixels.shape[1], pixels.shape[0])
    done = Prepared(size, turn, _way_back(warp, page, turn), tuple(steps))
    return Shown(_encoded(pixels, is_jpeg), "image/jpeg" if is_jpeg else "image/png", done)


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


def _turned(warp: Matrix, pixels: Pixels, turn: int) -> Matrix:
    return quarter_turn(turn, pixels.shape[1], pixels.shape[0]) @ warp


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


def _decoded(picture: bytes) -> Pixels:
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION
    pixels: Any = cv2.imdecode(np.frombuffer(picture, np.uint8), flags) if picture else None
    if pixels is None:
        raise ValueError("a page was handed over as bytes that are no picture")
    return np.asarray(pixels, np.uint8)


def _grey(pixels: Pixels) -> Pixels:
    return pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)


def _encoded(pixels: Pixels, is_jpeg: bool) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if is_jpeg else []
    _, data = cv2.imencode(".jpg" if is_jpeg else ".png", pixels, options)
    return data.tobytes()
