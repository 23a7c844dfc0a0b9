"""Score the layout reader on labelled documents whose pages were read before: accuracy per field, and what is wrong.

Usage: python scripts/score_readers.py --truth sroie.jsonl --truth softmatic.jsonl --pages CACHE_FOLDER [--read ocr|text]
       [--half tune|check] [--wrong FIELD] [--layout invoice]
CACHE_FOLDER holds `<id>.ocr.json` and `<id>.text.json`: JSON arrays of ReadPage. The even lines of a truth file are for
tuning, the odd ones for checking. Metric: money equal as decimals, dates equal, text equal after NFKC, lower case and
without punctuation and blanks; a key that is absent, null or `not_printed` is not scored.
"""

from __future__ import annotations

import argparse
import json
import time
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from ocr_ops.codec import from_plain
from ocr_ops.model import ReadPage
from ocr_ops.readers.layout import read_layout
from ocr_ops.schemas import load_schema

_SKIP = {"date_raw", "line_items"}


def plain(text: str) -> str:
    """Text as it is compared."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())


def same(truth: str, value: str | None, *, contains: bool = False) -> bool:
    """Whether a value is right."""
    if value is None:
        return False
    try:
        return Decimal(truth) == Decimal(value)
    except InvalidOperation:
        return plain(truth) in plain(value) if contains else plain(truth) == plain(value)


def documents(
    path: Path, pages: Path, kind: str, half: str, layout: str
) -> Iterator[tuple[dict[str, Any], tuple[ReadPage, ...]]]:
    """Labelled documents with their pages."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        document = json.loads(line)
        if half != "all" and (number % 2 == 0) != (half == "tune"):
            continue
        file = pages / f"{document['id']}.{kind}.json"
        if file.exists() and document.get("layout", "") in ("", layout):
            yield (
                document,
                tuple(from_plain(ReadPage, p) for p in json.loads(file.read_text(encoding="utf-8"))),
            )


def judged(document: dict[str, Any], values: dict[str, str]) -> Iterator[tuple[str, str, str | None, bool]]:
    """Field, truth, value, right or not."""
    unprinted = " ".join(document.get("not_printed", ()))
    for name, truth in document["truth"].items():
        skipped = name in _SKIP or truth is None or name in unprinted
        if skipped or (name == "merchant_name" and document.get("match_merchant") == "skip"):
            continue
        contains = name == "merchant_name" and bool(document.get("merchant_is_short_key"))
        yield name, truth, values.get("/" + name), same(truth, values.get("/" + name), contains=contains)


def items_right(document: dict[str, Any], values: dict[str, str]) -> tuple[int, int, int]:
    """Line totals found, printed and proposed, order-free."""
    truth = [
        Decimal(i["line_total"]) for i in document["truth"].get("line_items") or () if i.get("line_total")
    ]
    mine = [
        Decimal(v)
        for path, v in values.items()
        if path.startswith("/line_items/") and path.endswith("/line_total")
    ]
    rest, hits = list(mine), 0
    for amount in truth:
        if amount in rest:
            rest.remove(amount)
            hits += 1
    return hits, len(truth), len(mine)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--truth", type=Path, action="append", required=True)
    parser.add_argument("--pages", type=Path, required=True)
    parser.add_argument("--read", choices=("ocr", "text"), default="ocr")
    parser.add_argument("--half", choices=("tune", "check", "all"), default="all")
    parser.add_argument("--layout", default="invoice")
    parser.add_argument("--wrong", default="", help="field whose wrong values are printed, or 'all'")
    asked = parser.parse_args()
    for path in asked.truth:
        right: dict[str, list[bool]] = defaultdict(list)
        seconds, count, lines = 0.0, 0, [0, 0, 0]
        for document, pages in documents(path, asked.pages, asked.read, asked.half, asked.layout):
            start = time.process_time()
            candidate = read_layout(pages, load_schema(document["doc_type"]))
            seconds, count = seconds + time.process_time() - start, count + len(pages)
            values = {r.path: r.value for r in candidate.readings}
            if "line_items" not in " ".join(document.get("not_printed", ())):
                lines = [a + b for a, b in zip(lines, items_right(document, values), strict=True)]
            for name, truth, value, good in judged(document, values):
                right[name].append(good)
                if not good and asked.wrong in (name, "all"):
                    print(f"  {document['id']} {name}: {truth!r} read as {value!r}")
        print(
            f"{path.stem} {asked.read} {asked.half} {count} pages, {1000 * seconds / max(count, 1):.1f} ms CPU a page"
        )
        if lines[1]:
            print(f"  line totals        found {lines[0]} of {lines[1]}, proposed {lines[2]}")
        for name, results in right.items():
            print(f"  {name:18} {sum(results) / len(results):.3f} of {len(results)}")


if __name__ == "__main__":
    main()
