"""Invoices and receipts to rows in Postgres, with evidence for every value.

The modules in the order a document meets them: `source` finds it, `raster` opens it, `engines` and `ocr` read its
pages, `grounding` turns replies into blocks, `html_page` and `overlay` draw them, `readers` propose values,
`judge` decides, `rows` and `warehouse` load, `audit` keeps every intermediate. `pipeline` composes the steps;
`cli`, `local` and `airflow_glue` are faces. No part of it is imported here.
"""

import os

# Pages, documents and tasks are what run side by side here. OpenCV's own threads cost a third more processor time a page
# and give nothing back; it reads this when it first needs to know, and whoever set it is heard.
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
