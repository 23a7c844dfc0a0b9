"""The label words of a document type, and how well a printed text is one of them despite OCR damage.

In: `FieldSpec`s and printed texts. Out: matches in 0..1. Knows nothing of places or values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from ocr_ops.grammar.words import fold_ocr, squeeze
from ocr_ops.model import FieldSpec

_SHORT = 4
"""Labels up to this length must be printed without a fault."""
_GLUED = 6
"""Labels from this length may be glued to what follows."""
_LONGEST_GLUED = 44
"""Longer texts are not searched for a damaged label at their start."""
_MOST_SEEN = 20_000
"""Texts that one set remembers."""
_MOST_SETS = 64
_LONGEST = 60
"""Longer texts are cut: a label is never a sentence."""


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
    """All labels of some fields, folded; remembers what it matched, since printed words repeat from page to page."""

    def __init__(self, labels: Iterable[tuple[str, str]]) -> None:
        texts = {(path, fold_ocr(text)): None for path, text in labels}
        self._labels = tuple(Label(path, words, squeeze(words)) for path, words in texts if words)
        self._squeezed = [label.squeezed for label in self._labels]
        self._by_size: dict[int, tuple[list[str], list[Label]]] = {}
        for label in self._labels:
            texts_of_size, labels_of_size = self._by_size.setdefault(len(label.squeezed), ([], []))
            texts_of_size.append(label.squeezed)
            labels_of_size.append(label)
        self._numbered = any(char.isdigit() for label in self._labels for char in label.squeezed)
        self._seen: dict[str, dict[str, LabelMatch]] = {}
        self._printed: dict[str, dict[str, LabelMatch]] = {}

    def match(self, text: str) -> dict[str, LabelMatch]:
        """The best match of every field whose label `text` is, begins with or contains, by path."""
        known = self._printed.get(text)
        if known is None:
            if len(self._printed) >= _MOST_SEEN:
                self._printed.clear()
            known = self._printed[text] = self._match(fold_ocr(text)[:_LONGEST])
        return known

    def _match(self, folded: str) -> dict[str, LabelMatch]:
        known = self._seen.get(folded)
        if known is None:
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            hopeless = not folded or (folded.replace(" ", "").isdigit() and not self._numbered)
            known = self._seen[folded] = {} if hopeless else self._best(folded)
        return known

    def _best(self, folded: str) -> dict[str, LabelMatch]:
        best: dict[str, LabelMatch] = {}
        for match in (*self._inside(folded), *self._damaged(folded)):
            if match.path not in best or match.score > best[match.path].score:
                best[match.path] = match
        return best

    def _inside(self, folded: str) -> Iterator[LabelMatch]:
        """Labels that stand in the text letter by letter, as whole words."""
        dense = folded.replace(" ", "")
        for label in self._labels:
            if label.squeezed not in dense:
                continue
            if label.squeezed == dense:
                yield LabelMatch(label.path, 1.0, label.words, len(folded))
                continue
            place = _word_place(folded, label.words)
            if place >= 0:
                score = (0.9 if place == 0 else 0.72) * _share(len(label.squeezed), len(dense))
                yield LabelMatch(label.path, score, label.words, place + len(label.words))

    def _damaged(self, folded: str) -> Iterator[LabelMatch]:
        """Labels that the text is, or begins with, but for a letter or two."""
        dense = folded.replace(" ", "")
        for _, ratio, place in process.extract(
            dense, self._squeezed, scorer=fuzz.ratio, score_cutoff=78, limit=12
        ):
            label = self._labels[place]
            same_words = folded.count(" ") == label.words.count(" ")
            if len(label.squeezed) > _SHORT and (same_words or abs(len(dense) - len(label.squeezed)) <= 1):
                yield LabelMatch(label.path, ratio / 100 * 0.97, label.words, len(folded))
        for size, (texts, labels) in self._by_size.items() if len(dense) <= _LONGEST_GLUED else ():
            if _GLUED <= size < len(dense):
                found = process.extract(dense[:size], texts, scorer=fuzz.ratio, score_cutoff=84, limit=4)
                for _, ratio, place in found:
                    label = labels[place]
                    score = ratio / 100 * 0.85 * _share(size, len(dense))
                    yield LabelMatch(label.path, score, label.words, _end_of(folded, size))


_SETS: dict[tuple[int, ...], tuple[tuple[FieldSpec, ...], LabelSet]] = {}
"""Sets by the identities of their fields, which are held here so that no other field can take an identity over."""


def labels_of(fields: Iterable[FieldSpec]) -> LabelSet:
    """The labels of some fields, made once for every document of a type."""
    own = tuple(fields)
    known = _SETS.get(names := tuple(map(id, own)))
    if known is None:
        if len(_SETS) >= _MOST_SETS:
            _SETS.clear()
        labels = ((field.path, text) for field in own for words in field.labels.values() for text in words)
        known = _SETS[names] = (own, LabelSet(labels))
    return known[1]


def _share(part: int, whole: int) -> float:
    """How much of a text its label is, from 0.6 for a little to 1 for all."""
    return 0.6 + 0.4 * part / whole


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
