"""Many rows into one table in one statement: COPY for rows nobody else can hold, a merge for rows that are shared.

Rows are dictionaries by column name; they leave as text, cast by Postgres. Errors are those of the driver.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from ocr_ops.codec import canonical_json

Row = Mapping[str, Any]


def copy_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Append rows with COPY; a row that is there already fails the transaction."""
    if not rows:
        return
    columns = [column.name for column in table.columns]
    special = [
        (place, change) for place, column in enumerate(table.columns) if (change := _as_text(column.type))
    ]
    driver: Any = connection.connection.driver_connection
    statement = f"copy {table.fullname} ({', '.join(columns)}) from stdin"
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            values = [row.get(name) for name in columns]
            for place, change in special:
                if values[place] is not None:
                    values[place] = change(values[place])
            copy.write_row(values)


def _as_text(kind: Any) -> Callable[[Any], Any] | None:
    """How to write a value the driver would write slowly or not at all."""
    if isinstance(kind, JSONB):
        return lambda value: canonical_json(value).decode()
    if isinstance(kind, ARRAY) and not isinstance(kind.item_type, Text):
        return lambda value: "{" + ",".join(map(str, value)) + "}"
    return None


def insert_new(connection: Connection, table: Table, rows: Sequence[Row]) -> set[Any]:
    """Insert the rows whose key is not there yet and touch no other; the first key column of those inserted.

    Give rows that several documents share in the order of their keys, so that two loaders cannot deadlock.
    """
    if not rows:
        return set()
    key = table.primary_key.columns[0].name
    statement = f"{_insert_from_json(table, rows)} on conflict do nothing returning {key}"
    return set(connection.scalars(text(statement), {"rows": as_json(rows)}))


def upsert(connection: Connection, table: Table, rows: Sequence[Row], *, keep: Iterable[str] = ()) -> None:
    """Insert rows, or make the ones that are there equal to them, except for the columns to keep."""
    if rows:
        keys = [column.name for column in table.primary_key]
        changing = [name for name in rows[0] if name not in {*keys, *keep}]
        assigned = ", ".join(f"{name} = excluded.{name}" for name in changing)
        statement = (
            f"{_insert_from_json(table, rows)} on conflict ({', '.join(keys)}) do update set {assigned}"
        )
        connection.execute(text(statement), {"rows": as_json(rows)})


def _insert_from_json(table: Table, rows: Sequence[Row]) -> str:
    columns = ", ".join(rows[0])
    return (
        f"insert into {table.fullname} ({columns}) select {columns} "  # noqa: S608 - names of our own tables
        f"from json_populate_recordset(null::{table.fullname}, cast(:rows as json))"
    )


def as_json(rows: Sequence[Row]) -> str:
    """Rows as one JSON parameter; dates and decimals become text."""
    return json.dumps(rows, default=str, ensure_ascii=False)
