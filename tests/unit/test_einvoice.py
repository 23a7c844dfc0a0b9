from dataclasses import replace
from decimal import Decimal

import pymupdf
import pytest

from einvoice_builder import CII_NAMES, EN16931, Invoice, cii, ubl
from ocr_ops.einvoice import BadXml, EInvoice, is_einvoice_name, looks_like_einvoice, read_einvoice
from ocr_ops.einvoice.drawing import drawn
from ocr_ops.model import ProblemKind
from ocr_ops.readers.einvoice import may_be_einvoice, read_einvoices
from ocr_ops.schemas import load_schema, violations

SCHEMA = load_schema("invoice")
INVOICE = Invoice()

ZUGFERD_1 = b"""<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryDocument xmlns:rsm="urn:ferd:CrossIndustryDocument:invoice:1p0" xmlns:ram="urn:ram" xmlns:udt="urn:udt">
 <rsm:SpecifiedExchangedDocumentContext><ram:GuidelineSpecifiedDocumentContextParameter>
  <ram:ID>urn:ferd:CrossIndustryDocument:invoice:1p0:comfort</ram:ID></ram:GuidelineSpecifiedDocumentContextParameter>
 </rsm:SpecifiedExchangedDocumentContext>
 <rsm:HeaderExchangedDocument><ram:ID>471102</ram:ID><ram:IssueDateTime>
  <udt:DateTimeString format="102">20130305</udt:DateTimeString></ram:IssueDateTime></rsm:HeaderExchangedDocument>
 <rsm:SpecifiedSupplyChainTradeTransaction>
  <ram:ApplicableSupplyChainTradeAgreement><ram:SellerTradeParty><ram:Name>Lieferant GmbH</ram:Name></ram:SellerTradeParty>
  </ram:ApplicableSupplyChainTradeAgreement>
  <ram:ApplicableSupplyChainTradeSettlement><ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>
   <ram:SpecifiedTradeSettlementMonetarySummation>
    <ram:TaxBasisTotalAmount currencyID="EUR">198.00</ram:TaxBasisTotalAmount>
    <ram:TaxTotalAmount currencyID="EUR">37.62</ram:TaxTotalAmount>
    <ram:GrandTotalAmount currencyID="EUR">235.62</ram:GrandTotalAmount>
   </ram:SpecifiedTradeSettlementMonetarySummation></ram:ApplicableSupplyChainTradeSettlement>
  <ram:IncludedSupplyChainTradeLineItem>
   <ram:SpecifiedSupplyChainTradeAgreement><ram:NetPriceProductTradePrice>
    <ram:ChargeAmount currencyID="EUR">9.90</ram:ChargeAmount></ram:NetPriceProductTradePrice>
   </ram:SpecifiedSupplyChainTradeAgreement>
   <ram:SpecifiedSupplyChainTradeDelivery><ram:BilledQuantity unitCode="C62">20.0000</ram:BilledQuantity>
   </ram:SpecifiedSupplyChainTradeDelivery>
   <ram:SpecifiedSupplyChainTradeSettlement>
    <ram:ApplicableTradeTax><ram:ApplicablePercent>19.00</ram:ApplicablePercent></ram:ApplicableTradeTax>
    <ram:SpecifiedTradeSettlementMonetarySummation><ram:LineTotalAmount currencyID="EUR">198.00</ram:LineTotalAmount>
    </ram:SpecifiedTradeSettlementMonetarySummation></ram:SpecifiedSupplyChainTradeSettlement>
   <ram:SpecifiedTradeProduct><ram:Name>Trennblaetter A4</ram:Name></ram:SpecifiedTradeProduct>
  </ram:IncludedSupplyChainTradeLineItem>
 </rsm:SpecifiedSupplyChainTradeTransaction>
</rsm:CrossIndustryDocument>"""


def read(data: bytes) -> EInvoice:
    found = read_einvoice(data)
    assert found is not None
    return found


def values(data: bytes) -> dict[str, str]:
    return {reading.path: reading.value for reading in read(data).readings}


HEADER = {
    "/invoice_number": "RE-2025-0815",
    "/issue_date": "2025-03-14",
    "/seller_name": "Muster Werkzeuge GmbH",
    "/seller_address": "Hafenstr. 12, 20457 Hamburg",
    "/seller_tax_id": "DE136695976",
    "/seller_iban": "DE89370400440532013000",
    "/buyer_name": "Beispiel Handel AG",
    "/currency": "EUR",
    "/net_total": "100.00",
    "/tax_total": "19.00",
    "/grand_total": "119.00",
    "/line_items/0/description": "Bohrmaschine",
    "/line_items/0/quantity": "2",
    "/line_items/0/unit_price": "50.00",
    "/line_items/0/tax_rate": "19",
    "/line_items/0/line_total": "100.00",
}


def test_cii_gives_every_field_with_the_vat_id_first_and_sums_in_the_documents_currency():
    assert values(cii(INVOICE)) == HEADER


@pytest.mark.parametrize("root", ["Invoice", "CreditNote"])
def test_ubl_gives_every_field(root: str):
    more = {"/due_date": "2025-04-13", "/purchase_order": "PO-77", "/amount_due": "119.00"}

    assert values(ubl(INVOICE, root)) == HEADER | more


def test_zugferd_1_has_other_names_for_the_same_things():
    found = values(ZUGFERD_1)

    assert (found["/invoice_number"], found["/issue_date"], found["/grand_total"]) == (
        "471102",
        "2013-03-05",
        "235.62",
    )
    assert found["/line_items/0/unit_price"] == "9.90"
    assert found["/line_items/0/quantity"] == "20"


def test_syntax_and_guideline_are_told():
    assert (read(cii(INVOICE)).syntax, read(cii(INVOICE)).profile) == ("CII", EN16931)
    assert read(ubl(INVOICE)).profile.endswith("xrechnung_3.0")
    assert read(ZUGFERD_1).profile == "urn:ferd:CrossIndustryDocument:invoice:1p0:comfort"


def test_readings_keep_the_words_of_the_xml():
    raw = {reading.path: reading.raw for reading in read(cii(INVOICE)).readings}

    assert raw["/line_items/0/quantity"] == "2.0000"
    assert raw["/issue_date"] == "20250314"


def test_readings_fit_the_schema():
    candidate = read_einvoices([("factur-x.xml", cii(INVOICE))], SCHEMA)

    assert candidate is not None
    header = {one.path.strip("/"): one.value for one in candidate.readings if one.path.count("/") == 1}
    assert violations(SCHEMA, header) == ()


@pytest.mark.parametrize(
    ("stated", "value"),
    [
        ("119", "119.00"), ("119.5", "119.50"), ("119.000", "119.00"), ("119.1250", "119.125"), ("-8.79", "-8.79"),
        ("+7.00", "7.00"), ("0", "0.00"), ("-0.00", "0.00"), ("0.10", "0.10"), ("999999999999999.99", "999999999999999.99"),
        ("1,19", None), ("1e3", None), ("NaN", None), ("", None), ("1.19.00", None), ("٣٤", None), ("0.1234567", None),
        ("1234567890123456", None),
    ],
)  # fmt: skip
def test_amounts_are_exact_decimals_or_nothing(stated: str, value: str | None):
    found = values(cii(replace(INVOICE, total=stated))).get("/grand_total")

    assert found == value
    assert value is None or Decimal(value) == Decimal(stated)


@pytest.mark.parametrize("day", ["2025-02-30", "20251", "yesterday", "0000-01-01"])
def test_days_that_no_calendar_has_are_no_dates(day: str):
    assert "/issue_date" not in values(cii(replace(INVOICE, day=day)))


# --- hostile ---

LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>"""


def body_with(text: str) -> bytes:
    return cii(replace(INVOICE, number=text)).removeprefix(b'<?xml version="1.0" encoding="UTF-8"?>\n')


@pytest.mark.parametrize(
    "data",
    [
        LAUGHS + body_with("&c;"),
        b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]>' + body_with("&f;"),
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">' + body_with("1"),
        b"<!DOCTYPE x>" + body_with("1"),
        body_with("&nothing;"),
        body_with("<b>"),
        b"<a>" * 300 + b"</a>" * 300,
        b"",
        b"\x00\xff",
        b"<x>" + b" " * 10_000_001 + b"</x>",
    ],
    ids=["laughs", "file", "outside", "doctype", "entity", "torn", "deep", "empty", "bytes", "large"],
)
def test_xml_that_could_do_harm_is_refused(data: bytes):
    with pytest.raises(BadXml):
        read_einvoice(data)


def test_an_e_invoice_of_nothing_is_refused():
    with pytest.raises(BadXml, match="nothing"):
        read_einvoice(f"<rsm:CrossIndustryInvoice {CII_NAMES}/>".encode())


@pytest.mark.parametrize("data", [b"<Invoice/>", b"<x/>", b'<Invoice xmlns="urn:other"><ID>1</ID></Invoice>'])
def test_other_xml_is_no_e_invoice(data: bytes):
    assert read_einvoice(data) is None


def test_the_first_bytes_tell_an_e_invoice_from_other_files():
    assert looks_like_einvoice(cii(INVOICE))
    assert looks_like_einvoice(b"\xef\xbb\xbf<!-- made by hand -->\n" + ubl(INVOICE))
    assert not looks_like_einvoice(b"<html><body><Invoice ></Invoice></body>")
    assert not looks_like_einvoice(b"%PDF-1.7 <Invoice >")
    assert not looks_like_einvoice(b"<?" + b"<!--" * 2000)


# --- the candidate ---


def test_two_e_invoices_that_agree_are_one():
    candidate = read_einvoices(
        [("zugferd-invoice.xml", cii(INVOICE)), ("xrechnung.xml", ubl(INVOICE))], SCHEMA
    )

    assert candidate is not None
    assert candidate.problems == ()
    assert candidate.profile.startswith("UBL")  # it states more


def test_two_e_invoices_that_differ_are_a_problem_that_names_both_values():
    other = ubl(replace(INVOICE, total="919.00"))

    candidate = read_einvoices([("a.xml", cii(INVOICE)), ("b.xml", other)], SCHEMA)

    assert candidate is not None
    (problem,) = candidate.problems
    assert (problem.kind, problem.field) == (ProblemKind.XML_DISAGREES, "/grand_total")
    assert "119.00" in problem.detail
    assert "919.00" in problem.detail


def test_an_attachment_called_e_invoice_that_cannot_be_read_is_a_problem():
    candidate = read_einvoices([("factur-x.xml", b"<torn")], SCHEMA)

    assert candidate is not None
    assert [problem.kind for problem in candidate.problems] == [ProblemKind.BAD_XML]


def test_other_attachments_are_none_of_its_business():
    assert not may_be_einvoice("terms.xml", b"<terms/>")
    assert read_einvoices([("factur-x.xml", b"<terms/>")], SCHEMA) is None
    assert is_einvoice_name("sub/Factur-X.XML")


def test_an_e_invoice_without_a_page_is_drawn_with_every_value_and_no_markup_of_its_own():
    hostile = replace(INVOICE, buyer="&lt;b&gt;Evil&lt;/b&gt; &lt;img src='x'&gt;", seller="株式会社 例")

    document = pymupdf.open(stream=drawn(read(cii(hostile))), filetype="pdf")

    text = " ".join(" ".join(page.get_text() for page in document).split())
    for value in (*(HEADER.keys() - {"/seller_name", "/buyer_name"}),):
        assert HEADER[value] in text
    assert "<b>Evil</b> <img src='x'>" in text
    assert "株式会社" in text
