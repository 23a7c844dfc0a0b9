"""Compare what `ocr-ops process --jsonl` wrote with a file of truth: right values per field, and what passed as right.

Usage: score_jsonl.py OUT.jsonl TRUTH.jsonl

Truth is one JSON object a line with `id` or `file`, and `truth`: field -> value in schema form; a field that is absent or
null is not scored. Money is equal as a decimal, dates as ISO text, other text after NFKC, lower case and dropping all
that is neither letter nor digit; a truth line with `match_merchant: contains` needs only hold the merchant's short name,
with `skip` it is not scored.
"""

from __future__ import annotations

import argparse
import json
import re
import unicodedata
from collections import Counter
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

CRITICAL = {
    "receipt": ("total", "date"),
    "invoice": ("invoice_number", "issue_date", "net_total", "tax_total", "grand_total"),
}


def plain(text: str) -> str:
    """Text as it is compared."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text).lower())


def same(field: str, got: Any, wanted: str, entry: dict[str, Any]) -> bool:
    """Whether a value equals the truth."""
    if not isinstance(got, str):
        return False
    if field == "merchant_name" and entry.get("match_merchant") == "contains":
        return plain(wanted) in plain(got)
    try:
        return Decimal(got) == Decimal(wanted)
    except InvalidOperation:
        return plain(got) == plain(wanted)


def main() -> None:
    """Print one line a field, then acceptance and the rate of wrong critical values among accepted documents."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("truth", type=Path)
    given = parser.parse_args()
    found = {
        Path(line["name"]).stem: line
        for line in map(json.loads, given.out.read_text(encoding="utf-8").splitlines())
    }
    right: Counter[str] = Counter()
    scored: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    accepted_wrong: list[str] = []
    for entry in map(json.loads, given.truth.read_text(encoding="utf-8").splitlines()):
        line = found.get(Path(entry.get("file") or entry["id"]).stem)
        if line is None:
            continue
        statuses[line["status"]] += 1
        wrong = []
        for field, wanted in entry["truth"].items():
            skipped = field == "merchant_name" and entry.get("match_merchant") == "skip"
            if (
                not isinstance(wanted, str)
                or field.endswith("_raw")
                or field in entry.get("not_printed", ())
                or skipped
            ):
                continue
            scored[field] += 1
            fits = same(field, (line["record"] or {}).get(field), wanted, entry)
            right[field] += fits
            if not fits and field in CRITICAL[entry["doc_type"]] and field in (line["record"] or {}):
                wrong.append(field)
        if line["status"] == "accepted" and wrong:
            accepted_wrong.append(f"{line['name']}: {', '.join(wrong)}")
    for field in scored:
        print(f"{field:<20} {right[field]:>4} of {scored[field]:<4} {right[field] / scored[field]:.3f}")
    total = sum(statuses.values())
    print(f"documents {total}: " + ", ".join(f"{status} {count}" for status, count in statuses.most_common()))
    print(f"accepted with a wrong critical value: {len(accepted_wrong)} of {statuses['accepted']}")
    for line in accepted_wrong:
        print(f"  {line}")


if __name__ == "__main__":
    main()
