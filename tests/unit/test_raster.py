import io
import random
import zlib
from pathlib import Path

import numpy as np
import pymupdf
import pytest
from PIL import Image

from bad_documents import BAD, ODD_BUT_READABLE, UPRIGHT_PX, good_pdf, pdf_bytes
from ocr_ops.codec import digest_of
from ocr_ops.errors import UnreadableDocument
from ocr_ops.model import Problem, SourceDocument
from ocr_ops.pdf_attachments import MOST_ATTACHED_BYTES
from ocr_ops.raster import Sheet, open_document
from ocr_ops.settings import Limits
from ocr_ops.source import find_documents, found, load_source

LIMITS = Limits()
OPENED_BUT_BAD = sorted(set(BAD) - {"dangling_link", "folder_called_pdf"})


def sheets(path: Path, limits: Limits = LIMITS) -> list[Sheet]:
    document, data = load_source(found(path.as_uri()), limits)
    with open_document(document, data, limits) as opened:
        pages = list(opened.pages)
        assert len(pages) == opened.page_count
    return pages


def picture_of(sheet: Sheet) -> Image.Image:
    return Image.open(io.BytesIO(sheet.picture))


def pdf_source(data: bytes) -> SourceDocument:
    return SourceDocument("file:///x.pdf", "x.pdf", digest_of(data), "application/pdf", len(data))


@pytest.mark.parametrize("name", sorted(BAD))
def test_bad_document_is_refused_with_its_kind_and_a_reason(name: str, tmp_path: Path):
    path = BAD[name].build(tmp_path)

    with pytest.raises(UnreadableDocument) as caught:
        (listed,) = [file for file in find_documents(tmp_path) if file.path == path]
        document, data = load_source(listed, LIMITS)
        with open_document(document, data, LIMITS) as opened:
            list(opened.pages)

    assert caught.value.kind == BAD[name].kind
    assert len(caught.value.detail) > 10


@pytest.mark.parametrize("name", sorted(ODD_BUT_READABLE))
def test_odd_document_opens_all_the_same(name: str, tmp_path: Path):
    odd = ODD_BUT_READABLE[name]

    pages = sheets(odd.build(tmp_path))

    assert [page.number for page in pages] == list(range(1, odd.pages + 1))
    for page in pages:
        assert page.image is not None
        assert page.image.digest == digest_of(page.picture)
        assert picture_of(page).size == (page.image.size.width, page.image.size.height)
        assert picture_of(page).mode in ("L", "RGB")


@pytest.mark.parametrize(
    "name", ["turned_jpeg", "cmyk_jpeg", "sixteen_bit_png", "transparent_png", "webp", "heic"]
)
def test_pictures_come_out_upright_with_ink_dark_and_paper_light(name: str, tmp_path: Path):
    (page,) = sheets(ODD_BUT_READABLE[name].build(tmp_path))

    picture = picture_of(page).convert("L")
    assert picture.size == UPRIGHT_PX
    assert picture.getpixel((8, 8)) < 100
    assert picture.getpixel((UPRIGHT_PX[0] - 8, UPRIGHT_PX[1] - 8)) > 200


def test_a_picture_that_needs_nothing_is_kept_byte_for_byte(tmp_path: Path):
    path = tmp_path / "plain.jpg"
    Image.new("RGB", (300, 200), "white").save(path, quality=80)

    (page,) = sheets(path)

    assert page.picture == path.read_bytes()


@pytest.mark.parametrize(
    ("scan", "kept"),
    [
        ((4000, 8000), (1750, 3500)),
        ((2000, 6000), (1167, 3500)),
        ((1000, 8000), (1000, 8000)),
        ((2000, 18000), (1167, 10500)),
        ((18000, 2000), (10500, 1167)),
    ],
)
def test_a_large_scan_is_scaled_down_and_a_long_one_keeps_the_width_its_parts_need(
    scan: tuple[int, int], kept: tuple[int, int], tmp_path: Path
):
    path = tmp_path / "long.png"
    Image.new("L", scan, 255).save(path)

    (page,) = sheets(path)

    assert page.image is not None
    assert (page.image.size.width, page.image.size.height) == kept


def test_a_long_receipt_in_a_pdf_is_drawn_at_the_wanted_dpi():
    document = pymupdf.open()
    document.new_page(width=227, height=2043).insert_text((20, 72), "a till receipt of 80 by 720 mm")

    data = document.tobytes()
    with open_document(pdf_source(data), data, LIMITS) as opened:
        (page,) = opened.pages

    assert page.image is not None
    assert page.image.dpi == LIMITS.dpi
    assert page.image.size.width > 627


def test_a_grey_page_has_one_channel_and_a_coloured_one_three(tmp_path: Path):
    document = pymupdf.open()
    document.new_page().insert_text((72, 72), "black on white, enough words to be sure")
    document.new_page().draw_rect((50, 50, 300, 300), color=(1, 0, 0), fill=(1, 0, 0))
    path = tmp_path / "two.pdf"
    document.save(path)

    assert [picture_of(page).mode for page in sheets(path)] == ["L", "RGB"]


def test_pdf_pages_are_drawn_at_the_wanted_dpi(tmp_path: Path):
    (page,) = sheets(good_pdf(tmp_path, "good.pdf"), Limits(dpi=144))

    assert page.image is not None
    assert page.image.dpi == 144


def test_the_pages_own_rotation_is_applied_to_picture_and_text(tmp_path: Path):
    document = pymupdf.open()
    page = document.new_page(width=400, height=200)
    page.insert_text((20, 40), "Rechnung Nummer 4711 vom ersten Mai")
    page.set_rotation(90)
    path = tmp_path / "turned.pdf"
    document.save(path)

    (sheet,) = sheets(path)

    assert sheet.image is not None
    assert sheet.image.size.height > sheet.image.size.width
    assert sheet.text_layer is None or "4711" in sheet.text_layer.text


def test_one_broken_page_does_not_lose_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    document = pymupdf.open()
    for number in range(3):
        document.new_page().insert_text((72, 72), f"page {number}")
    data = document.tobytes()
    real = pymupdf.Page.get_pixmap

    def break_on_the_second(page: pymupdf.Page, **options: object) -> pymupdf.Pixmap:
        if page.number == 1:
            raise RuntimeError("cannot draw")
        return real(page, **options)

    monkeypatch.setattr(pymupdf.Page, "get_pixmap", break_on_the_second)
    with open_document(pdf_source(data), data, LIMITS) as opened:
        pages = list(opened.pages)

    assert [page.image is not None for page in pages] == [True, False, True]
    (problem,) = pages[1].problems
    assert isinstance(problem, Problem)
    assert problem.page == 2


def test_attachments_are_noticed_and_kept(tmp_path: Path):
    document = pymupdf.open()
    document.new_page().insert_text((72, 72), "with an attachment")
    document.embfile_add("factur-x.xml", b"<xml/>", filename="factur-x.xml")
    data = document.tobytes()

    with open_document(pdf_source(data), data, LIMITS) as opened:
        ((attached, content),) = opened.attachments

    assert (attached.name, attached.size_bytes, content) == ("factur-x.xml", 6, b"<xml/>")


def test_the_pixel_limit_is_checked_before_anything_is_decoded(tmp_path: Path):
    path = tmp_path / "page.png"
    Image.new("L", (200, 200), 255).save(path)

    with pytest.raises(UnreadableDocument, match="200 x 200 pixels"):
        sheets(path, Limits(max_page_pixels=39_999))


def source_of(data: bytes, media_type: str) -> SourceDocument:
    return SourceDocument("file:///x", "x", digest_of(data), media_type, len(data))


def encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def folded_zeros(count: int) -> bytes:
    squeeze, block = zlib.compressobj(6), bytes(1 << 20)
    return b"".join(squeeze.compress(block) for _ in range(count >> 20)) + squeeze.flush()


def pdf_with_attached(*folded: bytes) -> bytes:
    names = b" ".join(b"(%d.bin) %d 0 R" % (n, 5 + 2 * n) for n in range(len(folded)))
    files = []
    for n, body in enumerate(folded):
        files += [
            b"<< /Type /Filespec /F (%d.bin) /EF << /F %d 0 R >> >>" % (n, 6 + 2 * n),
            b"<< /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(body), body),
        ]
    return pdf_bytes(
        [
            b"<< /Type /Catalog /Pages 2 0 R /Names << /EmbeddedFiles << /Names [%s] >> >> >>" % names,
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 4 0 R >>",
            b"<< /Length 0 >>\nstream\n\nendstream",
            *files,
        ]
    )


def test_an_attachment_over_the_bound_is_never_unfolded_into_memory(monkeypatch: pytest.MonkeyPatch):
    data = pdf_with_attached(folded_zeros(MOST_ATTACHED_BYTES + (8 << 20)), zlib.compress(b"<xml/>"))
    loaded: list[int] = []
    real = pymupdf.Document.xref_stream

    def noted(document: pymupdf.Document, xref: int) -> bytes:
        loaded.append(xref)
        return real(document, xref)

    monkeypatch.setattr(pymupdf.Document, "xref_stream", noted)
    with open_document(pdf_source(data), data, LIMITS) as opened:
        kept = [(attached.name, content) for attached, content in opened.attachments]

    assert loaded == [8]
    assert kept == [("1.bin", b"<xml/>")]


def test_a_broken_first_page_of_a_tiff_does_not_lose_the_others():
    noise = [np.random.default_rng(n).integers(0, 255, (200, 200), np.uint8) for n in range(3)]
    first, *more = [Image.fromarray(pixels) for pixels in noise]
    data = bytearray(
        encoded(first, "TIFF", save_all=True, append_images=more, compression="tiff_adobe_deflate")
    )
    data[2000:3000] = b"\xff" * 1000

    with open_document(source_of(bytes(data), "image/tiff"), bytes(data), LIMITS) as opened:
        pages = list(opened.pages)

    assert opened.page_count == 3
    assert [page.image is not None for page in pages] == [False, True, True]
    assert [(problem.kind, problem.page) for problem in pages[0].problems] == [("damaged", 1)]


def test_a_page_of_a_tiff_with_too_many_pixels_is_told_as_such():
    small, large = Image.new("L", (100, 100), 255), Image.new("L", (300, 300), 255)
    data = encoded(small, "TIFF", save_all=True, append_images=[large])

    with open_document(source_of(data, "image/tiff"), data, Limits(max_page_pixels=20_000)) as opened:
        pages = list(opened.pages)

    assert [problem.kind for page in pages for problem in page.problems] == ["too_many_pixels"]


def test_a_colour_that_stands_for_nothing_becomes_paper():
    data = encoded(Image.new("RGB", (40, 40), (0, 0, 0)), "PNG", transparency=(0, 0, 0))

    with open_document(source_of(data, "image/png"), data, LIMITS) as opened:
        (page,) = opened.pages

    assert picture_of(page).convert("L").getpixel((20, 20)) == 255


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0])
def test_floats_are_grey_values_whatever_they_count_to(top: float):
    pixels = np.zeros((40, 40), np.float32)
    pixels[:, 20:] = top
    data = encoded(Image.fromarray(pixels), "TIFF")

    with open_document(source_of(data, "image/tiff"), data, LIMITS) as opened:
        (page,) = opened.pages

    picture = picture_of(page)
    assert (picture.getpixel((5, 20)), picture.getpixel((35, 20))) == (0, 255)


FORMS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/tiff": "TIFF",
    "image/webp": "WEBP",
    "image/heic": "HEIF",
    "image/avif": "AVIF",
}


@pytest.mark.parametrize("media_type", sorted(FORMS))
def test_changed_bytes_are_opened_or_refused_and_nothing_else(media_type: str):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    whole = encoded(Image.effect_noise((80, 60), 60).convert("RGB"), FORMS[media_type], exif=exif)
    chance = random.Random(1)

    refused = 0
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(min(len(data), 300))] = chance.randrange(256)
        try:
            with open_document(source_of(bytes(data), media_type), bytes(data), LIMITS) as opened:
                assert len(list(opened.pages)) == opened.page_count
        except UnreadableDocument as problem:
            assert problem.kind in ("damaged", "too_many_pixels", "too_many_pages")
            refused += 1

    assert refused > 0


@pytest.mark.parametrize("ink", [(0, 0, 0), (0.8, 0.1, 0.1)], ids=["grey", "coloured"])
def test_a_page_is_the_very_jpeg_that_pillow_makes_of_its_pixels(ink: tuple[float, float, float]):
    with pymupdf.open() as document:
        document.new_page(width=300, height=200).insert_text((30, 90), "Invoice 4711", fontsize=30, color=ink)
        data = document.tobytes()
        drawn = document[0].get_pixmap(dpi=LIMITS.dpi, alpha=False)
    pixels = np.frombuffer(drawn.samples, np.uint8).reshape(drawn.height, drawn.width, 3)

    with open_document(pdf_source(data), data, LIMITS) as opened:
        (sheet,) = opened.pages

    out = io.BytesIO()
    Image.fromarray(pixels if any(ink) else pixels[:, :, 1]).save(out, "JPEG", quality=92, subsampling=0)
    assert sheet.picture == out.getvalue()
