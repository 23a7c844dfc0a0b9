"""Documents processed again, as proposals: planned, told as differences, promoted or discarded.

Nothing that readers see changes before `decide`. Words for people are bounded, and what documents say is put in code marks.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import text

from ocr_ops.codec import to_plain
from ocr_ops.model import Digest
from ocr_ops.pipeline.choosing import ANY, Choice, choose
from ocr_ops.pipeline.journey import AUTO, Order
from ocr_ops.pipeline.planning import store_batches
from ocr_ops.pipeline.workshop import Workshop
from ocr_ops.settings import OcrEngine
from ocr_ops.warehouse import Difference, Warehouse
from ocr_ops.warehouse.connecting import connected

PROMOTE, DISCARD = "promote", "discard"
_SHOWN, _SHORT, _NAME, _FIELDS = 6, 24, 40, 8
_PROPOSED_BY = text("""
select document_key from extraction.records where run_id = :run_id and state = 'proposed' order by document_key
""")


@dataclass(frozen=True, slots=True)
class Planned:
    """Batches of documents that go through again, and how many cannot."""

    batches: tuple[str, ...]
    documents: int
    left_out: int


def choice_from(params: Mapping[str, Any], interval: tuple[datetime, datetime] | None = None) -> Choice:
    """What the form asks for; `interval`: the documents first seen then, instead of the form's dates."""
    since, until = interval or (_day(params.get("since")), _day(params.get("until")))
    return Choice(
        documents=tuple(params.get("documents") or ()),
        since=since,
        until=until,
        vendor=params.get("vendor"),
        statuses=tuple(params.get("statuses") or ()),
        doc_type=None if params.get("doc_type") == ANY else params.get("doc_type"),
        engine=params.get("read_by"),
        schema_version=params.get("schema_version"),
        limit=params.get("limit"),
    )


def _day(words: str | None) -> datetime | None:
    return datetime.combine(date.fromisoformat(words), time(), UTC) if words else None


def plan_again(
    shop: Workshop, choice: Choice, params: Mapping[str, Any], *, run_id: str, dag_id: str
) -> Planned:
    """Share out the documents that fit in batches, and start the run; one without any is over at once."""
    keep_reading = params["stage"] == "extract"
    chosen = choose(shop, choice, keep_reading=keep_reading)
    engine = params.get("engine")
    order = Order(
        doc_type=params.get("as_doc_type") or AUTO,
        engine=OcrEngine(engine) if engine in tuple(OcrEngine) else None,
        batch_size=params["batch_size"],
        keep_reading=keep_reading,
        reason=params["reason"],
    )
    batches = store_batches(shop, order, chosen.journeys)
    now = datetime.now(UTC)
    with Warehouse(shop.settings.database_url) as warehouse:
        told = {"choice": _plain(choice), **to_plain(order)}
        warehouse.start_run(run_id, trigger="airflow", started_at=now, dag_id=dag_id, params=told)
        if not batches:
            warehouse.finish_run(run_id, finished_at=now)
    return Planned(tuple(batches), len(chosen.journeys), chosen.left_out)


def _plain(choice: Choice) -> dict[str, Any]:
    given = {name: value for name, value in asdict(choice).items() if value not in (None, ())}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in given.items()
    }


@dataclass(frozen=True, slots=True)
class Report:
    """What a run proposes. `table` is a CSV of every difference in the audit store."""

    proposed: int
    table: Digest
    words: str
    """A few lines of Markdown."""


def report(shop: Workshop, *, run_id: str) -> Report:
    """Gather what a run proposes, and close the run."""
    with Warehouse(shop.settings.database_url) as warehouse:
        summary = warehouse.finish_run(run_id, finished_at=datetime.now(UTC))
        keys = proposed_by(shop, run_id)
        differences = warehouse.differences(keys) if keys else []
    table = shop.store.put(_csv(differences))
    words = in_words(summary.documents, len(keys), differences)
    return Report(
        len(keys),
        table,
        f"{words}\n\nAll differences: `marts.proposed_changes`, or CSV `{table[:19]}` in the store.",
    )


def proposed_by(shop: Workshop, run_id: str) -> list[str]:
    """The documents for which proposals of a run wait."""
    with connected(shop.settings.database_url) as connection:
        return list(connection.scalars(_PROPOSED_BY, {"run_id": run_id}))


def decide(shop: Workshop, *, run_id: str, what: str, by: str, reason: str) -> int:
    """Promote or discard, all at once, what a run proposed and waits still; how many documents that were."""
    keys = proposed_by(shop, run_id)
    with Warehouse(shop.settings.database_url) as warehouse:
        act = warehouse.promote if what == PROMOTE else warehouse.discard
        return len(act(keys, by=by, reason=reason, at=datetime.now(UTC)))


def in_words(documents: int, proposed: int, differences: Sequence[Difference]) -> str:
    """Counts by field and the first differences, in Markdown."""
    head = f"{documents} documents processed again."
    if not proposed:
        return f"{head} Nothing would change."
    changed = len({one.document_key for one in differences})
    unchanged = (
        f" {proposed - changed} would only get a new version of what made them." if proposed > changed else ""
    )
    if not differences:
        return f"{head}{unchanged}"
    fields = Counter(_field_of(one.field) for one in differences)
    counts = ", ".join(f"`{name}` ({count})" for name, count in fields.most_common(_FIELDS))
    head = f"{head} {changed} would change in values: {counts}.{unchanged}"
    rows = [
        f"| {_code(one.name, _NAME)} | `{one.field[: _SHORT * 2]}` | {_code(one.old_value)} | {_code(one.new_value)} |"
        for one in differences[:_SHOWN]
    ]
    more = f"\n\nand {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
    return (
        "\n".join((head, "", "| document | field | now | then |", "| --- | --- | --- | --- |", *rows)) + more
    )


def _field_of(pointer: str) -> str:
    return "/".join("*" if part.isdigit() else part for part in pointer.split("/"))[:60]


def _code(words: str | None, longest: int = _SHORT) -> str:
    """Text of a document as inert Markdown: on one line, without marks that end a cell or a code span, and short."""
    if words is None:
        return ""
    plain = "".join(sign if sign.isprintable() and sign not in "`|" else " " for sign in words)
    return f"`{plain[:longest].strip() or ' '}`"


def _csv(differences: Sequence[Difference]) -> bytes:
    names = ("document_key", "name", "field", "old_value", "new_value", "old_page", "new_page")
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(names)
    writer.writerows([_inert(getattr(one, name)) for name in names] for one in differences)
    return target.getvalue().encode()


def _inert(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    formula = (
        isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") and not _is_number(value)
    )
    return f"'{value}" if formula else value


def _is_number(words: str) -> bool:
    return words[1:].replace(".", "", 1).isdecimal()
