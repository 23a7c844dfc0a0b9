"""Bad and odd input, made on demand: each builder writes one file into a folder and returns its path.

In: a folder that exists. Out: one small file (below 1 MB on disk), the same on every run but for the salt of the
encrypted ones. `BAD` says what a reader must answer with; `ODD_BUT_READABLE` must open all the same. No builder
needs much memory or more than a second, and none may read anything outside its folder.
"""

from __future__ import annotations

import io
import os
import shutil
import struct
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pymupdf
from PIL import Image, ImageDraw

from ocr_ops.model import ProblemKind

Builder = Callable[[Path], Path]

USER_PASSWORD = "sesame"
HUGE_SIDE_PX = 40_000
MANY_PAGES = 3_000
UPRIGHT_PX = (240, 160)
"""Width and height of the small test picture as a person should see it: dark top left corner, light elsewhere."""


@dataclass(frozen=True, slots=True)
class Bad:
    """How to make a bad file, and the kind of problem it is."""

    build: Builder
    kind: ProblemKind


@dataclass(frozen=True, slots=True)
class Odd:
    """How to make an odd but readable file: what it really is, how many pages, and the problem worth a note, if any."""

    build: Builder
    media_type: str
    pages: int = 1
    note: ProblemKind | None = None


def _write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


# --- PDF written by hand, so that each fault is exactly the one named -----------------------------------------


def pdf_bytes(objects: list[bytes], *, root: int = 1, start: int | None = None) -> bytes:
    """Return a PDF of numbered objects (the first is 1) with a right xref table, or one announced at byte `start`."""
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    xref = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root %d 0 R >>\n" % (len(objects) + 1, root)
    return bytes(out) + b"startxref\n%d\n%%%%EOF\n" % (xref if start is None else start)


def pages_pdf_bytes(pages: int, box: str = "0 0 300 200") -> bytes:
    """Return a PDF whose pages share one line of text and one page box (in points)."""
    content = b"BT /F1 14 Tf 30 120 Td (Invoice 4711  Total 12.34 EUR) Tj ET"
    kids = b" ".join(b"%d 0 R" % (5 + index) for index in range(pages))
    page = b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R >>"
    return pdf_bytes(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [%s] /Count %d /MediaBox [%s] /Resources << /Font << /F1 3 0 R >> >> >>"
            % (kids, pages, box.encode()),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
            *[page] * pages,
        ]
    )


def good_pdf(folder: Path, name: str = "good.pdf") -> Path:
    """A sound one-page PDF, the control for all others."""
    return _write(folder, name, pages_pdf_bytes(1))


@cache
def _locked_bytes(user_password: str) -> bytes:
    document = pymupdf.open(stream=pages_pdf_bytes(1), filetype="pdf")
    return bytes(
        document.tobytes(
            encryption=pymupdf.PDF_ENCRYPT_AES_256,
            owner_pw="owner only",
            user_pw=user_password,
            permissions=pymupdf.PDF_PERM_PRINT,
        )
    )


def encrypted_pdf(folder: Path) -> Path:
    """A PDF that opens only with a password."""
    return _write(folder, "encrypted.pdf", _locked_bytes(USER_PASSWORD))


def owner_locked_pdf(folder: Path) -> Path:
    """A PDF that anybody may read and nobody may change: encrypted, with an empty user password."""
    return _write(folder, "owner_locked.pdf", _locked_bytes(""))


def torn_pdf(folder: Path) -> Path:
    """A PDF whose second half was lost: the pages come before their tree, so none can be found."""
    document = pymupdf.open(stream=pages_pdf_bytes(1), filetype="pdf")
    picture = _png_bytes(Image.fromarray(np.random.default_rng(1).integers(0, 255, (120, 120), np.uint8)))
    document[0].insert_image(pymupdf.Rect(10, 10, 90, 90), stream=picture)
    whole = bytes(document.tobytes(use_objstms=1, deflate=True, no_new_id=True))
    return _write(folder, "torn.pdf", whole[: len(whole) // 2])


def many_pages_pdf(folder: Path) -> Path:
    """A PDF of 3,000 pages."""
    return _write(folder, "many_pages.pdf", pages_pdf_bytes(MANY_PAGES))


def huge_page_pdf(folder: Path) -> Path:
    """A small PDF whose one page is 200,000 points (70 m) a side."""
    return _write(folder, "huge_page.pdf", pages_pdf_bytes(1, "0 0 200000 200000"))


def flat_page_pdf(folder: Path) -> Path:
    """A PDF whose page box has no area; readers fall back to a sheet of letter paper."""
    return _write(folder, "flat_page.pdf", pages_pdf_bytes(1, "0 0 0 0"))


def no_pages_pdf(folder: Path) -> Path:
    """A well-formed PDF with an empty page tree."""
    return _write(folder, "no_pages.pdf", pages_pdf_bytes(0))


def wrong_xref_pdf(folder: Path) -> Path:
    """A PDF whose cross-reference table is not where it says; every reader repairs it."""
    whole = pages_pdf_bytes(1)
    return _write(folder, "wrong_xref.pdf", whole.replace(b"startxref\n", b"startxref\n9"))


# --- pictures -------------------------------------------------------------------------------------------------


def small_picture() -> Image.Image:
    """Return the test picture, upright: light, with a dark square in the top left corner and some text."""
    picture = Image.new("RGB", UPRIGHT_PX, (235, 235, 235))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, 39, 39), fill=(10, 10, 10))
    draw.text((60, 70), "TOTAL 12.34", fill=(10, 10, 10))
    return picture


def _png_bytes(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _saved(folder: Path, name: str, picture: Image.Image, **options: Any) -> Path:
    picture.save(folder / name, **options)
    return folder / name


def _png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _white_rows(side_px: int) -> Iterator[bytes]:
    """Compress the rows of a white 1-bit picture, a hundred at a time; each row has a filter byte in front."""
    rows, squeeze = (b"\x00" + b"\xff" * (side_px // 8)) * 100, zlib.compressobj(4)
    for _ in range(side_px // 100):
        yield squeeze.compress(rows)
    yield squeeze.flush()


@cache
def _huge_png_bytes() -> bytes:
    header = struct.pack(">IIBBBBB", HUGE_SIDE_PX, HUGE_SIDE_PX, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", b"".join(_white_rows(HUGE_SIDE_PX))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(name, data) for name, data in chunks)


def huge_png(folder: Path) -> Path:
    """A whole, valid PNG of 40,000 x 40,000 pixels in some 200 kB."""
    return _write(folder, "huge.png", _huge_png_bytes())


def torn_jpeg(folder: Path) -> Path:
    """A JPEG cut inside its header, before any pixel."""
    whole = _saved(folder, "torn.jpg", small_picture()).read_bytes()
    return _write(folder, "torn.jpg", whole[:200])


def half_jpeg(folder: Path) -> Path:
    """A JPEG with a whole header and half of its pixels."""
    noise = np.random.default_rng(2).integers(0, 255, (160, 240, 3), np.uint8)
    whole = _saved(folder, "half.jpg", Image.fromarray(noise)).read_bytes()
    return _write(folder, "half.jpg", whole[: len(whole) // 2])


def turned_jpeg(folder: Path) -> Path:
    """A JPEG stored on its side, whose EXIF orientation 6 says to turn it 90 degrees clockwise."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return _saved(
        folder, "turned.jpg", small_picture().transpose(Image.Transpose.ROTATE_90), exif=exif, quality=90
    )


def cmyk_jpeg(folder: Path) -> Path:
    """A JPEG in the four colours of print."""
    return _saved(folder, "cmyk.jpg", small_picture().convert("CMYK"), quality=90)


def sixteen_bit_png(folder: Path) -> Path:
    """A grey PNG with 16 bits a pixel."""
    grey = np.asarray(small_picture().convert("L"), dtype=np.uint16) * 257
    return _saved(folder, "sixteen_bit.png", Image.fromarray(grey))


def transparent_png(folder: Path) -> Path:
    """A PNG with dark ink on nothing: black where transparency is dropped, white paper where it is honoured."""
    picture = Image.new("RGBA", UPRIGHT_PX, (0, 0, 0, 0))
    ImageDraw.Draw(picture).rectangle((0, 0, 39, 39), fill=(10, 10, 10, 255))
    return _saved(folder, "transparent.png", picture)


def two_page_tiff(folder: Path) -> Path:
    """A TIFF with two pages."""
    more = [small_picture()]
    return _saved(
        folder, "pages.tiff", small_picture(), save_all=True, append_images=more, compression="tiff_lzw"
    )


def webp(folder: Path) -> Path:
    """A WebP picture."""
    return _saved(folder, "picture.webp", small_picture(), lossless=True)


def heic(folder: Path) -> Path:
    """A HEIC picture, as telephones take them."""
    pillow_heif.from_pillow(small_picture()).save(folder / "picture.heic", quality=90)
    return folder / "picture.heic"


def animated_gif(folder: Path) -> Path:
    """A moving picture, which is nobody's invoice."""
    frames = [small_picture().rotate(10)]
    return _saved(folder, "moving.gif", small_picture(), save_all=True, append_images=frames, duration=100)


# --- files that are not what they are called, or nothing we read ----------------------------------------------


def empty_file(folder: Path) -> Path:
    """A file of no bytes, called a PDF."""
    return _write(folder, "empty.pdf", b"")


def text_called_pdf(folder: Path) -> Path:
    """Plain text called a PDF."""
    return _write(folder, "text.pdf", b"Dear colleague,\nplease find the invoice attached.\n")


def png_called_pdf(folder: Path) -> Path:
    """A sound PNG called a PDF."""
    return _write(folder, "picture.pdf", _png_bytes(small_picture()))


def pdf_called_jpg(folder: Path) -> Path:
    """A sound PDF called a JPEG."""
    return good_pdf(folder, "document.jpg")


def svg(folder: Path) -> Path:
    """A vector drawing, which may hold scripts."""
    return _write(
        folder, "drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>\n'
    )


def html(folder: Path) -> Path:
    """A web page."""
    return _write(folder, "page.html", b"<!doctype html><title>Invoice</title><p>Total 12.34</p>\n")


def docx(folder: Path) -> Path:
    """A zip laid out like a word processor's file."""
    path = folder / "letter.docx"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (("[Content_Types].xml", "<Types/>"), ("word/document.xml", "<w:document/>")):
            archive.writestr(zipfile.ZipInfo(name, (2025, 1, 1, 0, 0, 0)), text)
    return path


def locked_file(folder: Path) -> Path:
    """A sound PDF that its owner may not read (root may: use `dangling_link` where tests run as root)."""
    path = good_pdf(folder, "locked.pdf")
    path.chmod(0)
    return path


def dangling_link(folder: Path) -> Path:
    """A link to a file that is gone: nobody can read it, not even root."""
    path = folder / "dangling.pdf"
    path.symlink_to(folder / "gone.pdf")
    return path


def folder_called_pdf(folder: Path) -> Path:
    """A folder with a document's name."""
    path = folder / "folder.pdf"
    path.mkdir()
    return path


def duplicate_of(original: Path, name: str = "duplicate.pdf") -> Path:
    """Copy a file byte for byte beside itself, under another name."""
    return Path(shutil.copyfile(original, original.with_name(name)))


class StillWritten:
    """A file that grows while the `with` block runs, as a slow upload would; whole when the block ends.

    `grown` waits until at least one more write happened, so that a test needs no sleep of its own.
    """

    def __init__(self, folder: Path, name: str = "uploading.pdf", pause_seconds: float = 0.01) -> None:
        self.path = folder / name
        self._pause_seconds = pause_seconds
        self._stop, self._wrote = threading.Event(), threading.Condition()
        self._writes = 0
        self._thread = threading.Thread(target=self._grow, daemon=True)

    def grown(self, timeout_seconds: float = 10.0) -> bool:
        """Whether the file grew after this call, within the time given."""
        with self._wrote:
            before = self._writes
            return self._wrote.wait_for(lambda: self._writes > before, timeout_seconds)

    def _grow(self) -> None:
        with self.path.open("ab", buffering=0) as file:
            while not self._stop.wait(self._pause_seconds):
                file.write(b"% more to come\n")
                os.utime(self.path)
                with self._wrote:
                    self._writes += 1
                    self._wrote.notify_all()

    def __enter__(self) -> StillWritten:
        self.path.write_bytes(b"%PDF-1.4\n")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.path.write_bytes(pages_pdf_bytes(1))


BAD: dict[str, Bad] = {
    "empty": Bad(empty_file, ProblemKind.EMPTY_FILE),
    "torn_pdf": Bad(torn_pdf, ProblemKind.DAMAGED),
    "torn_jpeg": Bad(torn_jpeg, ProblemKind.DAMAGED),
    "half_jpeg": Bad(half_jpeg, ProblemKind.DAMAGED),
    "no_pages_pdf": Bad(no_pages_pdf, ProblemKind.DAMAGED),
    "encrypted_pdf": Bad(encrypted_pdf, ProblemKind.ENCRYPTED),
    "text_called_pdf": Bad(text_called_pdf, ProblemKind.WRONG_EXTENSION),
    "huge_png": Bad(huge_png, ProblemKind.TOO_MANY_PIXELS),
    "many_pages_pdf": Bad(many_pages_pdf, ProblemKind.TOO_MANY_PAGES),
    "dangling_link": Bad(dangling_link, ProblemKind.UNREADABLE_FILE),
    "folder_called_pdf": Bad(folder_called_pdf, ProblemKind.UNREADABLE_FILE),
    "animated_gif": Bad(animated_gif, ProblemKind.UNSUPPORTED_TYPE),
    "svg": Bad(svg, ProblemKind.UNSUPPORTED_TYPE),
    "html": Bad(html, ProblemKind.UNSUPPORTED_TYPE),
    "docx": Bad(docx, ProblemKind.UNSUPPORTED_TYPE),
}
"""Files that no reader can or should read. `locked_file` is left out: it is readable when tests run as root."""

ODD_BUT_READABLE: dict[str, Odd] = {
    "owner_locked_pdf": Odd(owner_locked_pdf, "application/pdf"),
    "wrong_xref_pdf": Odd(wrong_xref_pdf, "application/pdf"),
    "flat_page_pdf": Odd(flat_page_pdf, "application/pdf"),
    "huge_page_pdf": Odd(huge_page_pdf, "application/pdf"),
    "png_called_pdf": Odd(png_called_pdf, "image/png", note=ProblemKind.WRONG_EXTENSION),
    "pdf_called_jpg": Odd(pdf_called_jpg, "application/pdf", note=ProblemKind.WRONG_EXTENSION),
    "turned_jpeg": Odd(turned_jpeg, "image/jpeg"),
    "cmyk_jpeg": Odd(cmyk_jpeg, "image/jpeg"),
    "sixteen_bit_png": Odd(sixteen_bit_png, "image/png"),
    "transparent_png": Odd(transparent_png, "image/png"),
    "two_page_tiff": Odd(two_page_tiff, "image/tiff", pages=2),
    "webp": Odd(webp, "image/webp"),
    "heic": Odd(heic, "image/heic"),
}
"""Files that look wrong and open all the same (a huge page is rasterised at a smaller scale, within the limits)."""


def make_all(folder: Path) -> dict[str, Path]:
    """Write one of each bad kind into an empty folder, and return where."""
    return {name: bad.build(folder) for name, bad in BAD.items()}
