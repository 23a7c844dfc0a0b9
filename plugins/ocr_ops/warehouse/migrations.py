"""Bring a database to what `sql/` says: migrations, then views, then roles. Forward only, one loader at a time.

A migration is a transaction of its own, so that a killed one leaves nothing behind. Views and grants are re-made from
their files in one transaction whenever a file or the schema changed; otherwise nothing is touched.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ocr_ops.codec import digest_of
from ocr_ops.errors import TerminalError
from ocr_ops.tables import SCHEMAS, VERSION_SCHEMA, VERSION_TABLE, metadata
from ocr_ops.warehouse.connecting import connected

SQL_FOLDER = Path(__file__).parents[3] / "sql"

_LOCK = 7_240_118_653_004_211  # any number, as long as every version of ocr-ops uses this one
_LOCK_WAIT = "10s"
_COLUMN_COMMENT = re.compile(r"^--   (\w+): (.+)$")
_STATEMENT = re.compile(
    r"create or replace (?:(?P<view>view)|function) (?P<name>(?:marts|extraction)\.\w+)(?(view) as\b|\()"
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class View:
    """One file of `sql/views`: its statement, and the comments its leading lines hold. `kind` is view or function."""

    kind: str
    name: str
    comment: str
    columns: dict[str, str]
    statement: str


def migrate(url: str) -> list[str]:
    """Apply what is missing and return its names, oldest first; an empty list when there was nothing to do."""
    with _locked(url) as connection:
        before = _revision(connection)
        _refuse_unknown(before)
        if connection.scalar(text(f"select to_regnamespace('{VERSION_SCHEMA}')")) is None:
            connection.execute(text(f"create schema {VERSION_SCHEMA}"))
        connection.execute(text(f"set lock_timeout = '{_LOCK_WAIT}'"))
        connection.commit()
        command.upgrade(_config(connection), "head")
        applied = _between(before, _revision(connection))
        connection.commit()
        applied += _apply_views(connection)
        _apply_roles(connection)
        return applied


def current(url: str) -> str | None:
    """The migration the database stands at; None when it has none of our tables."""
    with connected(url) as connection:
        return _revision(connection)


def check(url: str) -> list[str]:
    """Every difference between the database and `ocr_ops.tables`, in words; empty when there is none."""
    with connected(url) as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": _is_ours,
                "version_table": VERSION_TABLE,
                "version_table_schema": VERSION_SCHEMA,
                "compare_server_default": True,
                "autogenerate_plugins": ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
            },
        )
        differences = [_in_words(difference) for difference in compare_metadata(context, metadata)]
        head = _scripts().get_current_head()
        stands = _revision(connection)
        return differences + ([f"stands at {stands}, not at {head}"] if stands != head else [])


@contextmanager
def _locked(url: str) -> Iterator[Connection]:
    """A connection that holds the migration lock until it closes; a second migrator waits, then finds nothing to do."""
    with connected(url) as connection:
        driver: Any = connection.connection.driver_connection
        driver.add_notice_handler(lambda notice: log.warning("%s", notice.message_primary))
        connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": _LOCK})
        connection.commit()
        yield connection
        connection.commit()


# --- migrations ---


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SQL_FOLDER / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _revision(connection: Connection) -> str | None:
    table = f"{VERSION_SCHEMA}.{VERSION_TABLE}"
    if connection.scalar(text("select to_regclass(:table)"), {"table": table}) is None:
        return None
    found: str | None = connection.scalar(text(f"select version_num from {table}"))  # noqa: S608 - constants
    return found


def _refuse_unknown(revision: str | None) -> None:
    known = {script.revision for script in _scripts().walk_revisions()}
    if revision is not None and revision not in known:
        raise TerminalError(
            f"the database stands at {revision}, which is newer than this ocr-ops: update ocr-ops"
        )


def _between(before: str | None, after: str | None) -> list[str]:
    if before == after:
        return []
    steps = _scripts().iterate_revisions(after or "base", before or "base")
    return [step.revision for step in steps][::-1]


def _is_ours(name: str | None, kind: str, parents: Any) -> bool:
    return name in SCHEMAS if kind == "schema" else True


def _in_words(difference: Any) -> str:
    steps = difference if isinstance(difference, list) else [difference]
    return "; ".join(
        " ".join(str(part) for part in step if not isinstance(part, dict | None)) for step in steps
    )


# --- views and roles ---


def _apply_views(connection: Connection) -> list[str]:
    files = sorted((SQL_FOLDER / "views").glob("*.sql"))
    views = [view_from_sql(file.read_text(encoding="utf-8")) for file in files]
    if not views:
        return []
    contents = [f"{view.statement}{view.comment}{sorted(view.columns.items())}" for view in views]
    stamp = digest_of("\n".join([str(_revision(connection)), *contents]).encode())
    if stamp in (connection.scalar(text("select obj_description(to_regnamespace('marts'))")) or ""):
        return []
    _replace_views(connection, views)
    _comment(
        connection,
        "schema marts",
        f"Views for people: start with marts.documents. Made from sql/views, {stamp}",
    )
    connection.commit()
    return [f"views/{file.stem}" for file in files]


def view_from_sql(content: str) -> View:
    """Read a view file: lines `-- words` describe the view, lines `--   column: words` a column; then one statement."""
    lines = content.splitlines()
    head = [line for line in lines if line.startswith("--")]
    columns = {found[1]: found[2] for line in head if (found := _COLUMN_COMMENT.match(line))}
    comment = " ".join(line.removeprefix("--").strip() for line in head if not _COLUMN_COMMENT.match(line))
    statement = "\n".join(line for line in lines if not line.startswith("--")).strip().removesuffix(";")
    found = _STATEMENT.match(statement)
    if found is None:
        raise TerminalError(
            f"a view file must hold one `create or replace view marts.NAME as` (or a function): {statement[:60]!r}"
        )
    return View("view" if found["view"] else "function", found["name"], comment, columns, statement)


def _replace_views(connection: Connection, views: list[View]) -> None:
    """In place where Postgres allows it (columns only added at the end), else dropped and made again.

    A view that somebody built on top of ours makes the second way fail, with its name; nothing of theirs is dropped.
    """
    try:
        with connection.begin_nested():
            for view in views:
                _create_view(connection, view)
    except DBAPIError:
        for kind in ("function", "view"):
            names = ", ".join(view.name for view in views if view.kind == kind)
            if names:
                connection.exec_driver_sql(f"drop {kind} if exists {names} restrict")
        for view in views:
            _create_view(connection, view)


def _create_view(connection: Connection, view: View) -> None:
    """Make a view; a column its file says nothing about is described as the column of that name it comes from."""
    connection.exec_driver_sql(view.statement, execution_options={"no_parameters": True})
    _comment(connection, f"{view.kind} {view.name}", view.comment)
    if view.kind == "function":
        return
    for column, words in view.columns.items():
        _comment(connection, f"column {view.name}.{column}", words)
    schema, _, name = view.name.partition(".")
    inherited = connection.execute(
        text(_INHERITED), {"schema": schema, "view": name, "own": list(view.columns)}
    )
    for column, words in inherited:
        _comment(connection, f"column {view.name}.{column}", words)


_INHERITED = """
select own.attname, min(col_description(source.attrelid, source.attnum))
from pg_attribute own
join pg_class c on c.oid = own.attrelid and c.oid = format('%I.%I', cast(:schema as text), cast(:view as text))::regclass
join information_schema.view_column_usage used on used.view_schema = :schema and used.view_name = c.relname
join pg_attribute source on source.attrelid = format('%I.%I', used.table_schema, used.table_name)::regclass
  and source.attname = used.column_name
where own.attnum > 0 and source.attname = own.attname and own.attname <> all(cast(:own as text[]))
  and col_description(source.attrelid, source.attnum) is not null
group by own.attname
"""


def _comment(connection: Connection, on: str, words: str) -> None:
    quoted = words.replace("'", "''")
    connection.exec_driver_sql(f"comment on {on} is '{quoted}'", execution_options={"no_parameters": True})


def _apply_roles(connection: Connection) -> None:
    """Make the group roles and what they may do; a user who may not make roles gets a notice that names them."""
    for file in sorted((SQL_FOLDER / "roles").glob("*.sql")):
        connection.exec_driver_sql(
            file.read_text(encoding="utf-8"), execution_options={"no_parameters": True}
        )
    connection.commit()
