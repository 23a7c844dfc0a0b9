"""Fixtures that many tests share: one embedded Postgres for the session, one fresh database for each test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from ocr_ops.local.postgres import LocalPostgres


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPostgres]:
    """A running embedded server of this session's own; use it in tests marked `postgres`."""
    server = LocalPostgres(tmp_path_factory.mktemp("postgres") / "server")
    server.ensure_running()
    yield server
    server.remove()


@pytest.fixture
def database_url(postgres_server: LocalPostgres) -> Iterator[str]:
    """SQLAlchemy URL of an empty database, dropped afterwards; use it in tests marked `postgres`."""
    name = f"test_{secrets.token_hex(6)}"
    postgres_server.ensure_database(name)
    yield postgres_server.url(name)
    postgres_server.drop_database(name)
