"""E-invoices in XML (Factur-X, ZUGFeRD 1 and 2, XRechnung; CII and UBL) -> the fields of an invoice, exactly as stated.

`read_einvoice` is the way in. Bytes in, values out: no file, no network, no entity, no DTD.
"""

from ocr_ops.einvoice.reading import EInvoice, is_einvoice_name, read_einvoice
from ocr_ops.einvoice.safe_xml import BadXml, looks_like_einvoice

__all__ = ["BadXml", "EInvoice", "is_einvoice_name", "looks_like_einvoice", "read_einvoice"]
