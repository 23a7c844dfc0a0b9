"""Each builder of bad input makes what it claims, so that a test that uses it tests what it says."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pillow_heif
import pymupdf
import pytest
from PIL import Image, ImageSequence

import bad_documents as bad


@pytest.fixture(autouse=True)
def quiet_mupdf() -> Iterator[None]:
    pymupdf.TOOLS.mupdf_display_errors(False)
    yield
    pymupdf.TOOLS.mupdf_display_errors(True)


def opened(path: Path) -> pymupdf.Document:
    return pymupdf.open(stream=path.read_bytes(), filetype="pdf")


def picture(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


ALL: dict[str, bad.Builder] = {
    **{name: item.build for name, item in bad.BAD.items()},
    **{name: item.build for name, item in bad.ODD_BUT_READABLE.items()},
}
RANDOM_SALT = {"encrypted_pdf", "owner_locked_pdf"}
NOT_A_FILE = {"dangling_link", "folder_called_pdf"}


@pytest.mark.parametrize("name", sorted(ALL.keys() - NOT_A_FILE))
def test_every_file_is_below_a_megabyte(name: str, tmp_path: Path) -> None:
    assert ALL[name](tmp_path).stat().st_size < 1_000_000


@pytest.mark.parametrize("name", sorted(ALL.keys() - NOT_A_FILE - RANDOM_SALT))
def test_a_builder_writes_the_same_bytes_again(name: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()

    assert ALL[name](first).read_bytes() == ALL[name](second).read_bytes()


def test_all_bad_files_fit_in_one_folder_under_different_names(tmp_path: Path) -> None:
    made = bad.make_all(tmp_path)

    assert bad.BAD.keys() == made.keys()
    assert len(bad.BAD) == len(set(made.values())) == len(list(tmp_path.iterdir()))


def test_the_control_pdf_is_sound(tmp_path: Path) -> None:
    document = opened(bad.good_pdf(tmp_path))

    assert (len(document), document.is_repaired, document.needs_pass) == (1, False, 0)
    assert "Invoice 4711" in document[0].get_text()


def test_encrypted_pdf_opens_with_its_password_only(tmp_path: Path) -> None:
    document = opened(bad.encrypted_pdf(tmp_path))

    assert document.needs_pass
    assert not document.authenticate("")
    assert document.authenticate(bad.USER_PASSWORD)


def test_owner_locked_pdf_is_encrypted_and_readable(tmp_path: Path) -> None:
    document = opened(bad.owner_locked_pdf(tmp_path))

    assert not document.needs_pass
    assert "AES" in document.metadata["encryption"]
    assert "Invoice 4711" in document[0].get_text()


def test_torn_pdf_has_a_pdf_header_and_no_page_after_repair(tmp_path: Path) -> None:
    path = bad.torn_pdf(tmp_path)

    assert path.read_bytes().startswith(b"%PDF-")
    assert len(opened(path)) == 0


def test_pdf_without_pages_is_otherwise_well_formed(tmp_path: Path) -> None:
    document = opened(bad.no_pages_pdf(tmp_path))

    assert (len(document), document.is_repaired) == (0, False)


def test_pdf_with_a_wrong_xref_is_repaired(tmp_path: Path) -> None:
    document = opened(bad.wrong_xref_pdf(tmp_path))

    assert document.is_repaired
    assert "Invoice 4711" in document[0].get_text()


def test_long_pdf_has_three_thousand_readable_pages(tmp_path: Path) -> None:
    document = opened(bad.many_pages_pdf(tmp_path))

    assert (len(document), document.is_repaired) == (3_000, False)
    assert "Invoice 4711" in document[2_999].get_text()


def test_huge_page_would_need_gigabytes_at_any_usual_resolution(tmp_path: Path) -> None:
    path = bad.huge_page_pdf(tmp_path)
    rect = opened(path)[0].rect

    assert rect.width * rect.height / 72**2 * 150**2 > 100_000_000_000
    assert path.stat().st_size < 1_000


def test_flat_page_says_it_has_no_area(tmp_path: Path) -> None:
    path = bad.flat_page_pdf(tmp_path)

    assert b"/MediaBox [0 0 0 0]" in path.read_bytes()
    assert "Invoice 4711" in opened(path)[0].get_text()


def test_huge_png_says_its_size_in_a_valid_header(tmp_path: Path) -> None:
    path = bad.huge_png(tmp_path)

    with pytest.raises(Image.DecompressionBombError, match="1600000000"):
        picture(path)
    assert (40_000).to_bytes(4) * 2 == path.read_bytes()[16:24]


def test_huge_png_is_made_as_a_small_one_that_opens_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bad, "HUGE_SIDE_PX", 800)
    image = Image.open(io.BytesIO(bad._huge_png_bytes.__wrapped__()))

    assert (image.size, image.convert("L").getextrema()) == ((800, 800), (255, 255))


def test_torn_jpeg_cannot_be_opened(tmp_path: Path) -> None:
    path = bad.torn_jpeg(tmp_path)

    assert path.read_bytes().startswith(b"\xff\xd8\xff")
    with pytest.raises(OSError, match="Truncated"):
        picture(path)


def test_half_jpeg_opens_and_cannot_be_decoded(tmp_path: Path) -> None:
    image = picture(bad.half_jpeg(tmp_path))

    assert image.size == (240, 160)
    with pytest.raises(OSError, match="truncated"):
        image.load()


def test_turned_jpeg_is_stored_on_its_side_and_says_so(tmp_path: Path) -> None:
    image = picture(bad.turned_jpeg(tmp_path))
    upright = np.asarray(image.transpose(Image.Transpose.ROTATE_270).convert("L"))

    assert (image.size, image.getexif()[0x0112]) == ((160, 240), 6)
    assert upright[10, 10] < 50 < 200 < upright[10, 230]


@pytest.mark.parametrize(("name", "mode"), [("cmyk_jpeg", "CMYK"), ("sixteen_bit_png", "I;16")])
def test_unusual_pixels_are_of_the_mode_named(name: str, mode: str, tmp_path: Path) -> None:
    assert mode == picture(ALL[name](tmp_path)).mode


def test_sixteen_bit_png_is_light_where_the_picture_is(tmp_path: Path) -> None:
    pixels = np.asarray(picture(bad.sixteen_bit_png(tmp_path)))

    assert (pixels[150, 230], pixels[10, 10]) == (235 * 257, 10 * 257)


def test_transparent_png_has_black_under_its_nothing(tmp_path: Path) -> None:
    assert picture(bad.transparent_png(tmp_path)).getpixel((200, 100)) == (0, 0, 0, 0)


def test_tiff_has_two_pages(tmp_path: Path) -> None:
    assert len(ImageSequence.all_frames(picture(bad.two_page_tiff(tmp_path)))) == 2


def test_webp_is_webp(tmp_path: Path) -> None:
    assert picture(bad.webp(tmp_path)).format == "WEBP"


def test_heic_is_heic(tmp_path: Path) -> None:
    path = bad.heic(tmp_path)

    assert path.read_bytes()[4:12] == b"ftypheic"
    assert pillow_heif.open_heif(path).size == bad.UPRIGHT_PX


def test_gif_moves(tmp_path: Path) -> None:
    assert len(ImageSequence.all_frames(picture(bad.animated_gif(tmp_path)))) == 2


def test_names_lie_about_what_is_inside(tmp_path: Path) -> None:
    assert bad.png_called_pdf(tmp_path).read_bytes()[:4] == b"\x89PNG"
    assert bad.pdf_called_jpg(tmp_path).read_bytes()[:4] == b"%PDF"
    assert bad.text_called_pdf(tmp_path).read_bytes().isascii()


def test_docx_is_a_zip_with_a_document_inside(tmp_path: Path) -> None:
    assert "word/document.xml" in zipfile.ZipFile(bad.docx(tmp_path)).namelist()


def test_locked_file_gives_nobody_permission(tmp_path: Path) -> None:
    path = bad.locked_file(tmp_path)

    assert stat.S_IMODE(path.stat().st_mode) == 0
    assert (os.geteuid() == 0) == os.access(path, os.R_OK)


def test_dangling_link_and_folder_cannot_be_read_by_anybody(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        bad.dangling_link(tmp_path).read_bytes()
    with pytest.raises(IsADirectoryError):
        bad.folder_called_pdf(tmp_path).read_bytes()


def test_duplicate_has_the_same_bytes_under_another_name(tmp_path: Path) -> None:
    original = bad.good_pdf(tmp_path)
    copy = bad.duplicate_of(original)

    assert original != copy
    assert original.read_bytes() == copy.read_bytes()


def test_upload_grows_until_it_is_done_and_is_whole_then(tmp_path: Path) -> None:
    with bad.StillWritten(tmp_path) as upload:
        assert upload.grown()
        size_bytes = upload.path.stat().st_size
        assert upload.grown()
        assert upload.path.stat().st_size > size_bytes

    assert not upload.grown(0.05)
    assert len(opened(upload.path)) == 1
