"""What the first bytes of a file say it is, and which files somebody may have meant as a document. Pure."""

from __future__ import annotations

from ocr_ops.einvoice import looks_like_einvoice

READABLE = {
    "application/pdf": (".pdf",),
    "image/png": (".png",),
    "image/jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "image/tiff": (".tif", ".tiff"),
    "image/webp": (".webp",),
    "image/heic": (".heic", ".heif"),
    "image/avif": (".avif",),
}
"""Media types of pages that `raster` opens, with their usual extensions."""

XML = "application/xml"
"""`raster` opens it where it is an e-invoice."""

READABLE_SUFFIXES = frozenset(suffix for suffixes in READABLE.values() for suffix in suffixes)
DOCUMENT_SUFFIXES = READABLE_SUFFIXES | {
    ".gif", ".bmp", ".jp2", ".jxl", ".svg", ".ps", ".eps", ".htm", ".html", ".xml", ".doc", ".docx", ".odt", ".rtf",
    ".xls", ".xlsx", ".ods", ".eml", ".msg", ".zip",
}  # fmt: skip
"""Files that somebody may have meant as a document: they are listed, even where they cannot be read."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),
    (b"MM\x00+", "image/tiff"),
    (b"GIF8", "image/gif"),
    (b"PK\x03\x04", "application/zip"),
    (b"\xd0\xcf\x11\xe0", "application/msword"),
)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"})
HEAD = 1024
"""Readers accept junk of up to so many bytes before `%PDF-` (ISO 32000-1, annex H, implementation note 13)."""

WORDS = {
    "text/plain": "plain text",
    "text/html": "a web page",
    "application/xml": "XML",
    "image/svg+xml": "an SVG drawing",
    "image/gif": "a GIF picture",
    "image/bmp": "a BMP picture",
    "application/zip": "a ZIP archive or an office document",
    "application/msword": "an old office document",
    "video/mp4": "a video",
}
"""What people call the types that cannot be read."""


def sniff(data: bytes) -> str:
    """The media type that the first bytes speak for, whatever the file is called; text/plain or octet-stream at last."""
    for magic, media_type in _MAGIC:
        if data.startswith(magic):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[:2] == b"BM" and data[6:10] == bytes(4):
        return "image/bmp"
    if data[4:8] == b"ftyp":
        return _boxed_type(data)
    if b"%PDF-" in data[:HEAD]:
        return "application/pdf"
    return XML if looks_like_einvoice(data) else _text_type(data[:HEAD])


def _boxed_type(data: bytes) -> str:
    """HEIC, AVIF or video: the major brand, and for brands that both pictures use the compatible ones."""
    length = min(int.from_bytes(data[:4]), 256)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, length, 4))]
    if any(brand in _AVIF_BRANDS for brand in brands):
        return "image/avif"
    return "image/heic" if brands[0] in _HEIF_BRANDS else "video/mp4"


def _text_type(head: bytes) -> str:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "text/html"
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in start):
        return "image/svg+xml"
    if start.startswith(b"<?xml"):
        return XML
    return "application/octet-stream" if b"\x00" in head else "text/plain"


def printable(name: str) -> str:
    """A name that can be stored and shown: bytes that are no text and control characters become U+FFFD."""
    if name.isprintable():
        return name
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in name)
