"""PyMuPDF as we use it: without its layout models, which it loads at its import where they are installed.

They take a second of processor time and much memory in every process, and nothing here asks for them. Everything in this
package takes `pymupdf` from here.
"""

from __future__ import annotations

import sys

_LAYOUT = "pymupdf.layout"

if "pymupdf" not in sys.modules:
    sys.modules[_LAYOUT] = None  # type: ignore[assignment]  # an import of it fails now, as where it is not installed
    import pymupdf

    del sys.modules[_LAYOUT]
else:
    import pymupdf

__all__ = ["pymupdf"]
