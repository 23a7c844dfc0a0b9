"""Invoices and receipts to rows in Postgres, with evidence for every value.

The modules in the order a document meets them: `source` finds it, `raster` opens it, `engines` and `ocr` read its
pages, `grounding` turns replies into blocks, `html_page` and `overlay` draw them, `readers` propose values,
`judge` decides, `rows` and `warehouse` load, `audit` keeps every intermediate. `pipeline` composes the steps;
`cli`, `local` and `airflow_glue` are faces. Nothing is imported here.
"""
