"""Folding printed words for comparison: case, accents, width and OCR look-alikes. Text in, text out."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_NOT_WORD = re.compile(r"[^\w%#°№]+|_")
_DIGIT_IN_WORD = re.compile(r"(?<=[a-z])[015](?=[a-z])|\b[015](?=[a-z]{3})|(?<=[a-z]{3})[015]\b")
_LOOKS_LIKE = {"0": "o", "1": "l", "5": "s"}


@lru_cache(maxsize=8192)
def fold(text: str) -> str:
    """Lower case without accents, punctuation as single blanks: "Sous-Total :" gives "sous total"."""
    if text.isascii():
        return _NOT_WORD.sub(" ", text.lower()).strip()
    wide = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in wide if not unicodedata.combining(c))
    return _NOT_WORD.sub(" ", plain).strip()


@lru_cache(maxsize=8192)
def fold_ocr(text: str) -> str:
    """`fold`, and digits inside words read as the letters they look like: "T0TAL" gives "total"."""
    return _DIGIT_IN_WORD.sub(lambda m: _LOOKS_LIKE[m.group()], fold(text))


@lru_cache(maxsize=8192)
def squeeze(text: str) -> str:
    """`fold_ocr` without blanks."""
    return fold_ocr(text).replace(" ", "")


@lru_cache(maxsize=8192)
def letters(text: str) -> int:
    """How many letters `text` holds."""
    return sum(map(str.isalpha, text))


@lru_cache(maxsize=8192)
def digits(text: str) -> int:
    """How many decimal digits `text` holds."""
    return sum(map(str.isdigit, text))
