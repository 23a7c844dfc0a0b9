"""`SourceDocument` -> upright page pictures and what the file itself says. The only module that decodes documents.

In: bytes, and limits that are checked before anything is decoded. Out: one `Sheet` a page, made when it is asked for, so
that memory holds one page at a time. A file that cannot be opened raises UnreadableDocument; a page of a good file that
cannot be drawn is a sheet without a picture and a problem. MuPDF is not thread safe: one document is open at a time.
"""

from __future__ import annotations

import io
import math
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import pillow_heif
from PIL import Image, ImageOps

from ocr_ops.codec import digest_of
from ocr_ops.einvoice import BadXml, read_einvoice
from ocr_ops.einvoice.drawing import drawn
from ocr_ops.errors import UnreadableDocument
from ocr_ops.model import (
    Attachment,
    PageImage,
    PixelSize,
    Problem,
    ProblemKind,
    RawPage,
    SourceDocument,
    Stage,
)
from ocr_ops.mupdf import pymupdf
from ocr_ops.pdf_attachments import attachments_of
from ocr_ops.settings import Limits
from ocr_ops.text_layer import text_layer_of

VERSION = "6"
"""Part of the step's key: raise it when the same bytes give other pictures or text layers."""

JPEG_QUALITY = 92
_JPEG_OPTIONS = (
    cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)  # fmt: skip
GREY_TOLERANCE = 12
"""Largest difference of colour channels (0..255) at which a page counts as grey."""
POINTS_PER_INCH = 72.0
PART_RATIO = 3.0
"""Long side over short side of a piece of page that is looked at in one: a longer page keeps the width of such a piece."""
LONGEST_PX = 65_000
"""Longest side that a JPEG can have, nearly."""

Scale = Callable[[float, float], float]
"""From a page's width and height in points to the pixels that one point should get."""

_PICTURE_TYPES = {"image/png": "PNG", "image/jpeg": "JPEG", "image/tiff": "TIFF", "image/webp": "WEBP", "image/heic": "HEIF", "image/avif": "AVIF"}  # fmt: skip

pillow_heif.register_heif_opener()
pymupdf.TOOLS.mupdf_display_errors(False)
pymupdf.TOOLS.mupdf_display_warnings(False)

_one_document = threading.Lock()


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page: its picture and text layer, or the problem that left it without."""

    number: int
    image: PageImage | None
    picture: bytes = b""
    text_layer: RawPage | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """A document that opened: how many pages, what is attached, and the pages one by one (to be walked once)."""

    page_count: int
    pages: Iterator[Sheet]
    attachments: tuple[tuple[Attachment, bytes], ...] = ()


@contextmanager
def open_document(
    source: SourceDocument, data: bytes, limits: Limits, scale: Scale | None = None
) -> Iterator[Opened]:
    """Open a document; UnreadableDocument when it is damaged, encrypted, has no pages or is beyond the limits.

    `scale` says how many pixels a point of a PDF page gets, within the limits; without it they say the dpi.
    """
    with _one_document:
        if source.media_type == "application/pdf":
            with _pdf(data, limits, scale) as opened:
                yield opened
        elif source.media_type == "application/xml":
            with _pdf(_drawn_einvoice(data), limits, scale) as opened:
                itself = (Attachment(source.name, source.digest, len(data)), data)
                yield replace(opened, attachments=(itself,))
        else:
            with _own_pixel_limit(), _picture(data, source.media_type, limits) as opened:
                yield opened


def _drawn_einvoice(data: bytes) -> bytes:
    """An e-invoice without a page, as the PDF that shows a person what it states."""
    try:
        einvoice = read_einvoice(data)
    except BadXml as problem:
        raise UnreadableDocument(ProblemKind.DAMAGED, f"the e-invoice was not read: {problem}") from problem
    if einvoice is None:
        raise UnreadableDocument(ProblemKind.UNSUPPORTED_TYPE, "it holds XML that is no e-invoice")
    return drawn(einvoice)


# --- PDF ---


@contextmanager
def _pdf(data: bytes, limits: Limits, scale: Scale | None) -> Iterator[Opened]:
    with _decoding("the PDF is damaged and cannot be opened"):
        document = pymupdf.open(stream=data, filetype="pdf")
    with document:
        if document.needs_pass:
            raise UnreadableDocument(
                ProblemKind.ENCRYPTED, "the PDF is encrypted; it opens only with its password"
            )
        count = document.page_count
        if count == 0:
            raise UnreadableDocument(ProblemKind.DAMAGED, "the PDF is damaged: it has no readable page")
        _check_pages(count, limits)
        yield Opened(count, _pdf_sheets(document, limits, scale), attachments_of(document))


def _pdf_sheets(document: Any, limits: Limits, scale: Scale | None) -> Iterator[Sheet]:
    for number in range(1, document.page_count + 1):
        try:
            with _decoding(f"page {number} is damaged and cannot be drawn"):
                sheet = _pdf_sheet(document[number - 1], number, limits, scale)
        except UnreadableDocument as problem:
            sheet = _without_picture(number, problem)
        yield sheet


def _pdf_sheet(page: Any, number: int, limits: Limits, wanted: Scale | None) -> Sheet:
    if page.rotation:
        page.remove_rotation()
    scale = _pdf_scale(page.rect.width, page.rect.height, limits, wanted)
    pixmap = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), alpha=False, colorspace=pymupdf.csRGB)
    pixels = np.frombuffer(pixmap.samples_mv, np.uint8).reshape(pixmap.height, pixmap.width, 3)
    layer = text_layer_of(page, number, pixels)
    picture = _jpeg(without_colour(pixels))
    size = PixelSize(pixmap.width, pixmap.height)
    image = PageImage(number, digest_of(picture), "image/jpeg", size, round(scale * POINTS_PER_INCH, 1))
    return Sheet(number, image, picture, layer.raw, layer.problems)


def _pdf_scale(width_pt: float, height_pt: float, limits: Limits, wanted: Scale | None = None) -> float:
    """Pixels per point: as wanted, or less where the page would pass a limit."""
    if not (width_pt > 0 and height_pt > 0):
        raise ValueError("a page without an area")
    by_side = _longest_px(max(width_pt, height_pt) / min(width_pt, height_pt), limits) / max(
        width_pt, height_pt
    )
    by_pixels = math.sqrt(limits.max_page_pixels / (width_pt * height_pt))
    scale = wanted(width_pt, height_pt) if wanted else limits.dpi / POINTS_PER_INCH
    return min(scale, by_side, by_pixels)


def without_colour(pixels: Any) -> Any:
    """One channel where the page shows no colour: a third of the bytes, and what OCR looks at anyway."""
    step = max(1, pixels.shape[0] // 700)  # a look at every few rows tells as much as all of them
    red, green, blue = cv2.split(pixels[::step])
    pairs = ((red, green), (green, blue), (blue, red))
    is_grey = all(cv2.norm(one, other, cv2.NORM_INF) <= GREY_TOLERANCE for one, other in pairs)
    return cv2.extractChannel(pixels, 1) if is_grey else pixels


# --- pictures ---


@contextmanager
def _own_pixel_limit() -> Iterator[None]:
    """Put Pillow's fixed limit aside while one document is open: ours is checked on every header before decoding."""
    usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = usual


@contextmanager
def _picture(data: bytes, media_type: str, limits: Limits) -> Iterator[Opened]:
    with _decoding("the picture is damaged and cannot be opened"):
        image = Image.open(io.BytesIO(data), formats=(_PICTURE_TYPES[media_type],))
        frames = int(getattr(image, "n_frames", 1)) if media_type == "image/tiff" else 1
    with image:
        _check_pages(frames, limits)
        if frames == 1:
            yield Opened(1, iter((_frame(image, 0, data, limits),)))
        else:
            yield Opened(frames, _picture_sheets(image, frames, data, limits))


def _picture_sheets(image: Image.Image, frames: int, data: bytes, limits: Limits) -> Iterator[Sheet]:
    for place in range(frames):
        try:
            sheet = _frame(image, place, data, limits)
        except UnreadableDocument as problem:
            sheet = _without_picture(place + 1, problem)
        yield sheet


def _frame(image: Image.Image, place: int, data: bytes, limits: Limits) -> Sheet:
    with _decoding("the picture is damaged: it breaks off or cannot be decoded"):
        if place:
            image.seek(place)
        _check_pixels(image, limits)
        image.load()
        return _drawn(image, place, data, limits)


def _drawn(image: Image.Image, place: int, data: bytes, limits: Limits) -> Sheet:
    upright = ImageOps.exif_transpose(image)
    plain = _plain(upright)
    scaled = _scaled(plain, limits)
    untouched = scaled is upright and _upright_already(image)
    if untouched and image.format in ("JPEG", "PNG") and place == 0:
        picture, media_type = data, f"image/{image.format.lower()}"
    else:
        picture, media_type = _encoded(scaled), "image/jpeg"
    dpi = float(image.info.get("dpi", (0, 0))[0] or 0) * scaled.width / max(plain.width, 1)
    page = PageImage(place + 1, digest_of(picture), media_type, PixelSize(*scaled.size), round(dpi, 1))
    return Sheet(place + 1, page, picture)


def _upright_already(image: Image.Image) -> bool:
    return bool(image.getexif().get(0x0112, 1) == 1)


def _plain(image: Image.Image) -> Image.Image:
    """Grey or RGB with eight bits a channel; transparent parts become paper."""
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        values = np.asarray(image)
        deep = int(values.max(initial=0)) > 255
        return Image.fromarray((values.clip(0, 65535) >> (8 if deep else 0)).astype(np.uint8))
    if image.mode == "F":
        return Image.fromarray(_bytes_of(np.nan_to_num(np.asarray(image))))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        inked = image.convert("RGBA")
        paper = Image.new("RGBA", inked.size, "white")
        return Image.alpha_composite(paper, inked).convert("RGB")
    return image.convert("L" if image.mode == "1" else "RGB")


def _bytes_of(values: Any) -> Any:
    """Floats as grey values: TIFFs count to 1, to 255 or to 65535, and the largest value tells which."""
    largest = float(values.max(initial=0))
    top = next((bound for bound in (1.0, 255.0) if largest <= bound), 65535.0)
    return (values * np.float32(255.0 / top)).clip(0, 255).astype(np.uint8)


def _scaled(image: Image.Image, limits: Limits) -> Image.Image:
    longest = max(image.size)
    most = _longest_px(longest / min(image.size), limits)
    if longest <= most:
        return image
    factor = most / longest
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _longest_px(ratio: float, limits: Limits) -> float:
    """Pixels that the long side may have: long pages are read in parts, so each part may have what a page may have."""
    return min(limits.max_side_px * max(1.0, ratio / PART_RATIO), LONGEST_PX)


def _encoded(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return out.getvalue()


def _jpeg(pixels: Any) -> bytes:
    """Grey or RGB pixels as the JPEG that `_encoded` makes of them, byte for byte, in two thirds of its time."""
    ordered = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    _, written = cv2.imencode(".jpg", ordered, _JPEG_OPTIONS)
    return written.tobytes()


# --- faults and limits ---


@contextmanager
def _decoding(damage: str) -> Iterator[None]:
    """Whatever a decoder raises on bytes of a stranger means that they are damaged: no list of classes is complete.

    Pillow's warnings about them are not for whoever runs this.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UnreadableDocument:
        raise
    except Exception as problem:
        raise UnreadableDocument(ProblemKind.DAMAGED, damage) from problem


def _without_picture(number: int, fault: UnreadableDocument) -> Sheet:
    """A page that is counted and cannot be shown."""
    return Sheet(number, None, problems=(Problem(Stage.OPEN, ProblemKind(fault.kind), fault.detail, number),))


def _check_pages(count: int, limits: Limits) -> None:
    if count > limits.max_pages:
        words = f"the document has {count:,} pages, more than the {limits.max_pages:,} allowed (OCR_OPS_MAX_PAGES)"
        raise UnreadableDocument(ProblemKind.TOO_MANY_PAGES, words)


def _check_pixels(image: Image.Image, limits: Limits) -> None:
    if image.width * image.height > limits.max_page_pixels:
        words = (
            f"the picture has {image.width:,} x {image.height:,} pixels, more than the "
            f"{limits.max_page_pixels:,} allowed (OCR_OPS_MAX_PAGE_PIXELS)"
        )
        raise UnreadableDocument(ProblemKind.TOO_MANY_PIXELS, words)
