"""The samples are what `samples/README.md` says, their truth is printed on them, and ours can be made again."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pymupdf
import pytest
from PIL import Image

from ocr_ops.schemas import load_schema, violations

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"
UNREADABLE = {"broken.pdf", "notes.pdf"}
PAPERS = {"README.md", "LICENSES.md", "truth.jsonl"}
MAX_FOLDER_BYTES = 2_500_000

TRUTH: dict[str, dict[str, Any]] = {
    line["file"]: line for line in map(json.loads, (SAMPLES / "truth.jsonl").read_text("utf-8").splitlines())
}


def listed() -> dict[str, str]:
    """File name and the start of its digest, from the table in the README."""
    rows = re.findall(
        r"^\| `([^`]+)` \|.*?`([0-9a-f]{12})`", (SAMPLES / "README.md").read_text("utf-8"), re.MULTILINE
    )
    return dict(rows)


def printed(name: str) -> str:
    """All text of a PDF sample, with blanks of every kind as one space."""
    document = pymupdf.open(stream=(SAMPLES / name).read_bytes(), filetype="pdf")
    return " ".join(" ".join(page.get_text() for page in document).split())


def spellings(amount: str) -> tuple[str, ...]:
    """How an amount may be printed: 1,234.50 or 1.234,50 or 1 234,50."""
    plain = f"{Decimal(amount):,.2f}"
    german = plain.translate(str.maketrans(",.", ".,"))
    return plain, german, german.replace(".", " ")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "make_sample_documents", ROOT / "scripts" / "make_sample_documents.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def quiet_mupdf() -> Iterator[None]:
    pymupdf.TOOLS.mupdf_display_errors(False)
    yield
    pymupdf.TOOLS.mupdf_display_errors(True)


def test_folder_holds_the_files_listed_and_no_others() -> None:
    assert {path.name for path in SAMPLES.iterdir()} == listed().keys() | PAPERS


def test_folder_stays_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.iterdir()) < MAX_FOLDER_BYTES


def test_there_is_truth_for_the_ten_readable_files() -> None:
    assert len(TRUTH) == 10
    assert listed().keys() - UNREADABLE == TRUTH.keys()


@pytest.mark.parametrize("name", sorted(listed()))
def test_file_has_the_digest_listed(name: str) -> None:
    assert hashlib.sha256((SAMPLES / name).read_bytes()).hexdigest()[:12] == listed()[name]


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_truth_fits_its_document_type_but_for_fields_not_labelled(name: str) -> None:
    schema = load_schema(TRUTH[name]["doc_type"])

    assert [fault for fault in violations(schema, TRUTH[name]["truth"]) if "required" not in fault] == []


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_truth_has_the_total_and_the_date(name: str) -> None:
    truth = TRUTH[name]["truth"]
    fields = ("total", "date") if TRUTH[name]["doc_type"] == "receipt" else ("grand_total", "issue_date")

    assert all(truth[field] for field in fields)


@pytest.mark.parametrize("name", sorted(name for name in TRUTH if name.endswith(".pdf")))
def test_amounts_of_the_truth_are_printed_in_the_pdf(name: str) -> None:
    truth, text = TRUTH[name]["truth"], printed(name)
    amounts = [
        truth[field] for field in ("net_total", "tax_total", "grand_total", "amount_due") if field in truth
    ]

    assert [amount for amount in amounts if not any(form in text for form in spellings(amount))] == []
    assert truth["invoice_number"] in text


@pytest.mark.parametrize("name", sorted(name for name in TRUTH if name.endswith(".jpg")))
def test_picture_is_large_enough_to_read(name: str) -> None:
    with Image.open(SAMPLES / name) as image:
        image.load()
        assert min(image.size) >= 600


def test_line_items_of_our_own_documents_add_up() -> None:
    own = [TRUTH[name]["truth"] for name in ("receipt_en_bookshop.jpg", "invoice_fr_two_pages.pdf")]

    for truth in own:
        net, total = (
            truth.get("net_total", truth.get("subtotal")),
            truth.get("grand_total", truth.get("total")),
        )
        assert sum(Decimal(item["line_total"]) for item in truth["line_items"]) == Decimal(net)
        assert Decimal(net) + Decimal(truth["tax_total"]) == Decimal(total)


def test_every_line_item_of_the_french_invoice_is_printed() -> None:
    text = printed("invoice_fr_two_pages.pdf")
    items = TRUTH["invoice_fr_two_pages.pdf"]["truth"]["line_items"]

    assert len(items) == 36
    assert [item for item in items if f"{item['description']} {item['quantity']} " not in text] == []


def test_two_invoices_have_two_pages_and_two_carry_xml() -> None:
    documents = {name: pymupdf.open(SAMPLES / name) for name in TRUTH if name.endswith(".pdf")}

    assert {name for name, document in documents.items() if len(document) == 2} == {
        "invoice_fr_two_pages.pdf",
        "invoice_de_two_pages_einvoice.pdf",
    }
    assert {
        name for name, document in documents.items() if any(".xml" in n for n in document.embfile_names())
    } == {
        "credit_note_de_einvoice.pdf",
        "invoice_de_two_pages_einvoice.pdf",
    }


def test_french_table_goes_on_over_the_page() -> None:
    pages = [page.get_text() for page in pymupdf.open(SAMPLES / "invoice_fr_two_pages.pdf")]

    assert ["À reporter" in page for page in pages] == [True, False]
    assert all("Montant HT" in page for page in pages)


def test_broken_pdf_has_no_page_even_after_repair() -> None:
    document = pymupdf.open(stream=(SAMPLES / "broken.pdf").read_bytes(), filetype="pdf")

    assert len(document) == 0


def test_notes_are_plain_text() -> None:
    assert (SAMPLES / "notes.pdf").read_bytes().isascii()
    with pytest.raises(pymupdf.FileDataError):
        pymupdf.open(stream=(SAMPLES / "notes.pdf").read_bytes(), filetype="pdf")


def test_script_makes_our_samples_again_byte_for_byte(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / script.TORN_FROM).write_bytes((SAMPLES / script.TORN_FROM).read_bytes())
    made = script.write_samples(tmp_path)

    assert len(made) == 4
    assert [path.name for path in made if path.read_bytes() != (SAMPLES / path.name).read_bytes()] == []
