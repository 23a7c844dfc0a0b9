"""Accepted documents, a sample of them checked by a second engine or by people: how often are they wrong, and is that too often?

The second engine sees pictures alone: neither the file's own text nor an e-invoice inside it. Nothing in the warehouse changes but
the book of runs, where each run's counts stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from math import sqrt
from typing import Any

from sqlalchemy import text

from ocr_ops.codec import from_json, step_key, to_json
from ocr_ops.model import Kind, Schema
from ocr_ops.pipeline import steps
from ocr_ops.pipeline.choosing import Choice, choose
from ocr_ops.pipeline.journey import Batch, Journey, Opened, Order
from ocr_ops.pipeline.planning import store_batches
from ocr_ops.pipeline.workshop import Workshop
from ocr_ops.schemas import load_schema
from ocr_ops.settings import OcrEngine
from ocr_ops.warehouse import Warehouse
from ocr_ops.warehouse.connecting import connected

DAG_ID = "monitor_quality"
PEOPLE = "a person"
"""Who checks, where no engine does."""
RIGHT, WRONG, UNSURE = "Right", "Wrong", "Cannot tell"
"""What a person may say of a document."""
MOST_QUESTIONS = 20
BASELINE = 0.02
"""Share of differing documents that is taken for normal until enough were checked."""
_ENOUGH, _RUNS, _SIGMAS = 200, 30, 3
_NUMBERS = (Kind.MONEY, Kind.QUANTITY, Kind.RATE)

_SAMPLE = text("""
select d.document_key, d.version from ingest.documents d
join ingest.pages p on p.document_key = d.document_key and p.version = d.version and p.page = 1
where d.status = 'accepted' and d.superseded_by is null and d.loaded_at >= :since and d.loaded_at < :until
  and (cast(:engine as text) is null or p.engine is distinct from :engine)
order by md5(d.document_key || :run_id) limit :size
""")
_VALUES = text("""
select f.document_key, f.field, f.value, d.doc_type from extraction.fields f
join ingest.documents d using (document_key, version)
where f.document_key = any(cast(:keys as text[]))
""")
_HISTORY = text("""
select coalesce(sum((params ->> 'checked')::int), 0) as checked, coalesce(sum((params ->> 'wrong')::int), 0) as wrong
from (
  select params from ingest.runs
  where dag_id = :dag_id and run_id <> :run_id and params ? 'checked' and not (params ->> 'broken')::boolean
    and coalesce(params ->> 'by', 'embedded') = :by
  order by started_at desc limit :runs
) r
""")


def plan_sample(
    shop: Workshop, *, size: int, since: datetime, until: datetime, engine: OcrEngine, run_id: str
) -> list[str]:
    """Batches of a sample of what was accepted in that time and read by something else than `engine`."""
    words = {"since": since, "until": until, "engine": engine.value, "run_id": run_id, "size": size}
    with connected(shop.settings.database_url) as connection:
        keys = tuple(row.document_key for row in connection.execute(_SAMPLE, words))
    if not keys:
        return []
    found = choose(shop, Choice(documents=keys), keep_reading=False).journeys
    order = Order(engine=engine, reason="checked by a second engine")
    return store_batches(shop, order, [_pictures_only(shop, journey) for journey in found])


def sample_for_people(
    shop: Workshop, *, size: int, since: datetime, until: datetime, run_id: str
) -> list[str]:
    """A sample of what was accepted in that time, each as `<key>@<version>`; 20 at most."""
    most = min(size, MOST_QUESTIONS)
    words = {"since": since, "until": until, "engine": None, "run_id": run_id, "size": most}
    with connected(shop.settings.database_url) as connection:
        return [f"{row.document_key}@{row.version}" for row in connection.execute(_SAMPLE, words)]


def answers_counted(answers: Sequence[str]) -> dict[str, int]:
    """What people said, counted as `compare_batch` counts."""
    unsure = sum(answer not in (RIGHT, WRONG) for answer in answers)
    return {"checked": len(answers) - unsure, "wrong": list(answers).count(WRONG), "unsure": unsure}


def _pictures_only(shop: Workshop, journey: Journey) -> Journey:
    digest = journey.need("open")
    opened = from_json(Opened, shop.store.get(digest))
    bare = Opened(tuple(replace(page, text_layer=None) for page in opened.pages))
    key = step_key("open-pictures-only", opened=digest)
    return journey.did("open", key, (digest,), shop.once(key, lambda: to_json(bare)))


def compare_batch(shop: Workshop, batch: Batch) -> dict[str, int]:
    """How many documents could be checked, in how many a critical value differs, and how many tell nothing."""
    keys = [str(journey.source.digest) for journey in batch.documents if journey.source]
    accepted = _accepted(shop, keys)
    counts = {"checked": 0, "wrong": 0, "unsure": 0}
    for journey in batch.documents:
        doc_type, values = accepted.get(str(journey.source.digest) if journey.source else "", ("", {}))
        record = steps.load_record(shop, journey)
        differs = None
        if record is not None and doc_type == record.doc_type:
            differs = differing(load_schema(doc_type, folder=shop.schema_folder), values, record.values)
        counts["unsure" if differs is None else "checked"] += 1
        counts["wrong"] += bool(differs)
    return counts


def _accepted(shop: Workshop, keys: Sequence[str]) -> dict[str, tuple[str, dict[str, str]]]:
    found: dict[str, tuple[str, dict[str, str]]] = {}
    with connected(shop.settings.database_url) as connection:
        for row in connection.execute(_VALUES, {"keys": list(keys)}):
            found.setdefault(row.document_key, (row.doc_type, {}))[1][row.field] = row.value
    return found


def differing(
    schema: Schema, accepted: Mapping[str, str], second: Mapping[str, Any]
) -> tuple[str, ...] | None:
    """Critical fields that both have and that differ; None when no critical field can be compared.

    Fields of rows are left out: two readings may split a table into other rows.
    """
    compared, differ = 0, []
    for spec in schema.fields:
        ours, theirs = accepted.get(spec.path), second.get(spec.path.removeprefix("/"))
        if not spec.critical or "*" in spec.path or ours is None or theirs is None:
            continue
        compared += 1
        if not _same(spec.kind, ours, str(theirs)):
            differ.append(spec.path)
    return tuple(differ) if compared else None


def _same(kind: Kind, one: str, other: str) -> bool:
    if kind in _NUMBERS:
        try:
            return Decimal(one) == Decimal(other)
        except InvalidOperation:
            return False
    return "".join(one.split()).casefold() == "".join(other.split()).casefold()


@dataclass(frozen=True, slots=True)
class Control:
    """A run's share of differing documents against what is normal."""

    checked: int
    wrong: int
    normal: float

    @property
    def rate(self) -> float:
        """Share of differing documents, 0 where none was checked."""
        return self.wrong / self.checked if self.checked else 0.0

    @property
    def limit(self) -> float:
        """Upper control limit: three standard deviations of a sample of this size above normal."""
        spread = sqrt(self.normal * (1 - self.normal) / self.checked) if self.checked else 1.0
        return min(1.0, self.normal + _SIGMAS * spread)

    @property
    def broken(self) -> bool:
        """Whether chance hardly explains it."""
        return self.rate > self.limit

    def in_words(self) -> str:
        """The same in a sentence."""
        return (
            f"{self.wrong} of {self.checked} checked documents are wrong or read differently ({self.rate:.1%}); "
            f"normal is {self.normal:.1%}, the limit for a sample of this size {self.limit:.1%}"
        )


def control(
    shop: Workshop, counts: Sequence[Mapping[str, int]], *, run_id: str, by: str = OcrEngine.EMBEDDED.value
) -> Control:
    """Judge a run's counts by the runs before it that were checked `by` the same, and note them in the book of runs."""
    checked, wrong = (sum(count.get(name, 0) for count in counts) for name in ("checked", "wrong"))
    with connected(shop.settings.database_url) as connection:
        words = {"dag_id": DAG_ID, "run_id": run_id, "runs": _RUNS, "by": by}
        past = connection.execute(_HISTORY, words).one()
    normal = past.wrong / past.checked if past.checked >= _ENOUGH else BASELINE
    # never nothing: the first differing document would break every limit
    judged = Control(checked, wrong, max(normal, 1 / _ENOUGH))
    now = datetime.now(UTC)
    with Warehouse(shop.settings.database_url) as warehouse:
        noted = {"by": by, "checked": checked, "wrong": wrong, "broken": judged.broken}
        noted["limit"] = f"{judged.limit:.4f}"
        warehouse.start_run(run_id, trigger="airflow", started_at=now, dag_id=DAG_ID, params=noted)
        warehouse.finish_run(run_id, finished_at=now)
    return judged
