import pytest

from builders import candidate, page_of
from ocr_ops.judge.decide import judge
from ocr_ops.model import ProblemKind, Status
from ocr_ops.schemas import load_schema

INVOICE = load_schema("invoice")
PAGE = page_of(
    "Muster Werkzeuge GmbH",
    "Invoice number | RE-2025-0815",
    "Invoice date | 2025-03-14",
    "Net amount | 100.00 EUR",
    "VAT 19% | 19.00 EUR",
    "Grand total | 119.00 EUR",
    "IBAN | DE89370400440532013000",
    "Already paid | 12.00 EUR",
)
READ = {
    "seller_name": "Muster Werkzeuge GmbH",
    "invoice_number": "RE-2025-0815",
    "issue_date": "2025-03-14",
    "net_total": "100.00",
    "tax_total": "19.00",
    "grand_total": "119.00",
    "seller_iban": "DE89370400440532013000",
    "currency": "EUR",
}


def record_of(stated: dict[str, str], read: dict[str, str] | None = None):
    return judge(
        INVOICE, [candidate(**(READ if read is None else read)), candidate("einvoice", 1.0, **stated)], [PAGE]
    )


def doubts(record) -> dict[str | None, str]:
    return {one.field: one.detail for one in record.problems if one.kind is ProblemKind.XML_DISAGREES}


def test_an_e_invoice_that_says_what_the_page_says_is_accepted():
    record = record_of(READ)

    assert record.problems == ()
    assert record.status is Status.ACCEPTED


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("grand_total", "919.00"),  # stands nowhere
        ("grand_total", "12.00"),  # stands there as something else
        ("invoice_number", "RE-2025-0816"),
        ("issue_date", "2025-04-14"),
        ("seller_iban", "GB29NWBK60161331926819"),
        ("currency", "USD"),
    ],
)
def test_what_the_e_invoice_says_otherwise_is_held_in_words_of_both(field: str, value: str):
    record = record_of(READ | {field: value})

    assert record.status is Status.NEEDS_REVIEW
    assert value in doubts(record)[f"/{field}"]
    assert READ[field] in doubts(record)[f"/{field}"]


def test_a_value_that_only_the_e_invoice_has_must_stand_on_the_page():
    read = {name: value for name, value in READ.items() if name != "issue_date"}

    assert doubts(record_of(READ, read)) == {}
    assert (
        "does not stand on the page"
        in doubts(record_of(READ | {"issue_date": "2025-04-14"}, read))["/issue_date"]
    )


def test_a_tax_of_nothing_need_not_be_printed():
    page = page_of(
        "Muster Werkzeuge GmbH",
        "Invoice number | RE-1",
        "Invoice date | 2025-03-14",
        "Net | 7.50",
        "Total | 7.50",
    )
    stated = READ | {
        "invoice_number": "RE-1",
        "net_total": "7.50",
        "tax_total": "0.00",
        "grand_total": "7.50",
    }

    record = judge(INVOICE, [candidate("einvoice", 1.0, **stated)], [page])

    assert {one.field for one in record.problems if one.field == "/tax_total"} == set()


def test_another_spelling_of_the_same_is_no_difference():
    assert doubts(record_of(READ | {"invoice_number": "RE 2025 0815", "grand_total": "119.0"})) == {}


def test_other_readers_that_disagree_are_not_blamed_on_an_e_invoice():
    record = judge(INVOICE, [candidate(**READ), candidate("llm", **READ | {"grand_total": "12.00"})], [PAGE])

    assert doubts(record) == {}


def test_evidence_is_where_a_reader_saw_the_value_and_not_its_first_print():
    page = page_of(
        "Paid so far | 119.00 EUR",
        *(f"{k} | {v}" for k, v in (("Net", "100.00"), ("VAT", "19.00"), ("Total", "119.00"))),
    )
    layout = candidate(net_total="100.00", tax_total="19.00", grand_total="119.00")
    placed = type(layout)(
        layout.reader,
        layout.version,
        tuple(
            type(one)(
                one.path,
                one.value,
                one.raw,
                ("p001.b008",) if one.path == "/grand_total" else one.blocks,
                one.score,
            )
            for one in layout.readings
        ),
    )

    record = judge(INVOICE, [placed, candidate("einvoice", 1.0, grand_total="119.00")], [page])

    (evidence,) = (one for one in record.evidence if one.field == "/grand_total")
    assert evidence.blocks == ("p001.b008",)
