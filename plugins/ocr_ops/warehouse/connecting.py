"""Open connections to Postgres, and turn what goes wrong there into our two sorts of error.

Messages name the SQLSTATE, the constraint and the server's first line; never a parameter, since parameters are
document text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from ocr_ops.codec import canonical_json
from ocr_ops.errors import OcrOpsError, SettingsError, TerminalError, WarehouseUnavailable

CONNECT_TIMEOUT_S = 10
_NOT_MIGRATED = ("42P01", "3F000", "42703")  # undefined table, schema, column


def open_engine(url: str, **options: Any) -> Engine:
    """Make an engine for a `postgresql://` URL (any driver name in it is replaced by psycopg); SettingsError on another."""
    try:
        parsed = make_url(url)
    except ArgumentError as problem:
        raise SettingsError("the database URL is not a URL: postgresql://user@host:5432/name") from problem
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise SettingsError(f"the warehouse is Postgres, not {parsed.get_backend_name()}")
    return create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        hide_parameters=True,
        pool_pre_ping=True,
        json_serializer=lambda value: canonical_json(value).decode(),
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "ocr-ops"},
        **options,
    )


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """One connection for one piece of work; errors are ours, and nothing stays open."""
    engine = open_engine(url, pool_size=1)
    try:
        with postgres_errors(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def postgres_errors() -> Iterator[None]:
    """Raise WarehouseUnavailable where a later try may succeed, TerminalError where it cannot."""
    try:
        yield
    except DBAPIError as problem:
        raise _translated(problem.orig) from None
    except psycopg.Error as problem:  # from COPY, which SQLAlchemy does not wrap
        raise _translated(problem) from None


def _translated(problem: BaseException | None) -> OcrOpsError:
    state = getattr(problem, "sqlstate", None) or ""
    words = _first_line(problem)
    if isinstance(problem, psycopg.OperationalError | psycopg.InterfaceError):
        return WarehouseUnavailable(f"Postgres: {words} {f'(SQLSTATE {state})' if state else ''}".rstrip())
    if state in _NOT_MIGRATED:
        return TerminalError(f"the warehouse is not up to date ({words}): run `ocr-ops db migrate`")
    return TerminalError(f"Postgres refused: {words} (SQLSTATE {state})")


def _first_line(problem: BaseException | None) -> str:
    diagnosis = getattr(problem, "diag", None)
    primary = getattr(diagnosis, "message_primary", None)
    return str(primary or problem).strip().split("\n")[0][:300]
