"""How fast outcomes become rows with evidence and audit chain, against a plain COPY of the very same rows.

Synthetic invoices with five lines each, every field and cell with its box, are loaded with `Warehouse.load_many` into a
fresh embedded Postgres. After every thousand the rows it made are copied out as text and copied into a second, equally
migrated database with one COPY a table: same indexes, same constraints, no merging, no Python objects. The two take turns so
that a busy minute of the machine hits both. Every query of `sql/queries` is run on the result as an analyst would. Making the
outcomes and copying out are not part of any figure.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from _report import Report, add_options, tell
from sqlalchemy import Table, make_url

from ocr_ops.codec import digest_of, to_json
from ocr_ops.local.postgres import LocalPostgres
from ocr_ops.model import (
    Block,
    Digest,
    Evidence,
    GridBox,
    Match,
    Outcome,
    PageImage,
    PixelSize,
    Problem,
    ProblemKind,
    ReadPage,
    Record,
    RuleResult,
    Stage,
    Status,
)
from ocr_ops.rows import Extras, ModelCall
from ocr_ops.tables import metadata
from ocr_ops.warehouse import Load, Warehouse, migrate
from ocr_ops.warehouse.migrations import SQL_FOLDER

DOCUMENTS, QUICK_DOCUMENTS = 20_000, 2_000
THOUSAND = 1_000
LINES = 5
SELLERS = 400
CHUNK = 1 << 20
TIMES = 3
RUN = "benchmark"
START = datetime(2024, 1, 1, tzinfo=UTC)


def main() -> int:
    """Load, copy, ask; tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--documents", type=int, help=f"how many documents, {DOCUMENTS} without --quick")
    options = parser.parse_args()
    documents = options.documents or (QUICK_DOCUMENTS if options.quick else DOCUMENTS)
    with tempfile.TemporaryDirectory(prefix="ocr-ops-load-") as folder:
        server = LocalPostgres(Path(folder) / "server")
        try:
            server.ensure_running()
            tell(measured(server, Path(folder), documents), options)
        finally:
            server.remove()
    return 0


def measured(server: LocalPostgres, folder: Path, documents: int) -> Report:
    """One run of everything."""
    ours, plain = (_migrated(server, name) for name in ("ours", "plain"))
    loaded, copied, rows, size = load_and_copy(ours, plain, folder, documents)
    _sql(ours, "vacuum analyze")
    queries = asked(ours)
    slowest = max(queries, key=lambda name: queries[name])
    first, last, total = _rate(loaded[:1]), _rate(loaded[-1:]), _rate(loaded)
    return Report(
        name="load",
        command=f"python benchmarks/load.py --documents {documents}",
        ratio=sum(copied) / sum(loaded),
        definition="seconds of a plain COPY of the same rows into the same tables over seconds of loading the outcomes",
        columns=("what", "figure"),
        rows=(
            (
                "documents",
                f"{documents}, {rows / documents:.0f} rows and {size / documents / 1000:.1f} kB of text each",
            ),
            ("loaded", f"{sum(loaded):.1f} s, {total:.0f} documents/s"),
            ("first and last thousand", f"{first:.0f} and {last:.0f} documents/s"),
            ("plain COPY", f"{sum(copied):.1f} s, {_rate(copied):.0f} documents/s"),
            (
                "plain COPY, first and last",
                f"{_rate(copied[:1]):.0f} and {_rate(copied[-1:]):.0f} documents/s",
            ),
            *((f"query {name}", f"{took * 1000:.0f} ms") for name, took in queries.items()),
        ),
        raw={
            "documents": documents,
            "rows": rows,
            "documents_per_s": round(total, 1),
            "first_thousand_per_s": round(first, 1),
            "last_thousand_per_s": round(last, 1),
            "plain_copy_documents_per_s": round(_rate(copied), 1),
            "slowest_query": slowest,
            "slowest_query_ms": round(queries[slowest] * 1000, 1),
        },
    )


def _rate(seconds: list[float]) -> float:
    return THOUSAND * len(seconds) / sum(seconds)


def _migrated(server: LocalPostgres, name: str) -> str:
    server.ensure_database(name)
    url = server.url(name)
    migrate(url)
    return url


def load_and_copy(
    ours: str, plain: str, folder: Path, documents: int
) -> tuple[list[float], list[float], int, int]:
    """Load so many documents and copy their rows, a thousand at a time; seconds of each, then rows and bytes in all."""
    loaded: list[float] = []
    copied: list[float] = []
    rows = size = 0
    with Warehouse(ours) as warehouse, Warehouse(plain) as other:
        for one in (warehouse, other):
            one.start_run(RUN, trigger="manual", started_at=START)
        for begin in range(0, documents, THOUSAND):
            at = START + timedelta(days=begin // THOUSAND)
            loads = [synthetic(number) for number in range(begin, begin + THOUSAND)]
            loaded.append(_load(warehouse, loads, at))
            fresh_rows, fresh_size = copy_out(ours, folder, at)
            rows, size = rows + fresh_rows, size + fresh_size
            copied.append(copy_in(plain, folder))
        warehouse.finish_run(RUN, finished_at=at)
    return loaded, copied, rows, size


def _load(warehouse: Warehouse, loads: list[Load], at: datetime) -> float:
    started = time.perf_counter()
    results = warehouse.load_many(loads, run_id=RUN, loaded_at=at)
    seconds = time.perf_counter() - started
    if not all(result.changed for result in results):
        raise RuntimeError("a document was not loaded")
    return seconds


# --- plain COPY ---


def copy_out(url: str, folder: Path, at: datetime) -> tuple[int, int]:
    """Write the rows loaded at that time as one file of COPY text a table; how many rows and bytes."""
    rows = size = 0
    with _connect(url) as connection, connection.cursor() as cursor:
        for table, fresh in _COPIED:
            statement = f"copy (select * from {table.fullname} where {fresh}) to stdout"
            with (folder / table.fullname).open("wb") as file, cursor.copy(statement, (at,)) as copy:
                for data in copy:
                    size += file.write(data)
            rows += cursor.rowcount
    return rows, size


_OF_DOCUMENT = "in (select document_key from ingest.documents where loaded_at = %s)"


def _fresh(table: Table) -> str | None:
    """Which rows of a table belong to the documents of one thousand; None for tables that loading leaves alone."""
    if table.fullname == "audit.chain":
        return f"subject {_OF_DOCUMENT}"
    if table.fullname == "audit.artifacts":
        return "first_linked_at = %s"
    return f"document_key {_OF_DOCUMENT}" if "document_key" in table.columns else None


_COPIED = [(table, fresh) for table in metadata.sorted_tables if (fresh := _fresh(table)) is not None]


def copy_in(url: str, folder: Path) -> float:
    """COPY every file into its table in one transaction; seconds until it is committed."""
    started = time.perf_counter()
    with _connect(url) as connection, connection.cursor() as cursor:
        for table, _ in _COPIED:
            with (
                (folder / table.fullname).open("rb") as file,
                cursor.copy(f"copy {table.fullname} from stdin") as copy,
            ):
                while data := file.read(CHUNK):
                    copy.write(data)
        connection.commit()
    return time.perf_counter() - started


def _connect(url: str) -> psycopg.Connection[Any]:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain)


def _sql(url: str, statement: str) -> None:
    with _connect(url) as connection:
        connection.autocommit = True
        connection.execute(statement.encode())


# --- queries ---


def asked(url: str) -> dict[str, float]:
    """Run every example query with the rights of an analyst; the median of a few times, after one to warm up."""
    took: dict[str, float] = {}
    with _connect(url) as connection:
        connection.execute("set role ocr_ops_analyst")
        for file in sorted((SQL_FOLDER / "queries").glob("*.sql")):
            statement = file.read_text(encoding="utf-8").encode()
            times = [_timed(connection, statement) for _ in range(TIMES + 1)]
            took[file.stem] = statistics.median(times[1:])
    return took


def _timed(connection: psycopg.Connection[Any], statement: bytes) -> float:
    started = time.perf_counter()
    connection.execute(statement).fetchall()
    return time.perf_counter() - started


# --- documents ---


def synthetic(number: int) -> Load:
    """An invoice nobody wrote: one page, five lines, one in ten held back, one in a hundred sent twice."""
    page, record = _page(number), _record(number)
    name = f"invoice_{number:06}.pdf"
    artifacts = {
        role: _digest(f"{role} {number}")
        for role in (
            "source",
            "page/1/picture",
            "page/1/overlay",
            "html",
            "markdown",
            "candidate/1",
            "manifest",
        )
    }
    artifacts |= {"page/1/raw/1": page.attempts[0], "record": digest_of(to_json(record))}
    outcome = Outcome(
        uri=f"file:///landing/{number % 7}/{name}",
        name=name,
        digest=artifacts["source"],
        status=record.status,
        doc_type="invoice",
        media_type="application/pdf",
        size_bytes=50_000 + number,
        pages=(page,),
        record=record,
        artifacts=artifacts,
        timings={"open": 0.05, "read": 1.2, "extract": 0.4},
    )
    call = ModelCall(page.attempts[0], Stage.READ, "vllm", "deepseek-ocr", None, 900, 700, 1.2, 1)
    hashes = {1: (number * 0x9E3779B97F4A7C15) % (1 << 64) - (1 << 63)}
    sizes = dict.fromkeys(artifacts.values(), 4_096)
    return Load(outcome, Extras(sizes=sizes, picture_hashes=hashes, calls=(call,)))


def _values(number: int) -> dict[str, Any]:
    seller = number * 7919 % SELLERS
    original = number - 1 if number % 100 == 99 else number
    lines = [_line(original, position) for position in range(LINES)]
    net = sum((Decimal(line["line_total"]) for line in lines), Decimal(0))
    tax = (net * 19 / 100).quantize(Decimal("0.01"))
    issued = START.date() + timedelta(days=original % 365)
    return {
        "invoice_number": f"RE-{original:06}",
        "issue_date": issued.isoformat(),
        "due_date": (issued + timedelta(days=30)).isoformat(),
        "seller_name": f"Seller {seller if original == number else (number - 1) * 7919 % SELLERS} GmbH",
        "seller_tax_id": f"DE{100_000_000 + seller}",
        "seller_iban": "DE89370400440532013000",
        "buyer_name": "Buyer & Sons Ltd",
        "currency": "EUR",
        "net_total": str(net),
        "tax_total": str(tax),
        "grand_total": str(net + tax),
        "line_items": lines,
    }


def _line(number: int, position: int) -> dict[str, str]:
    quantity, price = 1 + (number + position) % 9, Decimal(100 + number * 37 % 9_900 + position) / 100
    return {
        "description": f"Article {number % 1_000}-{position}, boxed",
        "quantity": str(quantity),
        "unit_price": str(price),
        "tax_rate": "19",
        "line_total": str((quantity * price).quantize(Decimal("0.01"))),
    }


def _leaves(values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if name != "line_items":
            yield f"/{name}", value
    for position, line in enumerate(values["line_items"]):
        for name, value in line.items():
            yield f"/line_items/{position}/{name}", value


def _record(number: int) -> Record:
    values, held = _values(number), number % 10 == 3
    problem = Problem(
        Stage.VALIDATE, ProblemKind.UNCONFIRMED, "seen by one reader only", field="/grand_total"
    )
    return Record(
        doc_type="invoice",
        schema_version=1,
        schema_fingerprint=_digest("schema"),
        status=Status.NEEDS_REVIEW if held else Status.ACCEPTED,
        values=values,
        evidence=tuple(
            Evidence(field, Match.EXACT, 1, (f"p001.b{place:03}",), value)
            for place, (field, value) in enumerate(_leaves(values), 1)
        ),
        rules=tuple(
            RuleResult(rule, True, fields, "the sum is right")
            for rule, fields in (
                ("net_and_tax_make_gross", ("/net_total", "/tax_total", "/grand_total")),
                ("lines_make_net", ("/net_total", *(f"/line_items/{n}/line_total" for n in range(LINES)))),
                ("due_not_before_issue", ("/issue_date", "/due_date")),
            )
        ),
        problems=(problem,) if held else (),
        readers=("layout/3", "llm/model/prompt-2"),
    )


def _page(number: int) -> ReadPage:
    blocks = tuple(
        Block(
            f"p001.b{place:03}",
            "text",
            (GridBox(50.5, 20.0 * place, 400.25, 20.0 * place + 15),),
            value,
            0.98,
        )
        for place, (_, value) in enumerate(_leaves(_values(number)), 1)
    )
    picture = PageImage(1, _digest(f"picture {number}"), "image/png", PixelSize(1654, 2339), dpi=200.0)
    return ReadPage(picture, (_digest(f"raw {number}"),), blocks)


def _digest(words: str) -> Digest:
    return digest_of(words.encode())


if __name__ == "__main__":
    sys.exit(main())
