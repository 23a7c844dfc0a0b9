"""Invoices and receipts drawn from invented records, with exact truth and exact boxes.

`words` are the languages, `records` invents what is billed, `sheet` places text and remembers where, `receipts` and
`invoices` are layouts, `wear` makes a scan of the picture, `dataset` writes files that `ocr-ops eval` reads. Everything
follows from a seed. No name, address or number belongs to anybody.
"""
