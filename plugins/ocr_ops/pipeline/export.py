"""Artefacts of one document -> files that a person can open: the HTML beside the pictures it shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ocr_ops.audit import AuditStore
from ocr_ops.model import Digest

_SUFFIXES = (
    (b"\x89PNG", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"RIFF", ".webp"),
    (b"%PDF", ".pdf"),
    (b"<!doctype html", ".html"),
    (b"{", ".json"),
    (b"[", ".json"),
)


def export_files(store: AuditStore, artifacts: Mapping[str, str], folder: Path) -> list[Path]:
    """Write every artefact under a name made of its role ("page/1/overlay" -> page-1-overlay.jpg); returns the paths.

    `html` becomes document.html, and the pictures it refers to lie beside it under the names it uses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for role, digest in sorted(artifacts.items()):
        data = store.get(Digest(digest))
        path = folder / (_file_name(role) + _suffix(data))
        path.write_bytes(data)
        written.append(path)
    return written


def picture_name(page: int, media_type: str) -> str:
    """Relative name under which a page's upright picture is exported, and the HTML refers to it."""
    return f"page-{page}-upright" + {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}.get(
        media_type, ""
    )


def _file_name(role: str) -> str:
    return {"html": "document"}.get(role, role.replace("/", "-"))


def _suffix(data: bytes) -> str:
    head = data[:64].lower() if data[:1] == b"<" else data[:64]
    return next((suffix for magic, suffix in _SUFFIXES if head.startswith(magic)), ".txt")
