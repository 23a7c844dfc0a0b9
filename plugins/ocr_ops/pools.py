"""Pools that bound the scarce things: their names, the slots they get when they are created, and what for. Pure."""

from __future__ import annotations

from collections.abc import Mapping

OCR_POOL, LLM_POOL, WAREHOUSE_POOL = "ocr_ops_ocr", "ocr_ops_llm", "ocr_ops_warehouse"

POOLS: dict[str, tuple[int, str]] = {
    OCR_POOL: (1, "Tasks that read pages at once: one where a page uses all cores"),
    LLM_POOL: (2, "Tasks that extract fields at once"),
    WAREHOUSE_POOL: (4, "Tasks that load Postgres at once"),
}

READERS = 4
"""Read tasks at once over OCR servers: while some start or wait for their last pages, the others fill the 256 places of a server."""


def pools_for(*, ocr_servers: bool, own: Mapping[str, int] | None = None) -> dict[str, tuple[int, str]]:
    """The pools of a machine; where pages go to servers, several tasks read at once. `own`: pools of sources, with their slots."""
    pools = dict(POOLS)
    if ocr_servers:
        purpose = "Tasks that read pages at once; each has OCR_OPS_OCR_IN_FLIGHT requests to each server"
        pools[OCR_POOL] = (READERS, purpose)
    for name, slots in (own or {}).items():
        pools[name] = (slots, "Tasks that read pages of one source at once, whatever other sources wait for")
    return pools


def pool_of(source: str) -> str:
    """The pool of a source that has places of its own."""
    return f"{OCR_POOL}_{source}"
