import pymupdf
import pytest

from einvoice_builder import ATTACH, file_specification, in_name_tree
from ocr_ops.pdf_attachments import MOST_ATTACHMENTS, attachments_of


def opened(document: pymupdf.Document) -> pymupdf.Document:
    return pymupdf.open(stream=document.tobytes(), filetype="pdf")


def empty() -> pymupdf.Document:
    document = pymupdf.open()
    document.new_page()
    return document


@pytest.mark.parametrize("place", ATTACH)
def test_an_attachment_is_found_wherever_it_lies(place: str):
    document = empty()
    ATTACH[place](document, b"<xml/>")

    ((attached, data),) = attachments_of(opened(document))

    assert (attached.name, attached.size_bytes, data) == ("factur-x.xml", 6, b"<xml/>")


def test_one_file_in_two_places_is_one_attachment():
    document = empty()
    number = file_specification(document, b"<xml/>")
    document.xref_set_key(document.pdf_catalog(), "AF", f"[{number} 0 R {number} 0 R]")
    document.xref_set_key(document[0].xref, "AF", f"[{number} 0 R]")

    assert len(attachments_of(opened(document))) == 1


def test_two_streams_of_one_specification_are_both_found():
    document = empty()
    first, second = file_specification(document, b"<one/>"), file_specification(document, b"<two/>")
    stream = document.xref_get_key(second, "EF/F")[1]
    document.xref_set_key(first, "EF/UF", stream)
    document.xref_set_key(document.pdf_catalog(), "AF", f"[{first} 0 R]")

    assert {data for _, data in attachments_of(opened(document))} == {b"<one/>", b"<two/>"}


def test_two_files_of_one_name_are_both_found():
    document = empty()
    in_name_tree(document, b"<one/>")
    in_name_tree(document, b"<two/>")

    found = attachments_of(opened(document))

    assert [(attached.name, data) for attached, data in found] == [
        ("factur-x.xml", b"<one/>"), ("factur-x.xml", b"<two/>"),
    ]  # fmt: skip


def test_no_more_attachments_than_the_bound_are_kept():
    document = empty()
    numbers = [file_specification(document, b"%d" % n) for n in range(MOST_ATTACHMENTS + 5)]
    document.xref_set_key(document.pdf_catalog(), "AF", f"[{' '.join(f'{n} 0 R' for n in numbers)}]")

    assert len(attachments_of(opened(document))) == MOST_ATTACHMENTS


@pytest.mark.parametrize(
    "broken", ["[1 0 R]", "[(text) 12 null]", "(text)", "[<< /EF << /F 9999 0 R >> >>]", "[<< /EF (x) >>]"]
)
def test_what_is_no_file_is_passed_over(broken: str):
    document = empty()
    document.xref_set_key(document.pdf_catalog(), "AF", broken)
    document.xref_set_key(document.pdf_catalog(), "Names", f"<< /EmbeddedFiles << /Names {broken} >> >>")

    assert attachments_of(opened(document)) == ()
