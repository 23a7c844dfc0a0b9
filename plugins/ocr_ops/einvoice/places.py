"""Where CII and UBL keep the fields of an invoice: tables, nothing else.

Paths name elements by local name; a step may list alternatives, since ZUGFeRD 1 has other names than its successors.
The first path that gives a value counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from ocr_ops.einvoice import values


@dataclass(frozen=True, slots=True)
class At:
    """A field of the record, the form of its value, and where the XML may have it."""

    field: str
    form: values.Form
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Syntax:
    """One way to write invoices."""

    name: str
    profile: str
    type_code: str
    currency: str
    header: tuple[At, ...]
    lines: str
    cells: tuple[At, ...]


_HEAD = "ExchangedDocument|HeaderExchangedDocument"
_DEAL = "SupplyChainTradeTransaction|SpecifiedSupplyChainTradeTransaction"
_AGREED = f"{_DEAL}/ApplicableHeaderTradeAgreement|ApplicableSupplyChainTradeAgreement"
_SETTLED = f"{_DEAL}/ApplicableHeaderTradeSettlement|ApplicableSupplyChainTradeSettlement"
_SUMS = (
    f"{_SETTLED}/SpecifiedTradeSettlementHeaderMonetarySummation|SpecifiedTradeSettlementMonetarySummation"
)
_SELLER, _BUYER = f"{_AGREED}/SellerTradeParty", f"{_AGREED}/BuyerTradeParty"
_LINE_SETTLED = "SpecifiedLineTradeSettlement|SpecifiedSupplyChainTradeSettlement"
_LINE_SUMS = "SpecifiedTradeSettlementLineMonetarySummation|SpecifiedTradeSettlementMonetarySummation"

CII = Syntax(
    name="CII",
    profile="ExchangedDocumentContext|SpecifiedExchangedDocumentContext/GuidelineSpecifiedDocumentContextParameter/ID",
    type_code=f"{_HEAD}/TypeCode",
    currency=f"{_SETTLED}/InvoiceCurrencyCode",
    header=(
        At("invoice_number", values.code, (f"{_HEAD}/ID",)),
        At("issue_date", values.day, (f"{_HEAD}/IssueDateTime/DateTimeString",)),
        At(
            "due_date", values.day, (f"{_SETTLED}/SpecifiedTradePaymentTerms/DueDateDateTime/DateTimeString",)
        ),
        At(
            "purchase_order",
            values.code,
            (
                f"{_AGREED}/BuyerOrderReferencedDocument/IssuerAssignedID",
                f"{_AGREED}/BuyerOrderReferencedDocument/ID",
            ),
        ),
        At("seller_name", values.name, (f"{_SELLER}/Name",)),
        At("seller_address", values.cii_address, (f"{_SELLER}/PostalTradeAddress",)),
        At("seller_tax_id", values.code, (f"{_SELLER}/SpecifiedTaxRegistration/ID",)),
        At(
            "seller_iban",
            values.iban,
            (f"{_SETTLED}/SpecifiedTradeSettlementPaymentMeans/PayeePartyCreditorFinancialAccount/IBANID",),
        ),
        At("buyer_name", values.name, (f"{_BUYER}/Name",)),
        At("buyer_address", values.cii_address, (f"{_BUYER}/PostalTradeAddress",)),
        At("buyer_tax_id", values.code, (f"{_BUYER}/SpecifiedTaxRegistration/ID",)),
        At("currency", values.currency, (f"{_SETTLED}/InvoiceCurrencyCode",)),
        At("net_total", values.money, (f"{_SUMS}/TaxBasisTotalAmount",)),
        At("tax_total", values.money, (f"{_SUMS}/TaxTotalAmount",)),
        At("grand_total", values.money, (f"{_SUMS}/GrandTotalAmount",)),
        At("amount_due", values.money, (f"{_SUMS}/DuePayableAmount",)),
    ),
    lines=f"{_DEAL}/IncludedSupplyChainTradeLineItem",
    cells=(
        At("description", values.name, ("SpecifiedTradeProduct/Name", "SpecifiedTradeProduct/Description")),
        At(
            "quantity",
            values.number,
            ("SpecifiedLineTradeDelivery|SpecifiedSupplyChainTradeDelivery/BilledQuantity",),
        ),
        At(
            "unit_price",
            values.money,
            (
                "SpecifiedLineTradeAgreement|SpecifiedSupplyChainTradeAgreement/NetPriceProductTradePrice/ChargeAmount",
            ),
        ),
        At(
            "tax_rate",
            values.number,
            (f"{_LINE_SETTLED}/ApplicableTradeTax/RateApplicablePercent|ApplicablePercent",),
        ),
        At("line_total", values.money, (f"{_LINE_SETTLED}/{_LINE_SUMS}/LineTotalAmount",)),
    ),
)

_SUPPLIER, _CUSTOMER = "AccountingSupplierParty/Party", "AccountingCustomerParty/Party"

UBL = Syntax(
    name="UBL",
    profile="CustomizationID",
    type_code="InvoiceTypeCode|CreditNoteTypeCode",
    currency="DocumentCurrencyCode",
    header=(
        At("invoice_number", values.code, ("ID",)),
        At("issue_date", values.day, ("IssueDate",)),
        At("due_date", values.day, ("DueDate", "PaymentMeans/PaymentDueDate")),
        At("purchase_order", values.code, ("OrderReference/ID",)),
        At(
            "seller_name",
            values.name,
            (f"{_SUPPLIER}/PartyLegalEntity/RegistrationName", f"{_SUPPLIER}/PartyName/Name"),
        ),
        At("seller_address", values.ubl_address, (f"{_SUPPLIER}/PostalAddress",)),
        At("seller_tax_id", values.code, (f"{_SUPPLIER}/PartyTaxScheme/CompanyID",)),
        At("seller_iban", values.iban, ("PaymentMeans/PayeeFinancialAccount/ID",)),
        At(
            "buyer_name",
            values.name,
            (f"{_CUSTOMER}/PartyLegalEntity/RegistrationName", f"{_CUSTOMER}/PartyName/Name"),
        ),
        At("buyer_address", values.ubl_address, (f"{_CUSTOMER}/PostalAddress",)),
        At("buyer_tax_id", values.code, (f"{_CUSTOMER}/PartyTaxScheme/CompanyID",)),
        At("currency", values.currency, ("DocumentCurrencyCode",)),
        At("net_total", values.money, ("LegalMonetaryTotal/TaxExclusiveAmount",)),
        At("tax_total", values.money, ("TaxTotal/TaxAmount",)),
        At("grand_total", values.money, ("LegalMonetaryTotal/TaxInclusiveAmount",)),
        At("amount_due", values.money, ("LegalMonetaryTotal/PayableAmount",)),
    ),
    lines="InvoiceLine|CreditNoteLine",
    cells=(
        At("description", values.name, ("Item/Name", "Item/Description")),
        At("quantity", values.number, ("InvoicedQuantity|CreditedQuantity",)),
        At("unit_price", values.money, ("Price/PriceAmount",)),
        At("tax_rate", values.number, ("Item/ClassifiedTaxCategory/Percent",)),
        At("line_total", values.money, ("LineExtensionAmount",)),
    ),
)

SYNTAXES = {"CrossIndustryInvoice": CII, "CrossIndustryDocument": CII, "Invoice": UBL, "CreditNote": UBL}
