"""An invoice made by code: its page, its XML in two syntaxes, and the places of a PDF where XML may lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pymupdf

CII_NAMES = (
    'xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100" '
    'xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100" '
    'xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100"'
)
UBL_NAMES = (
    'xmlns="urn:oasis:names:specification:ubl:schema:xsd:{root}-2" '
    'xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2" '
    'xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"'
)
EN16931 = "urn:cen.eu:en16931:2017"


@dataclass(frozen=True, slots=True)
class Invoice:
    """What is invoiced; money as printed with a point."""

    number: str = "RE-2025-0815"
    day: str = "2025-03-14"
    seller: str = "Muster Werkzeuge GmbH"
    buyer: str = "Beispiel Handel AG"
    iban: str = "DE89370400440532013000"
    currency: str = "EUR"
    net: str = "100.00"
    tax: str = "19.00"
    total: str = "119.00"

    def printed(self) -> list[tuple[str, str]]:
        """Label and value of what stands on the page, top to bottom."""
        year, month, day = self.day.split("-")
        return [
            (self.seller, "Rechnung"),
            ("Hafenstr. 12, 20457 Hamburg", ""),
            (self.buyer, ""),
            ("Rechnungsnummer", self.number),
            ("Rechnungsdatum", f"{day}.{month}.{year}"),
            ("Bohrmaschine, 2 Stück zu 50.00", self.net),
            ("Nettobetrag", f"{self.net} {self.currency}"),
            ("19% MwSt", f"{self.tax} {self.currency}"),
            ("Gesamtbetrag", f"{self.total} {self.currency}"),
            ("IBAN", self.iban),
        ]


TOTAL_AT = pymupdf.Point(360, 100 + 8 * 40)
"""Where the page prints the total."""


def page_of(invoice: Invoice, *, without_total: bool = False) -> pymupdf.Document:
    """A PDF of one page that shows an invoice; the total may be left to somebody else to print."""
    document = pymupdf.open()
    page = document.new_page()
    for row, (label, value) in enumerate(invoice.printed()):
        page.insert_text((60, 100 + row * 40), label)
        if not (without_total and label == "Gesamtbetrag"):
            page.insert_text((360, 100 + row * 40), value)
    return document


def cii(invoice: Invoice, profile: str = EN16931) -> bytes:
    """The invoice as Factur-X, ZUGFeRD 2 or XRechnung (CII)."""
    day = invoice.day.replace("-", "")
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryInvoice {CII_NAMES}>
 <rsm:ExchangedDocumentContext><ram:GuidelineSpecifiedDocumentContextParameter><ram:ID>{profile}</ram:ID>
 </ram:GuidelineSpecifiedDocumentContextParameter></rsm:ExchangedDocumentContext>
 <rsm:ExchangedDocument><ram:ID>{invoice.number}</ram:ID><ram:TypeCode>380</ram:TypeCode>
  <ram:IssueDateTime><udt:DateTimeString format="102">{day}</udt:DateTimeString></ram:IssueDateTime>
 </rsm:ExchangedDocument>
 <rsm:SupplyChainTradeTransaction>
  <ram:IncludedSupplyChainTradeLineItem>
   <ram:SpecifiedTradeProduct><ram:Name>Bohrmaschine</ram:Name></ram:SpecifiedTradeProduct>
   <ram:SpecifiedLineTradeAgreement><ram:NetPriceProductTradePrice><ram:ChargeAmount>50.0000</ram:ChargeAmount>
   </ram:NetPriceProductTradePrice></ram:SpecifiedLineTradeAgreement>
   <ram:SpecifiedLineTradeDelivery><ram:BilledQuantity unitCode="H87">2.0000</ram:BilledQuantity>
   </ram:SpecifiedLineTradeDelivery>
   <ram:SpecifiedLineTradeSettlement>
    <ram:ApplicableTradeTax><ram:RateApplicablePercent>19.00</ram:RateApplicablePercent></ram:ApplicableTradeTax>
    <ram:SpecifiedTradeSettlementLineMonetarySummation><ram:LineTotalAmount>{invoice.net}</ram:LineTotalAmount>
    </ram:SpecifiedTradeSettlementLineMonetarySummation>
   </ram:SpecifiedLineTradeSettlement>
  </ram:IncludedSupplyChainTradeLineItem>
  <ram:ApplicableHeaderTradeAgreement>
   <ram:SellerTradeParty><ram:Name>{invoice.seller}</ram:Name>
    <ram:PostalTradeAddress><ram:PostcodeCode>20457</ram:PostcodeCode><ram:LineOne>Hafenstr. 12</ram:LineOne>
     <ram:CityName>Hamburg</ram:CityName><ram:CountryID>DE</ram:CountryID></ram:PostalTradeAddress>
    <ram:SpecifiedTaxRegistration><ram:ID schemeID="FC">22/815/0815/4</ram:ID></ram:SpecifiedTaxRegistration>
    <ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">DE136695976</ram:ID></ram:SpecifiedTaxRegistration>
   </ram:SellerTradeParty>
   <ram:BuyerTradeParty><ram:Name>{invoice.buyer}</ram:Name></ram:BuyerTradeParty>
  </ram:ApplicableHeaderTradeAgreement>
  <ram:ApplicableHeaderTradeSettlement>
   <ram:InvoiceCurrencyCode>{invoice.currency}</ram:InvoiceCurrencyCode>
   <ram:SpecifiedTradeSettlementPaymentMeans><ram:PayeePartyCreditorFinancialAccount>
    <ram:IBANID>{invoice.iban}</ram:IBANID></ram:PayeePartyCreditorFinancialAccount>
   </ram:SpecifiedTradeSettlementPaymentMeans>
   <ram:SpecifiedTradeSettlementHeaderMonetarySummation>
    <ram:TaxBasisTotalAmount>{invoice.net}</ram:TaxBasisTotalAmount>
    <ram:TaxTotalAmount currencyID="SEK">999.99</ram:TaxTotalAmount>
    <ram:TaxTotalAmount currencyID="{invoice.currency}">{invoice.tax}</ram:TaxTotalAmount>
    <ram:GrandTotalAmount>{invoice.total}</ram:GrandTotalAmount>
   </ram:SpecifiedTradeSettlementHeaderMonetarySummation>
  </ram:ApplicableHeaderTradeSettlement>
 </rsm:SupplyChainTradeTransaction>
</rsm:CrossIndustryInvoice>""".encode()


def ubl(invoice: Invoice, root: str = "Invoice") -> bytes:
    """The invoice or credit note as XRechnung or Peppol (UBL)."""
    money = f'currencyID="{invoice.currency}"'
    billed = "Invoiced" if root == "Invoice" else "Credited"
    return f"""<{root} {UBL_NAMES.format(root=root)}>
 <cbc:CustomizationID>{EN16931}#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0</cbc:CustomizationID>
 <cbc:ID>{invoice.number}</cbc:ID><cbc:IssueDate>{invoice.day}</cbc:IssueDate>
 <cbc:{root}TypeCode>380</cbc:{root}TypeCode><cbc:DocumentCurrencyCode>{invoice.currency}</cbc:DocumentCurrencyCode>
 <cac:OrderReference><cbc:ID>PO-77</cbc:ID></cac:OrderReference>
 <cac:AccountingSupplierParty><cac:Party>
  <cac:PostalAddress><cbc:StreetName>Hafenstr. 12</cbc:StreetName><cbc:CityName>Hamburg</cbc:CityName>
   <cbc:PostalZone>20457</cbc:PostalZone></cac:PostalAddress>
  <cac:PartyTaxScheme><cbc:CompanyID>22/815/0815/4</cbc:CompanyID><cac:TaxScheme><cbc:ID>FC</cbc:ID></cac:TaxScheme>
  </cac:PartyTaxScheme>
  <cac:PartyTaxScheme><cbc:CompanyID>DE136695976</cbc:CompanyID><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>
  </cac:PartyTaxScheme>
  <cac:PartyLegalEntity><cbc:RegistrationName>{invoice.seller}</cbc:RegistrationName></cac:PartyLegalEntity>
 </cac:Party></cac:AccountingSupplierParty>
 <cac:AccountingCustomerParty><cac:Party><cac:PartyName><cbc:Name>{invoice.buyer}</cbc:Name></cac:PartyName>
 </cac:Party></cac:AccountingCustomerParty>
 <cac:PaymentMeans><cbc:PaymentDueDate>2025-04-13</cbc:PaymentDueDate>
  <cac:PayeeFinancialAccount><cbc:ID>{invoice.iban}</cbc:ID></cac:PayeeFinancialAccount></cac:PaymentMeans>
 <cac:TaxTotal><cbc:TaxAmount {money}>{invoice.tax}</cbc:TaxAmount></cac:TaxTotal>
 <cac:LegalMonetaryTotal><cbc:TaxExclusiveAmount {money}>{invoice.net}</cbc:TaxExclusiveAmount>
  <cbc:TaxInclusiveAmount {money}>{invoice.total}</cbc:TaxInclusiveAmount>
  <cbc:PayableAmount {money}>{invoice.total}</cbc:PayableAmount></cac:LegalMonetaryTotal>
 <cac:{root}Line><cbc:{billed}Quantity unitCode="H87">2</cbc:{billed}Quantity>
  <cbc:LineExtensionAmount {money}>{invoice.net}</cbc:LineExtensionAmount>
  <cac:Item><cbc:Name>Bohrmaschine</cbc:Name>
   <cac:ClassifiedTaxCategory><cbc:Percent>19</cbc:Percent></cac:ClassifiedTaxCategory></cac:Item>
  <cac:Price><cbc:PriceAmount {money}>50</cbc:PriceAmount></cac:Price></cac:{root}Line>
</{root}>""".encode()


# --- places for XML in a PDF ---

Attach = Callable[[pymupdf.Document, bytes], None]


def file_specification(document: pymupdf.Document, data: bytes, name: str = "factur-x.xml") -> int:
    """The number of a new file specification that holds `data`."""
    stream, specification = document.get_new_xref(), document.get_new_xref()
    document.update_object(stream, "<< /Type /EmbeddedFile >>")
    document.update_stream(stream, data, new=True)
    document.update_object(
        specification, f"<< /Type /Filespec /F ({name}) /UF ({name}) /EF << /F {stream} 0 R >> >>"
    )
    return specification


def in_name_tree(document: pymupdf.Document, data: bytes) -> None:
    """As most programs do it."""
    document.embfile_add(f"factur-x-{document.embfile_count()}.xml", data, filename="factur-x.xml")


def in_nested_tree(document: pymupdf.Document, data: bytes) -> None:
    """Two branches below the root of the name tree; the root has a branch that leads back to itself."""
    root, branch, leaf = (document.get_new_xref() for _ in range(3))
    number = file_specification(document, data)
    document.update_object(leaf, f"<< /Limits [(a) (z)] /Names [(factur-x.xml) {number} 0 R] >>")
    document.update_object(branch, f"<< /Kids [{leaf} 0 R] >>")
    document.update_object(root, f"<< /Kids [{root} 0 R {branch} 0 R] >>")
    document.xref_set_key(document.pdf_catalog(), "Names", f"<< /EmbeddedFiles {root} 0 R >>")


def associated(document: pymupdf.Document, data: bytes) -> None:
    """Only as an associated file of the document."""
    number = file_specification(document, data)
    document.xref_set_key(document.pdf_catalog(), "AF", f"[{number} 0 R]")


def associated_with_page(document: pymupdf.Document, data: bytes) -> None:
    """Only as an associated file of a page."""
    number = file_specification(document, data)
    document.xref_set_key(document[0].xref, "AF", f"[{number} 0 R]")


def in_note(document: pymupdf.Document, data: bytes) -> None:
    """As a note with a paper clip in the page's margin."""
    document[0].add_file_annot((20, 20), data, "factur-x.xml")


ATTACH: dict[str, Attach] = {
    "name tree": in_name_tree,
    "nested name tree": in_nested_tree,
    "associated file": associated,
    "associated with a page": associated_with_page,
    "note": in_note,
}


def saved(document: pymupdf.Document, path: Path) -> Path:
    """Write a PDF."""
    path.write_bytes(document.tobytes())
    return path
