"""Throw-away databases on the test server, and pictures of everything in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import create_engine, make_url, text

from ocr_ops.tables import metadata


def execute(url: str, *statements: str) -> list[tuple]:
    """Run statements one by one, each committed at once; the last one's rows."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            for statement in statements:
                result = connection.execute(text(statement))
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()


@contextmanager
def fresh_database(server_url: str, template: str | None = None) -> Iterator[str]:
    """A database of one's own on the server; gone afterwards."""
    name = f"test_{uuid4().hex[:12]}"
    copied = f" template {make_url(template).database}" if template else ""
    execute(server_url, f"create database {name}{copied}")
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        execute(server_url, f"drop database {name} with (force)")


def contents(url: str) -> dict[str, list[str]]:
    """Every row of every table as text, sorted; of the audit chain what happened, not its clock and its hashes."""
    return {
        name: sorted(
            row[0] for row in execute(url, f"select ({_COMPARED.get(name, 't')})::text from {name} t")
        )
        for name in metadata.tables
    }


_COMPARED = {"audit.chain": "kind, subject, payload"}


def row_versions(url: str) -> dict[str, list[tuple]]:
    """Which transaction wrote every row, and where it lies: differs as soon as a row is touched."""
    return {
        name: sorted(execute(url, f"select ctid::text, xmin::text, xmax::text from {name}"))
        for name in metadata.tables
    }
