"""The label words of a document type, and how well a printed text is one of them despite OCR damage.

In: `FieldSpec`s and printed texts. Out: matches in 0..1. Knows nothing of places or values.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rapidfuzz import fuzz

from ocr_ops.grammar.words import fold_ocr, squeeze
from ocr_ops.model import FieldSpec

_SHORT = 4


@dataclass(frozen=True, slots=True)
class Label:
    """One label word or phrase of one field, folded; `squeezed` has no blanks."""

    path: str
    words: str
    squeezed: str


@dataclass(frozen=True, slots=True)
class LabelMatch:
    """How well a text is a label: `score` in 0..1, `end` is where the label ends in the folded text."""

    path: str
    score: float
    words: str
    end: int


class LabelSet:
    """All labels of some fields, folded; remembers what it matched, since printed words repeat."""

    def __init__(self, fields: Iterable[FieldSpec]) -> None:
        texts = {
            (field.path, fold_ocr(text)): None
            for field in fields
            for words in field.labels.values()
            for text in words
        }
        self.labels = tuple(Label(path, words, squeeze(words)) for path, words in texts if words)
        self._seen: dict[str, dict[str, LabelMatch]] = {}

    def match(self, text: str) -> dict[str, LabelMatch]:
        """The best match of every field whose label `text` is, begins with or contains, by path."""
        folded = fold_ocr(text)[:120]
        if folded not in self._seen:
            self._seen[folded] = _matches(folded, self.labels)
        return self._seen[folded]


def _matches(folded: str, labels: tuple[Label, ...]) -> dict[str, LabelMatch]:
    best: dict[str, LabelMatch] = {}
    dense = folded.replace(" ", "")
    if not dense:
        return best
    for label in labels:
        match = _match(folded, dense, label)
        if match and (label.path not in best or match.score > best[label.path].score):
            best[label.path] = match
    return best


def _match(folded: str, dense: str, label: Label) -> LabelMatch | None:
    size = len(label.squeezed)
    if dense == label.squeezed:
        return LabelMatch(label.path, 1.0, label.words, len(folded))
    if len(dense) < size - 2:
        return None
    place = _word_place(folded, label.words)
    if place >= 0:
        share = size / len(dense)
        return LabelMatch(
            label.path,
            (0.9 if place == 0 else 0.72) * (0.6 + 0.4 * share),
            label.words,
            place + len(label.words),
        )
    if size <= _SHORT:
        return None
    if abs(len(dense) - size) <= max(2, size // 5):
        ratio = fuzz.ratio(dense, label.squeezed, score_cutoff=78) / 100
        if ratio:
            return LabelMatch(label.path, ratio * 0.97, label.words, len(folded))
    return _damaged_start(folded, dense, label) if len(dense) > size else None


def _damaged_start(folded: str, dense: str, label: Label) -> LabelMatch | None:
    """A label at the start of a longer text, glued to it or with a letter or two misread."""
    size = len(label.squeezed)
    if size < 6:
        return None
    ratio = fuzz.ratio(dense[:size], label.squeezed, score_cutoff=84) / 100
    if not ratio:
        return None
    share = size / len(dense)
    return LabelMatch(label.path, ratio * 0.85 * (0.6 + 0.4 * share), label.words, _end_of(folded, size))


def _word_place(folded: str, words: str) -> int:
    """Where `words` stand in `folded` as whole words, or -1; scripts without blanks match anywhere."""
    start = 0
    while (place := folded.find(words, start)) >= 0:
        end = place + len(words)
        before, after = folded[place - 1 : place], folded[end : end + 1]
        if words[0] > "\u2e80" or (not before.isalpha() and not after.isalpha()):
            return place
        start = place + 1
    return -1


def _end_of(folded: str, letters: int) -> int:
    seen = 0
    for place, char in enumerate(folded):
        seen += char != " "
        if seen == letters:
            return place + 1
    return len(folded)
