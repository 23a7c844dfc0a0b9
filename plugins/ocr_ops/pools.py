"""Pools that bound the scarce things: their names, the slots they get when they are created, and what for. Pure."""

from __future__ import annotations

OCR_POOL, LLM_POOL, WAREHOUSE_POOL = "ocr_ops_ocr", "ocr_ops_llm", "ocr_ops_warehouse"

POOLS: dict[str, tuple[int, str]] = {
    OCR_POOL: (1, "Tasks that read pages at once: one a GPU server, one on a laptop"),
    LLM_POOL: (2, "Tasks that extract fields at once"),
    WAREHOUSE_POOL: (4, "Tasks that load Postgres at once"),
}
